/** tallship run -d: the same command once more, in a session of its own, its output in a log. */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { say } from '../../host/node.ts';
import { readEntries } from '../control/entry.ts';
import { EXIT } from '../error.ts';
import { logOf, newBase, readRun, removeRun } from './runs.ts';

/** Tells the process that goes on where its files are. The guest does not see it. */
export const DETACHED = 'TALLSHIP_DETACHED';

const LOOK_MS = 10;
/** A machine announces itself a tenth of a second after its start. */
const REACHABLE_MS = 3000;

/**
 * Starts it, and waits until its program runs or has ended.
 * @returns 0, or the exit status of one that ended before it ran: what it said is on stderr.
 */
export async function detach([program]: readonly string[], name = basename(program ?? 'run')): Promise<number> {
  const base = newBase(name);
  const log = openSync(logOf(base), 'ax', 0o600);
  const env = { ...process.env, [DETACHED]: base };
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    ...{ detached: true, env, stdio: ['ignore', log, log] },
  });
  closeSync(log);
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? (signal === null ? 0 : EXIT.failure)));
  });
  const status = await Promise.race([ended, untilRecorded(base)]);
  if (readRun(base) === undefined) {
    process.stderr.write(readFileSync(logOf(base)));
    removeRun(base);
    return status || EXIT.failure;
  }
  process.stdout.write(`${child.pid}\n`);
  if (process.stderr.isTTY) say(`runs as ${name}: tallship logs -f, attach or kill ${child.pid}`);
  await Promise.race([ended, untilReachable(child.pid)]);
  child.unref();
  return 0;
}

/** Whoever waits for us may ask the machine for something at once. It need not have a control socket. */
async function untilReachable(pid: number | undefined): Promise<void> {
  for (const end = Date.now() + REACHABLE_MS; Date.now() < end; ) {
    if (readEntries().some((entry) => entry.pid === pid)) return;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

async function untilRecorded(base: string): Promise<number> {
  while (readRun(base) === undefined) await new Promise((resolve) => setTimeout(resolve, LOOK_MS).unref());
  return 0;
}
