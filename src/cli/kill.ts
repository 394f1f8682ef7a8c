/** tallship kill PID|NAME: a signal from another terminal. */
import { SIGKILL, SIGRTMAX, SIGTERM, signalName } from '../abi/signal.ts';
import type { KillValues } from './commands.ts';
import { type Found, findMachine } from './control/client.ts';
import { isAlive, removeEntry } from './control/entry.ts';
import { CliError, EXIT } from './error.ts';

export async function main({ signal, process: target, all }: KillValues, [word, ...more]: string[]): Promise<number> {
  if (word === undefined || more.length > 0) throw new CliError(EXIT.failure, 'kill: one machine, as PID or NAME');
  const number = signal === undefined ? SIGTERM : signalNumber(signal);
  const found = await findMachine(word);
  if (found.control === null) return killHost(found, number);
  try {
    await found.control.request('kill', { signal: number, process: target, all });
  } finally {
    found.control.close();
  }
  return 0;
}

/** A machine that does not answer, because it was stopped or hangs, can still be ended. */
function killHost({ entry, failure }: Found, signal: number): number {
  if (signal !== SIGKILL || !isAlive(entry)) throw new CliError(EXIT.failure, `${entry.pid}: ${failure}`);
  process.kill(entry.pid, 'SIGKILL');
  removeEntry(entry.base);
  return 0;
}

/** 15, TERM, SIGTERM, term. */
function signalNumber(text: string): number {
  if (/^\d+$/.test(text) && Number(text) <= SIGRTMAX) return Number(text);
  const name = text.toUpperCase().replace(/^(?!SIG)/, 'SIG');
  for (let signal = 1; signal <= SIGRTMAX; signal++) if (signalName(signal) === name) return signal;
  throw new CliError(EXIT.failure, `-s ${text}: there is no such signal`);
}
