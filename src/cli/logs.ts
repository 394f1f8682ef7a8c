/** tallship logs: what detached machines have written, and how they ended. */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { SIGPIPE } from '../abi/signal.ts';
import { say } from '../host/node.ts';
import { dieOf } from '../host/signals.ts';
import { columns } from './columns.ts';
import type { LogsValues } from './commands.ts';
import { findRun, isRunning, type Kept, logOf, readRun, readRuns, stateOf } from './detached/runs.ts';
import { CliError, EXIT } from './error.ts';

const PIECE = 1 << 16;
const LOOK_MS = 100;
const STDOUT = 1;

export async function main({ follow, json }: LogsValues, [word, ...more]: string[]): Promise<number> {
  if (more.length > 0) throw new CliError(EXIT.failure, 'logs: one machine, as PID or NAME');
  if (word === undefined) {
    process.stdout.write(list(json));
    return 0;
  }
  const run = findRun(word);
  const log = openSync(logOf(run.base), 'r');
  try {
    if (!follow) {
      copy(log);
      return 0;
    }
    return await followed(run, log);
  } finally {
    closeSync(log);
  }
}

/** Ends as the program ends: by its status, or its signal. */
async function followed(run: Kept, log: number): Promise<number> {
  for (;;) {
    const now = readRun(run.base) ?? run;
    const goesOn = isRunning(now);
    copy(log);
    if (!goesOn) {
      if (now.end?.signal !== undefined) return dieOf(now.end.signal);
      if (now.end !== undefined) return now.end.status;
      if (now.moved) {
        say(`${run.name} was saved and has ended here: tallship restore goes on`);
        return 0;
      }
      throw new CliError(
        EXIT.failure,
        `${run.name}: its machine has gone without a word: killed, or the host went down`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** Everything from the last position on. */
function copy(log: number): void {
  const piece = Buffer.alloc(PIECE);
  for (;;) {
    const count = readSync(log, piece, 0, PIECE, null);
    if (count === 0) return;
    for (let at = 0; at < count; ) at += put(piece.subarray(at, count));
  }
}

/** `tallship logs build | head` ends as cat(1) does. */
function put(bytes: Uint8Array): number {
  try {
    return writeSync(STDOUT, bytes);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error;
    return dieOf(SIGPIPE);
  }
}

function list(json: boolean): string {
  const runs = readRuns().map((run) => ({ ...run, state: stateOf(run), log: logOf(run.base) }));
  if (json) {
    const shown = runs.map(({ name, pid, command, started, state, end, log }) => {
      return { name, pid, state, end: end ?? null, command, started: new Date(started).toISOString(), log };
    });
    return `${JSON.stringify(shown, null, 1)}\n`;
  }
  const rows = runs.map(({ pid, state, name, started }) => {
    return [String(pid), state, name, new Date(started).toLocaleString()];
  });
  return columns([['PID', 'STATE', 'NAME', 'STARTED'], ...rows]);
}
