/** tallship attach PID|NAME: the terminal of a detached machine, until it ends or Ctrl-\ leaves it. */
import { say } from '../host/node.ts';
import { dieOf } from '../host/signals.ts';
import { HostTerminal } from '../host/tty.ts';
import type { AttachValues } from './commands.ts';
import { ask, findMachine } from './control/client.ts';
import { isRunning, readRuns } from './detached/runs.ts';
import { CliError, EXIT } from './error.ts';

/** Ctrl-\, as dtach(1) and abduco(1) have it. */
const LEAVE = 0x1c;
/** How long the machine may take to write down how it ended. */
const GRACE_MS = 2000;

export async function main(_values: AttachValues, [word, ...more]: string[]): Promise<number> {
  if (word === undefined || more.length > 0) throw new CliError(EXIT.failure, 'attach: one machine, as PID or NAME');
  const { entry, control, failure } = await findMachine(word);
  if (control === null) throw new CliError(EXIT.failure, `${word}: ${failure}`);
  await control.request('attach');
  const socket = control.release();
  const { stdin, stdout } = process;
  const resize = () => {
    const { rows, columns } = stdout;
    if (rows !== undefined) ask(String(entry.pid), 'resize', { rows, columns }).catch(() => {});
  };
  const terminal = stdin.isTTY ? new HostTerminal(stdin.fd) : undefined;
  terminal?.setRaw();
  if (terminal !== undefined) {
    process.stderr.write(`tallship: this is ${word}'s terminal; Ctrl-\\ leaves it\r\n`);
  }
  stdout.on('resize', resize);
  resize();
  const left = new Promise<boolean>((resolve) => {
    socket.on('data', (data) => stdout.write(data));
    socket.on('error', () => {});
    socket.on('close', () => resolve(false));
    stdin.on('data', (data: Buffer) => {
      const at = stdin.isTTY ? data.indexOf(LEAVE) : -1;
      socket.write(at < 0 ? data : data.subarray(0, at));
      if (at >= 0) resolve(true);
    });
    socket.resume();
  });
  const detached = await left;
  terminal?.restore();
  stdin.pause();
  if (detached) {
    socket.destroy();
    say(`left ${word}; it goes on`);
    return 0;
  }
  return statusOf(entry.pid);
}

/** The exit status of the machine that has ended, as if it had run here. */
async function statusOf(pid: number): Promise<number> {
  for (const until = Date.now() + GRACE_MS; Date.now() < until; ) {
    const run = readRuns().findLast((one) => one.pid === pid);
    if (run?.end?.signal !== undefined) return dieOf(run.end.signal);
    if (run?.end !== undefined) return run.end.status;
    if (run !== undefined && !isRunning(run)) break;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new CliError(EXIT.failure, `machine ${pid} has ended without a word`);
}
