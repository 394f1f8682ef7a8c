/** The standard input and output of a process as a connection: ssh, or whatever else reaches the other side. */
import type { Transport } from '../../remote/transport.ts';
import { StreamTransport } from './streams.ts';

/** How much of a process's last words is kept. */
const LAST_WORDS = 4096;
/** After the streams' end a process has so long to end by itself. */
const GRACE_MS = 2000;

/** Up to the remote command. No terminal there, and nothing of our configuration that would open ports. */
export function sshArguments({ user, host, port }: { user?: string; host: string; port?: number }): string[] {
  const words = ['-T', '-o', 'ClearAllForwardings=yes', '-o', 'ServerAliveInterval=15'];
  if (port !== undefined) words.push('-p', String(port));
  if (user !== undefined) words.push('-l', user);
  return [...words, '--', host];
}

/** Starts a process. Its stderr goes to ours as it comes; the last line is also the reason when it ends early. */
export async function overProcess(program: string, args: readonly string[], where: string): Promise<Transport> {
  const { spawn } = await import('node:child_process');
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let words = '';
  child.stderr.on('data', (bytes: Buffer) => {
    words = (words + bytes.toString('utf8')).slice(-LAST_WORDS);
  });
  const ended = new Promise<string | undefined>((resolve) => {
    child.once('error', (error) => resolve(`${program} cannot be started: ${error.message}`));
    child.once('close', (status, signal) => {
      if (status === 0) return resolve(undefined);
      const last =
        words
          .trim()
          .split('\n')
          .at(-1)
          ?.replace(/^tallship: /, '') ?? '';
      resolve(explainEnd(status, signal, last, where));
    });
  });
  const end = () => {
    const timer = setTimeout(() => child.kill('SIGTERM'), GRACE_MS);
    timer.unref();
    child.once('exit', () => clearTimeout(timer));
  };
  return new StreamTransport(child.stdout, child.stdin, { end, explain: async (error) => (await ended) ?? error });
}

/** Statuses are a shell's: 127 for a command that is not there; ssh itself fails with 255. */
function explainEnd(status: number | null, signal: string | null, last: string, where: string): string {
  if (status === 127) return `there is no tallship at ${where}${last === '' ? '' : ` (${last})`}`;
  if (status === 255) return `${where} cannot be reached: ${last === '' ? 'ssh failed' : last}`;
  if (last !== '') return `${where}: ${last}`;
  return signal === null ? `${where}: ended with status ${status}` : `${where}: ended by ${signal}`;
}
