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
git init -q r; cd r
git config user.email a@b.c; git config user.name n
i=0
while [ $i -lt ROUNDS ]; do
  printf '#include <stdio.h>\\nint main(void) { printf("%%d\\\\n", %d); return 0; }\\n' $i > p$i.c
  gcc -o p$i p$i.c
  ./p$i >> output
  git add p$i.c; git commit -q -m "round $i"
  sqlite3 t.db "create table if not exists t(x); insert into t values($i); select count(*), sum(x) from t;" >> output
  cp p$i.c kept; mv kept moved; ln -f moved linked; rm moved
  i=$((i+1))
done
git log --oneline | cat; git status --short | wc -l; cat output; cat linked`;

export interface Compared {
  readonly here: Outcome;
  readonly elsewhere: Outcome;
  readonly filesHere: string[];
  readonly filesElsewhere: string[];
  readonly connections: number;
}

/** @param modes of the run elsewhere. */
export async function compareWork(
  sysroot: string,
  rounds: number,
  proxy: ProxyOptions,
  modes: readonly string[] = [],
): Promise<Compared> {
  const base = mkdtempSync(join(tmpdir(), 'tallship-served-'));
  const script = WORK.replace('ROUNDS', String(rounds));
  const options = { timeout: 900_000, env: { ...ENVIRONMENT, GIT_CONFIG_NOSYSTEM: '1' } };
  const servers: ChildProcess[] = [];
  try {
    for (const name of ['here', 'there']) mkdirSync(join(base, name));
    servers.push(await serve(join(base, 'work.sock'), join(base, 'there')));
    const between = await cuttingProxy(join(base, 'bad.sock'), join(base, 'work.sock'), proxy);
    const common = ['-q', '-L', sysroot, '-C', '/w'];
    const elsewhere = await tallship(
      ['run', ...common, ...modes, '-M', `/w=unix:${join(base, 'bad.sock')}`, 'bash', '-c', script],
      options,
    );
    between.close();
    const here = await tallship(['run', ...common, '-v', `${join(base, 'here')}:/w`, 'bash', '-c', script], options);
    const { connections } = between;
    return {
      here,
      elsewhere,
      filesHere: list(join(base, 'here')),
      filesElsewhere: list(join(base, 'there')),
      connections,
    };
  } finally {
    for (const server of servers) server.kill();
    rmSync(base, { recursive: true, force: true });
  }
}

/** A server that listens. */
export async function serve(socket: string, directory: string): Promise<ChildProcess> {
  const args = [MAIN, 'serve', '--force', '-q', '-l', `unix:${socket}`, '-e', directory];
  const server = spawn(process.execPath, args, { stdio: 'ignore' });
  await until(() => existsSync(socket));
  return server;
}

async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 600 && !holds(); i++) await new Promise((resolve) => setTimeout(resolve, 50));
}

/** Names and contents; what git and sqlite keep about times is left out. */
function list(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== 'index')
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      const text = path.includes('/logs/') ? '' : readFileSync(path);
      return `${path.slice(directory.length)} ${createHash('sha256').update(text).digest('hex')}`;
    })
    .sort();
}
