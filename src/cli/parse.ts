/**
 * Parses a command line by its options table. The run path does not load yargs (90 ms) for this, and a guest's own
 * arguments must never be looked at: with `stop`, everything from the first operand on is left alone.
 */
import { CliError, EXIT } from './error.ts';
import { type Option, type Options, spelling, type Values } from './options.ts';
import { nearest } from './suggest.ts';

export interface Parsed<O extends Options> {
  values: Values<O>;
  operands: string[];
  help: boolean;
}

export function parse<O extends Options>(options: O, argv: readonly string[], stop: boolean): Parsed<O> {
  const values = defaults(options) as Record<string, unknown>;
  const parsed: Parsed<O> = { values: values as Values<O>, operands: [], help: false };
  const byLetter = new Map(Object.entries(options).map((entry) => [entry[1].letter, entry] as const));
  const rest = [...argv];
  while (rest.length > 0) {
    const word = rest.shift()!;
    if (word === '--') {
      parsed.operands.push(...rest);
      break;
    }
    if (word === '--help' || word === '-h') {
      parsed.help = true;
    } else if (word.startsWith('--')) {
      const equals = word.indexOf('=');
      const name = equals < 0 ? word.slice(2) : word.slice(2, equals);
      if (!Object.hasOwn(options, name) || options[name].short) throw unknown(word, options);
      const inline = equals < 0 ? undefined : word.slice(equals + 1);
      assign(values, name, options[name], inline, rest, `--${name}`);
    } else if (word.startsWith('-') && word !== '-') {
      letters(word, byLetter, values, rest, options);
    } else {
      parsed.operands.push(word);
      if (stop) {
        parsed.operands.push(...rest);
        break;
      }
    }
  }
  return parsed;
}

function defaults(options: Options): Record<string, unknown> {
  const initial = { flag: false, count: 0, list: [], string: undefined, number: undefined, choice: undefined };
  return Object.fromEntries(
    Object.entries(options).map(([name, { kind }]) => [name, kind === 'list' ? [] : initial[kind]]),
  );
}

/** `-L DIR`, `-LDIR`, `-xyz` for flags. */
function letters(
  word: string,
  byLetter: Map<string | undefined, [string, Option]>,
  values: Record<string, unknown>,
  rest: string[],
  options: Options,
): void {
  for (let i = 1; i < word.length; i++) {
    const entry = byLetter.get(word[i]);
    if (entry === undefined) throw unknown(i === 1 ? word : `-${word[i]}`, options);
    const [name, option] = entry;
    const inline = isSwitch(option) || i + 1 === word.length ? undefined : word.slice(i + 1);
    assign(values, name, option, inline, rest, `-${word[i]}`);
    if (!isSwitch(option)) return;
  }
}

/** Takes no value. */
function isSwitch({ kind }: Option): boolean {
  return kind === 'flag' || kind === 'count';
}

function assign(
  values: Record<string, unknown>,
  name: string,
  option: Option,
  inline: string | undefined,
  rest: string[],
  /** As it was typed. */
  shown: string,
): void {
  if (isSwitch(option)) {
    if (inline !== undefined) throw new CliError(EXIT.failure, `${shown} takes no value`);
    values[name] = option.kind === 'flag' ? true : (values[name] as number) + 1;
    return;
  }
  const value = inline ?? rest.shift();
  if (value === undefined) throw new CliError(EXIT.failure, `${shown} needs a value: ${option.value}`);
  if (option.kind === 'list') (values[name] as string[]).push(value);
  else if (option.kind === 'number') values[name] = number(shown, value);
  else if (option.kind === 'choice' && !option.choices!.includes(value)) {
    throw new CliError(EXIT.failure, `${shown} is one of ${option.choices!.join(', ')}, not '${value}'`);
  } else values[name] = value;
}

function number(shown: string, text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value < 0) {
    throw new CliError(EXIT.failure, `${shown} needs a number, not '${text}'`);
  }
  return value;
}

function unknown(word: string, options: Options): CliError {
  const spellings = Object.entries(options).map(([name, option]) => spelling(name, option));
  const suggestion = nearest(word.split('=')[0], [...spellings, '--help', '--version']);
  const hint = suggestion === undefined ? 'see tallship --help' : `did you mean ${suggestion}?`;
  return new CliError(EXIT.failure, `unknown option ${word}: ${hint}`);
}
