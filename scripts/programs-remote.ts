/**
 * node scripts/run-ts.mjs scripts/programs-remote.ts [NAME...]: real programs in an empty directory, with all of their files,
 * libraries and work at home, over ssh to an sshd of this machine; compared with the same on files here.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { writeProject } from '../bench/served.ts';
import { ENVIRONMENT, type Outcome, run } from '../test/support/run.ts';
import { Sshd, sshMissing } from '../test/support/sshd.ts';
import { MAIN, sysroot } from '../test/support/sysroot.ts';

const TIMEOUT = 1_200_000;
const MANY = 20_000;
const MOST = 100_000;

interface Work {
  /** For sh, in the work directory. */
  readonly script: string;
  /** Makes the files that it begins with, natively. */
  prepare?(directory: string): void;
}

const python = (program: string) => `python3 - <<'EOF'\n${program}\nEOF`;
const perl = (program: string) => `perl - <<'EOF'\n${program}\nEOF`;

const WORKS: Readonly<Record<string, Work>> = {
  python: {
    script: python(`import importlib, sys
bad = []
for name in sorted(sys.stdlib_module_names):
    if name.startswith('_') or name in ('antigravity', 'this', 'idlelib', 'turtledemo'): continue
    try: importlib.import_module(name)
    except Exception as error: bad.append(f'{name}: {error}')
print(len(sys.modules) > 300, bad)`),
  },
  gcc: { prepare: writeProject, script: 'make -j4 CC=gcc >/dev/null && ./main && ls | wc -l' },
  git: {
    script: `export GIT_CONFIG_NOSYSTEM=1
git init -q a; cd a; git config user.email a@b.c; git config user.name n
i=0; while [ $i -lt 200 ]; do echo "file $i" > f$i; i=$((i+1)); done
git add .; git commit -qm first; cd ..; git clone -q a b; cd b
git config user.email a@b.c; git config user.name n
echo more >> f7; git rm -q f9; git commit -qam second; git log --format=%H%s; git fsck; git status --short; ls | wc -l`,
  },
  sqlite3: {
    script: `for mode in delete wal; do
sqlite3 $mode.db "pragma journal_mode=$mode; create table t(a integer primary key, b text);"
i=0; while [ $i -lt 20 ]; do sqlite3 $mode.db "begin; with recursive n(x) as (select 1 union all select x+1 from n where x<500) insert into t(b) select 'row' || x from n; commit;"; i=$((i+1)); done
sqlite3 $mode.db "select count(*), sum(length(b)) from t; pragma integrity_check; delete from t where a % 3 = 0; vacuum; select count(*) from t;"
done; ls`,
  },
  tar: {
    prepare: (directory) => writeMany(directory, MANY),
    script: `tar cf all.tar many; tar tf all.tar | wc -l; tar xf all.tar --one-top-level=copy
diff -r many copy/many && echo same; rm -r copy; ls`,
  },
  directory: {
    prepare: (directory) => writeMany(directory, MOST),
    script: `ls -U many | wc -l; find many -name '*77' | wc -l
${perl(`opendir(my $d, 'many') or die; readdir $d for 1 .. 50000; my $at = telldir $d;
my @first = map { readdir $d } 1 .. 2000; seekdir $d, $at; my @again = map { readdir $d } 1 .. 2000;
print "@first" eq "@again" ? "the same\\n" : "others\\n"; my $rest = () = readdir $d; print "$rest\\n";
rewinddir $d; my $all = () = readdir $d; print "$all\\n";`)}`,
  },
  large: {
    script: python(`import os
fd = os.open('big', os.O_RDWR | os.O_CREAT); end = 6 << 30
os.ftruncate(fd, end); os.pwrite(fd, b'far away', (5 << 30) + 3); os.pwrite(fd, b'end', end - 3)
print(os.pread(fd, 8, (5 << 30) + 3), os.pread(fd, 10, end - 3), os.pread(fd, 4, 4 << 30), os.fstat(fd).st_size)
data = os.lseek(fd, 0, os.SEEK_DATA); print(data <= (5 << 30) < os.lseek(fd, data, os.SEEK_HOLE), os.fstat(fd).st_blocks < 1000)
os.close(fd); print(os.stat('big').st_size, os.stat('big').st_blocks < 1000)`),
  },
};

function writeMany(directory: string, count: number): void {
  mkdirSync(join(directory, 'many'), { recursive: true });
  for (let i = 0; i < count; i++) writeFileSync(join(directory, 'many', `file-${i}`), `${i}\n`);
}

interface Timed {
  readonly outcome: Outcome;
  readonly seconds: number;
}

async function timed(args: readonly string[], cwd: string, path: string): Promise<Timed> {
  const start = performance.now();
  const outcome = await run(process.execPath, [MAIN, 'run', '-q', ...args], {
    ...{ cwd, timeout: TIMEOUT },
    env: { ...ENVIRONMENT, PATH: path, HOME: cwd },
  });
  return { outcome, seconds: (performance.now() - start) / 1000 };
}

const missing = sshMissing();
const made = sysroot();
if (missing !== null) throw new Error(missing);
if ('missing' in made) throw new Error(made.missing);
const base = mkdtempSync(join(tmpdir(), 'tallship-programs-'));
const bin = join(base, 'bin');
mkdirSync(bin);
// As root, a server wants to be told that it may.
const tallship = `'${process.execPath}' '${MAIN}'`;
const script = `#!/bin/sh\n[ "$1" = serve ] && shift && exec ${tallship} serve --force "$@"\nexec ${tallship} "$@"\n`;
writeFileSync(join(bin, 'tallship'), script, { mode: 0o755 });
const sshd = await Sshd.start({ PATH: `${bin}${delimiter}${dirname(process.execPath)}${delimiter}/usr/bin:/bin` });
const names = process.argv.slice(2);
let failed = 0;
try {
  for (const name of names.length > 0 ? names : Object.keys(WORKS)) failed += (await compare(name)) ? 0 : 1;
} finally {
  sshd.stop();
  rmSync(base, { recursive: true, force: true });
}
process.exit(failed > 0 ? 1 : 0);

async function compare(name: string): Promise<boolean> {
  const { script, prepare } = WORKS[name];
  const [here, there, empty] = ['here', 'there', 'empty'].map((part) => join(base, name, part));
  for (const directory of [here, there, empty]) mkdirSync(directory, { recursive: true });
  for (const directory of [here, there]) prepare?.(directory);
  const sh = ['-E', `PATH=${ENVIRONMENT.PATH}`, '-C', '/w', 'sh', '-c', script];
  const home = `ssh://127.0.0.1:${sshd.port}`;
  const path = `${sshd.client}${delimiter}/usr/bin:/bin`;
  const root = made as { path: string };
  const elsewhere = await timed(['--remote', home + root.path, '-M', `/w=${home}${there}`, ...sh], empty, path);
  const local = await timed(['-L', root.path, '-v', `${here}:/w`, ...sh], empty, path);
  rmSync(join(base, name), { recursive: true });
  const same = JSON.stringify(elsewhere.outcome) === JSON.stringify(local.outcome) && local.outcome.status === 0;
  const times = `${elsewhere.seconds.toFixed(1)} s, here ${local.seconds.toFixed(1)} s`;
  console.log(`${name}: ${same ? 'the same' : 'DIFFERENT'} (${times})`);
  if (!same) console.log(JSON.stringify({ elsewhere: elsewhere.outcome, here: local.outcome }, null, 1));
  return same;
}
