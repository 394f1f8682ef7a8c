/** A machine that runs until it is told to end: wordcount, which waits for its stdin. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fixture } from './machine.ts';
import { commandLine, ENVIRONMENT, type Outcome, tallship } from './run.ts';

/** Machines that only this test sees, and `tallship` that sees only them. */
export class Harbour {
  readonly runtime = mkdtempSync(join(tmpdir(), 'harbour-'));
  env: Record<string, string> = { TALLSHIP_RUNTIME_DIR: this.runtime };
  readonly #ends = new Map<ChildProcess, Promise<Outcome>>();

  run(...args: string[]): Promise<Outcome> {
    return tallship(args, { env: this.env, cwd: this.runtime });
  }

  /** Starts `tallship run OPTIONS wordcount`; resolves when it is listed. */
  start(name: string, ...options: string[]): Promise<ChildProcess> {
    return this.startOf(name, options, [fixture('wordcount')]);
  }

  /** The same of any command. */
  async startOf(name: string, options: readonly string[], command: readonly string[]): Promise<ChildProcess> {
    const args = commandLine(['run', '--name', name, ...options, ...command]);
    const env = { ...ENVIRONMENT, ...this.env };
    const child = spawn(process.execPath, args, { env, cwd: this.runtime, stdio: 'pipe' });
    this.#ends.set(child, outcome(child));
    while (!(await this.names()).includes(name)) await new Promise((resolve) => setTimeout(resolve, 20));
    return child;
  }

  async names(): Promise<string[]> {
    const { stdout } = await this.run('ps', '--json');
    return JSON.parse(stdout).map(({ name }: { name: string }) => name);
  }

  /** How it ends, or ended. */
  end(child: ChildProcess): Promise<Outcome> {
    return this.#ends.get(child)!;
  }

  close(): void {
    for (const child of this.#ends.keys()) child.kill('SIGKILL');
    rmSync(this.runtime, { recursive: true, force: true });
  }
}

function outcome(child: ChildProcess): Promise<Outcome> {
  let [stdout, stderr] = ['', ''];
  child.stdout!.on('data', (data) => (stdout += data));
  child.stderr!.on('data', (data) => (stderr += data));
  return new Promise((resolve) => {
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr }));
  });
}
