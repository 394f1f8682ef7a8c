/** A directory that is served, for the measurements of files elsewhere: by tallship serve, and by sshfs where there is one. */
import { type ChildProcess, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { cuttingProxy } from '../test/support/cutting-proxy.ts';
import { run } from '../test/support/run.ts';
import { serve } from '../test/support/served-work.ts';
import { Sshd, sshMissing } from '../test/support/sshd.ts';

/** Milliseconds each way over the slow link. */
const DELAY = 10;
/** Seconds. */
export const ROUND_TRIP = (2 * DELAY) / 1000;
export const FILES = 1000;
const SOURCES = 20;

/** Why sshfs cannot be compared with; null: it can. */
export function sshfsMissing(): string | null {
  const missing = sshMissing();
  if (missing !== null) return missing;
  if (spawnSync('sshfs', ['--version']).status !== 0) return 'sshfs is not installed';
  return existsSync('/dev/fuse') ? null : 'there is no FUSE here';
}

export interface Mounted {
  readonly path: string;
  close(): void;
}

export class Served {
  readonly base = mkdtempSync(join(tmpdir(), 'tallship-bench-'));
  readonly home = join(this.base, 'home');
  /** UNIX sockets, at once and 20 ms away. */
  readonly socket = join(this.base, 'socket');
  readonly slow = join(this.base, 'slow');
  readonly #closing: (() => void)[] = [() => rmSync(this.base, { recursive: true, force: true })];
  #sshd: Sshd | null = null;
  #mounts = 0;

  static async start(): Promise<Served> {
    const served = new Served();
    writeFiles(served.home);
    const server: ChildProcess = await serve(served.socket, served.home);
    const link = await cuttingProxy(served.slow, served.socket, { delay: DELAY, life: Number.POSITIVE_INFINITY });
    served.#closing.push(() => server.kill(), link.close);
    return served;
  }

  /** An sshd of our own. */
  async sshd(): Promise<Sshd> {
    if (this.#sshd === null) {
      const sshd = await Sshd.start({ LC_ALL: 'C' });
      this.#sshd = sshd;
      this.#closing.push(() => sshd.stop());
    }
    return this.#sshd;
  }

  async sshfs(slow = false): Promise<Mounted> {
    const { client, port } = await this.sshd();
    const link = slow ? await cuttingProxy(0, port, { delay: DELAY, life: Number.POSITIVE_INFINITY }) : null;
    const path = join(this.base, `mount-${this.#mounts++}`);
    mkdirSync(path);
    const options = ['-p', String(link?.port ?? port), '-o', `ssh_command=${join(client, 'ssh')}`];
    const { PATH = '' } = process.env;
    const env = { PATH: `${client}${delimiter}${PATH}` };
    const { status, stderr } = await run('sshfs', [...options, `127.0.0.1:${this.home}`, path], { env });
    if (status !== 0) throw new Error(`sshfs: ${stderr}`);
    const close = () => {
      spawnSync('fusermount3', ['-u', path]);
      link?.close();
    };
    this.#closing.push(close);
    return { path, close };
  }

  close(): void {
    for (const close of this.#closing.reverse()) close();
  }
}

function writeFiles(home: string): void {
  mkdirSync(join(home, 'small'), { recursive: true });
  for (let i = 0; i < FILES; i++) writeFileSync(join(home, 'small', String(i)), 'x'.repeat(100));
}

/** A project of twenty files in C, in a directory of its own. */
export function writeProject(directory: string): void {
  mkdirSync(directory, { recursive: true });
  const numbers = Array.from({ length: SOURCES }, (_, i) => i);
  writeFileSync(join(directory, 'all.h'), numbers.map((i) => `int f${i}(int);\n`).join(''));
  for (const i of numbers) {
    const text = `#include <stdio.h>\n#include <string.h>\n#include "all.h"\nint f${i}(int n) { return n * ${i}; }\n`;
    writeFileSync(join(directory, `f${i}.c`), text);
  }
  const sum = numbers.map((i) => `f${i}(1)`).join(' + ');
  const main = `#include <stdio.h>\n#include "all.h"\nint main(void) { printf("%d\\n", ${sum}); return 0; }\n`;
  writeFileSync(join(directory, 'main.c'), main);
  const objects = ['main.o', ...numbers.map((i) => `f${i}.o`)].join(' ');
  writeFileSync(
    join(directory, 'Makefile'),
    `main: ${objects}\n\t$(CC) -o $@ ${objects}\n%.o: %.c all.h\n\t$(CC) -c $<\n`,
  );
}
