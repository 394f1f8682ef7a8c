/** Options, declared once: the parser, yargs' help, completion and the types of their values derive from them. */

export interface Option {
  readonly kind: 'flag' | 'count' | 'string' | 'number' | 'list' | 'choice';
  /** One-letter form. */
  readonly letter?: string;
  /** What the value is called in help. */
  readonly value?: string;
  readonly choices?: readonly string[];
  readonly describe: string;
  /** Has a one-letter form only. */
  readonly short?: true;
}

export type Options = { readonly [name: string]: Option };

type ValueOf<O extends Option> = O['kind'] extends 'flag'
  ? boolean
  : O['kind'] extends 'list'
    ? string[]
    : O['kind'] extends 'count'
      ? number
      : O['kind'] extends 'number'
        ? number | undefined
        : O extends { choices: readonly (infer C)[] }
          ? C | undefined
          : string | undefined;

/** What a parsed command line holds: flags are false, counts 0 and lists empty when absent. */
export type Values<O extends Options> = { -readonly [K in keyof O]: ValueOf<O[K]> };

/** An option's name on the command line. */
export function spelling(name: string, option: Option): string {
  return option.short ? `-${option.letter}` : `--${name}`;
}
