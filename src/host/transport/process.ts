/** The standard input and output of a process as a connection: ssh, or whatever else reaches the other side. */
import type { Socket } from 'node:net';
import { StreamTransport } from './streams.ts';

/** How much of a process's last words is kept. */
const LAST_WORDS = 4096;
const LAST_WORDS_MS = 200;
/** After the streams' end a process has so long to end by itself. */
const GRACE_MS = 2000;

/** Up to the remote command. No terminal there, and nothing of our configuration that would open ports. */
export function sshArguments({ user, host, port }: { user?: string; host: string; port?: number }): string[] {
  const words = ['-T', '-o', 'ClearAllForwardings=yes', '-o', 'ServerAliveInterval=15', '-o', 'ConnectTimeout=30'];
  if (port !== undefined) words.push('-p', String(port));
  if (user !== undefined) words.push('-l', user);
  return [...words, '--', host];
}

/** Signals for all of our group (Ctrl-C, a shell's kill) are for the guest: ignored ones stay ignored after exec. */
const SHIELD = `trap '' INT QUIT TSTP TERM HUP; exec "$@"`;

/** Starts a process. What it says on stderr before it has answered is why it does not; later words are for our caller. */
export async function overProcess(program: string, args: readonly string[], where: string): Promise<StreamTransport> {
  const { spawn } = await import('node:child_process');
  const child = spawn('/bin/sh', ['-c', SHIELD, 'sh', program, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  let words = '';
  let answered = false;
  child.stdout.once('data', () => {
    answered = true;
  });
  child.stderr.on('data', (bytes: Buffer) => {
    if (answered) process.stderr.write(bytes);
    else words = (words + bytes.toString('utf8')).slice(-LAST_WORDS);
  });
  const ended = new Promise<string | undefined>((resolve) => {
    child.once('error', (error) => resolve(`${program} cannot be started: ${error.message}`));
    const end = (status: number | null, signal: NodeJS.Signals | null) => {
      if (status === 0) return resolve(undefined);
      const last =
        words
          .trim()
          .split('\n')
          .at(-1)
          ?.replace(/^tallship: /, '') ?? '';
      resolve(explainEnd(status, signal, last, where));
    };
    child.once('close', end);
    // What it has left behind may hold its stderr for long.
    child.once('exit', (status, signal) => {
      setTimeout(() => {
        end(status, signal);
        (child.stderr as Socket).unref();
      }, LAST_WORDS_MS);
    });
  });
  const end = () => {
    const timer = setTimeout(() => child.kill('SIGKILL'), GRACE_MS);
    timer.unref();
    child.once('exit', () => clearTimeout(timer));
  };
  return new StreamTransport(child.stdout, child.stdin, { end, explain: async (error) => (await ended) ?? error });
}

/** Statuses are a shell's: 127 for a command that is not there; ssh itself fails with 255. */
function explainEnd(status: number | null, signal: string | null, last: string, where: string): string {
  const absent = /exec: ([^:]+): not found/.exec(last);
  if (status === 127 && absent !== null) return `${absent[1]} is not installed here`;
  if (status === 127) return `there is no tallship at ${where}${last === '' ? '' : ` (${last})`}`;
  if (status === 255) return `${where} cannot be reached: ${last === '' ? 'ssh failed' : last}`;
  if (last !== '') return `${where}: ${last}`;
  return signal === null ? `${where}: ended with status ${status}` : `${where}: ended by ${signal}`;
}
