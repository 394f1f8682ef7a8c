/** Times on the command line. */
import { CliError, EXIT } from './error.ts';

const UNITS: Readonly<Record<string, number>> = { '': 1000, s: 1000, m: 60_000, h: 3_600_000 };

/** 90, 90s, 40m, 2h: in milliseconds. */
export function milliseconds(option: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)([smh]?)$/.exec(text);
  if (match === null) throw new CliError(EXIT.failure, `${option} ${text}: give a time like 90, 90s, 40m or 2h`);
  return Number(match[1]) * UNITS[match[2]];
}
