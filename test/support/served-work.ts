/** Real programs on files that are elsewhere, over connections that are cut; compared with the same on files that are here. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cuttingProxy, type ProxyOptions } from './cutting-proxy.ts';
import { ENVIRONMENT, type Outcome, tallship } from './run.ts';
import { MAIN } from './sysroot.ts';

/** Everything is decided by what stands here. */
export const WORK = `set -e
# A lock that is lost with its server is an error, and nothing else: the transaction is begun again.
sql() { until sqlite3 t.db "$1" > answer; do :; done; }
git init -q r; cd r
git config user.email a@b.c; git config user.name n
i=0
while [ $i -lt ROUNDS ]; do
  printf '#include <stdio.h>\\nint main(void) { printf("%%d\\\\n", %d); return 0; }\\n' $i > p$i.c
  gcc -o p$i p$i.c
  ./p$i >> output
  git add p$i.c; git commit -q -m "round $i"
  sql "create table if not exists t(x integer primary key, y); insert or replace into t values($i, 'round $i')"
  sql 'select count(*), sum(x) from t'; cat answer >> output
  cp p$i.c kept; mv kept moved; ln -f moved linked; rm moved
  i=$((i+1))
done
git log --oneline | cat; git status --short | wc -l; cat output; cat linked; sql .dump; cat answer`;

export interface Compared {
  readonly here: Outcome;
  readonly elsewhere: Outcome;
  readonly filesHere: string[];
  readonly filesElsewhere: string[];
  readonly connections: number;
  /** Connections whose bytes came late, or twice; servers that were killed. */
  readonly late: number;
  readonly twice: number;
  readonly kills: number;
}

/** @param modes of the run elsewhere. @param pause between kills of the server, in milliseconds, about. */
export async function compareWork(
  sysroot: string,
  rounds: number,
  proxy: ProxyOptions,
  modes: readonly string[] = [],
  pause = Number.POSITIVE_INFINITY,
): Promise<Compared> {
  const base = mkdtempSync(join(tmpdir(), 'tallship-served-'));
  const script = WORK.replace('ROUNDS', String(rounds));
  const options = { timeout: 900_000, env: { ...ENVIRONMENT, GIT_CONFIG_NOSYSTEM: '1' } };
  let home: Mortal | null = null;
  try {
    for (const name of ['here', 'there']) mkdirSync(join(base, name));
    home = new Mortal(() => serve(join(base, 'work.sock'), join(base, 'there')), pause);
    await home.start(() => existsSync(join(base, 'there/r')));
    const between = await cuttingProxy(join(base, 'bad.sock'), join(base, 'work.sock'), proxy);
    const common = ['-q', '-L', sysroot, '-C', '/w'];
    const elsewhere = await tallship(
      ['run', ...common, ...modes, '-M', `/w=unix:${join(base, 'bad.sock')}`, 'bash', '-c', script],
      options,
    );
    between.close();
    const here = await tallship(['run', ...common, '-v', `${join(base, 'here')}:/w`, 'bash', '-c', script], options);
    return {
      here,
      elsewhere,
      filesHere: list(join(base, 'here')),
      filesElsewhere: list(join(base, 'there')),
      ...{ connections: between.connections, late: between.late, twice: between.twice, kills: home.kills },
    };
  } finally {
    await home?.end();
    rmSync(base, { recursive: true, force: true });
  }
}

/** A server that is killed now and then, and started again. */
class Mortal {
  readonly #start: () => Promise<ChildProcess>;
  readonly #pause: number;
  #server: ChildProcess | null = null;
  #killing: Promise<void> = Promise.resolve();
  #over = false;
  kills = 0;

  constructor(start: () => Promise<ChildProcess>, pause: number) {
    this.#start = start;
    this.#pause = pause;
  }

  /** @param begun kills begin with the work: who cannot connect at first is told so. */
  async start(begun: () => boolean): Promise<void> {
    this.#server = await this.#start();
    if (Number.isFinite(this.#pause)) this.#killing = this.#killNowAndThen(begun);
  }

  async #killNowAndThen(begun: () => boolean): Promise<void> {
    while (!this.#over && !begun()) await sleep(100);
    while (!this.#over) {
      await sleep(this.#pause * (0.5 + Math.random()));
      if (this.#over) return;
      const gone = new Promise((resolve) => this.#server!.once('exit', resolve));
      this.#server!.kill('SIGKILL');
      await gone;
      this.kills++;
      this.#server = await this.#start();
    }
  }

  async end(): Promise<void> {
    this.#over = true;
    this.#server?.kill();
    await this.#killing;
    this.#server?.kill();
  }
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A server that listens. */
export async function serve(socket: string, directory: string): Promise<ChildProcess> {
  const args = [MAIN, 'serve', '--force', '-q', '-l', `unix:${socket}`, '-e', directory];
  // One that was killed has left its socket behind.
  rmSync(socket, { force: true });
  const server = spawn(process.execPath, args, { stdio: 'ignore' });
  await until(() => existsSync(socket));
  return server;
}

async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 600 && !holds(); i++) await sleep(50);
}

/** What git keeps about times, and sqlite3 about how often it was asked: that database is compared by its contents. */
const LEFT_OUT = ['index', 't.db'];

/** Names and contents. */
function list(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !LEFT_OUT.includes(entry.name))
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      const text = path.includes('/logs/') ? '' : readFileSync(path);
      return `${path.slice(directory.length)} ${createHash('sha256').update(text).digest('hex')}`;
    })
    .sort();
}
