/** A terminal with a program on it, as a person would use it: script(1) of util-linux makes it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { commandLine, ENVIRONMENT } from './run.ts';

const quote = (word: string) => `'${word.replaceAll("'", "'\\''")}'`;

export class Terminal {
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;
  #screen = '';
  #seen = 0;

  /** Runs a shell command on a new terminal. */
  constructor(command: string, cwd: string) {
    const env = { ...ENVIRONMENT, TERM: 'xterm', PS1: '$ ' };
    this.#child = spawn('script', ['-qefc', command, '/dev/null'], { cwd, env, stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.stdout!.on('data', (data: Buffer) => {
      this.#screen += data.toString('latin1');
    });
    this.#ended = new Promise((resolve) => this.#child.on('close', resolve));
  }

  /** `tallship ARGS` on a new terminal. */
  static tallship(args: readonly string[], cwd: string): Terminal {
    return new Terminal(`exec ${tallshipCommand(args)}`, cwd);
  }

  type(keys: string): void {
    this.#child.stdin!.write(keys);
  }

  /** Waits until the text appears after what earlier calls have waited for. */
  async see(text: string | RegExp): Promise<void> {
    for (const end = Date.now() + 30_000; Date.now() < end; ) {
      const rest = this.#screen.slice(this.#seen);
      const at = typeof text === 'string' ? rest.indexOf(text) : rest.search(text);
      if (at >= 0) {
        this.#seen += at + (typeof text === 'string' ? text.length : text.exec(rest)![0].length);
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`${JSON.stringify(String(text))} did not appear; the screen: ${JSON.stringify(this.#screen)}`);
  }

  /** Exit status of the command; 128 + n for a signal. */
  end(): Promise<number | null> {
    return this.#ended;
  }
}

export function tallshipCommand(args: readonly string[]): string {
  return [process.execPath, ...commandLine(args)].map(quote).join(' ');
}
