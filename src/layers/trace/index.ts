/** A trace as --strace and --layer trace ask for it. */
import type { Known } from '../../syscall/classes.ts';
import type { Outside } from '../outside.ts';
import { parseExpressions } from './options.ts';
import { type Trace, trace } from './trace.ts';

/** strace's options, by their letters. */
export interface StraceOptions {
  readonly expression: readonly string[];
  readonly follow: number;
  readonly output: string | undefined;
  readonly summary: boolean;
  readonly elapsed: boolean;
  readonly relative: boolean;
  readonly timestamps: number;
  readonly paths: number;
  readonly only: readonly string[];
  readonly strings: number | undefined;
  readonly numbers: 'raw' | 'abbrev' | 'verbose' | undefined;
  readonly backtrace: boolean;
  readonly json: boolean;
}

export const PLAIN: StraceOptions = {
  expression: [],
  follow: 0,
  output: undefined,
  summary: false,
  elapsed: false,
  relative: false,
  timestamps: 0,
  paths: 0,
  only: [],
  strings: undefined,
  numbers: undefined,
  backtrace: false,
  json: false,
};

export function traceFor(options: StraceOptions, outside: Outside, known: Known): Trace {
  const expressions = parseExpressions(options.expression, known);
  return trace({
    write: writer(options, outside),
    expressions,
    show: {
      strings: options.strings ?? 32,
      paths: options.paths,
      numbers: options.numbers ?? 'abbrev',
    },
    follow: options.follow > 0,
    pids: options.follow === 1 ? (options.output === undefined ? 'several' : 'always') : 'never',
    summary: options.summary,
    elapsed: options.elapsed,
    relative: options.relative,
    timestamps: options.timestamps,
    only: options.only,
    backtrace: options.backtrace,
    json: options.json,
    separate: options.follow > 1,
    // What a result decides to show cannot begin before.
    later: options.expression.some((text) => text.startsWith('status=')) ? undefined : outside.later,
  });
}

function writer({ output, follow }: StraceOptions, outside: Outside): (text: string, pid: number) => void {
  if (output === undefined) return (text) => outside.error(text);
  if (follow < 2) return outside.output(output);
  const files = new Map<number, (text: string) => void>();
  return (text, pid) => {
    let write = files.get(pid);
    if (write === undefined) files.set(pid, (write = outside.output(`${output}.${pid}`)));
    write(text);
  };
}

/** --layer trace[:FILE]: everything, children too. */
export function traceTo(file: string | undefined, outside: Outside): Trace {
  return traceFor({ ...PLAIN, follow: 1, output: file }, outside, new Set());
}
