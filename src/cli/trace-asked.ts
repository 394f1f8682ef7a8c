/** Whether a command line asks for a trace; options of one that is not asked for would do nothing. */
import type { RunValues } from './commands.ts';
import { CliError, EXIT } from './error.ts';
import type { LayerValues } from './layers.ts';
import { RUN_OPTIONS } from './run-options.ts';

const DETAILS = [
  ...(['follow', 'output', 'elapsed', 'relative', 'timestamps'] as const),
  ...(['paths', 'only', 'strings', 'numbers', 'backtrace'] as const),
];

export function asksForTrace({
  strace,
  summary,
  expression,
}: Pick<RunValues, 'strace' | 'summary' | 'expression'>): boolean {
  return strace || summary || expression.some((text) => !/^(inject|fault)=/.test(text));
}

export function checkTraceOptions(values: RunValues): void {
  if (asksForTrace(values)) return;
  for (const name of DETAILS) {
    const value = values[name];
    if (value === undefined || value === false || value === 0 || (Array.isArray(value) && value.length === 0)) continue;
    throw new CliError(EXIT.failure, `-${RUN_OPTIONS[name].letter} is about a trace: give --strace, too`);
  }
}

/** Whether anything stands in front of calls: what does is loaded only then. */
export function asksForLayers({ layer, strace, inject, summary, expression }: LayerValues): boolean {
  return strace || summary || layer.length + inject.length + expression.length > 0;
}
