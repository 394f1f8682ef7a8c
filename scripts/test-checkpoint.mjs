// npm run test:checkpoint: programs of a whole system are saved at random moments, killed, restored in another directory by a
// fresh process, some generations deep, in changing modes (protection, compiler, release of Node). Their output must be that
// of an uninterrupted run. Then the long versions of the tests.
//   node scripts/test-checkpoint.mjs [NAME...] [--rounds N] [--node PATH]...
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const { TALLSHIP_TEST_SYSROOT, TALLSHIP_CACHE, XDG_CACHE_HOME } = process.env;
const cache = TALLSHIP_CACHE || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'tallship');
const sysroot = TALLSHIP_TEST_SYSROOT || join(cache, 'sysroots/programs-1');
const main = resolve('dist/src/bin/tallship.js');
const args = process.argv.slice(2);
const option = (name, otherwise) => (args.includes(name) ? args[args.indexOf(name) + 1] : otherwise);
const rounds = Number(option('--rounds', '5'));
const nodes = [process.execPath, ...args.filter((_, i) => args[i - 1] === '--node')];
const GENERATIONS = 3;
const MODES = [[], ['TALLSHIP_JIT=0'], ['--protection', 'software']];

const THREADS = `
import threading, queue, subprocess, time, hashlib, asyncio
q = queue.Queue(5); out = []; lock = threading.Lock()
def produce(n):
    for i in range(100): q.put((n, i)); time.sleep(0.002)
def consume():
    while (x := q.get()) is not None:
        with lock: out.append((x, hashlib.sha256(repr(x).encode()).hexdigest()[:8]))
ps = [threading.Thread(target=produce, args=(k,)) for k in range(3)]
cs = [threading.Thread(target=consume) for _ in range(2)]
for t in ps + cs: t.start()
for k in range(6): print(subprocess.run(['sh', '-c', f'sleep 0.05; echo sub {k}'], capture_output=True, text=True).stdout.strip(), flush=True)
for t in ps: t.join()
for _ in cs: q.put(None)
for t in cs: t.join()
print(len(out), hashlib.md5(repr(sorted(out)).encode()).hexdigest())
async def square(i):
    await asyncio.sleep(0.01 * i); return i * i
async def both(): print(sum(await asyncio.gather(*[square(i) for i in range(30)])))
asyncio.run(both())
`;
const SHELL = `for i in $(seq 1 60); do echo $i $(echo $i | md5sum); sleep 0.03; done | sort -n | cat | tail -30
(sleep 1; echo background) & wait; echo done`;
const ALARMS = `use Time::HiRes qw(setitimer ITIMER_REAL); $|=1; my ($n,$x)=(0,1); $SIG{ALRM}=sub{ $n++; print "alarm $n\\n"; };
setitimer(ITIMER_REAL,0.15,0.15); while($n<12){ for(1..2000){ $x=($x*1103515245+12345)%2147483648; } select(undef,undef,undef,0.01) if $x%5==0; }
setitimer(ITIMER_REAL,0,0); my $pid=fork(); if(!$pid){ sleep 1; exit 7; } waitpid($pid,0); print "child ",$?>>8,"\\n";`;
const SQL = `create table t(a integer primary key, b text); begin;
with recursive c(x) as (select 1 union all select x+1 from c where x<40000) insert into t select x, hex(x*7919) from c;
create index i on t(b); update t set b=b||'x' where a%3=0; commit; select count(*), sum(length(b)), max(b) from t; pragma integrity_check;`;

const PROGRAMS = {
  python: ['/usr/bin/python3', '-c', THREADS],
  bash: ['/bin/bash', '-c', SHELL],
  perl: ['/usr/bin/perl', '-e', ALARMS],
  sqlite: ['/bin/sh', '-c', `cd /tmp; echo "$0" | sqlite3 x.db; sqlite3 x.db 'select sum(a) from t'`, SQL],
  counter: [resolve('fixtures/bin/counter'), '60', '10000000'],
};

let state = 1;
/** Numbers that are the same in every run. */
function random() {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
}
const pick = (list) => list[Math.floor(random() * list.length)];

/** Runs a command; saves and ends it after some time, if one is given. */
function run(directory, words, after) {
  const mode = pick(MODES);
  const env = { ...process.env, ...(mode[0]?.includes('=') ? Object.fromEntries([mode[0].split('=')]) : {}) };
  const flags = mode[0]?.startsWith('--') ? mode : [];
  const child = spawn(pick(nodes), [main, words[0], ...flags, ...words.slice(1)], {
    cwd: directory,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [output, errors] = ['', ''];
  child.stdout.on('data', (data) => (output += data));
  child.stderr.on('data', (data) => (errors += data));
  const timer = after === undefined ? undefined : setTimeout(() => child.kill('SIGUSR2'), after);
  const end = setTimeout(() => child.kill('SIGKILL'), 300_000);
  return new Promise((done) => {
    child.on('close', (status, signal) => {
      clearTimeout(timer);
      clearTimeout(end);
      done({ output, errors, status, signal });
    });
  });
}

async function interrupted(name, command, time, base) {
  let [output, image, generation] = ['', null, 0];
  for (;;) {
    const next = join(base, `image.${generation}`);
    const saving = generation < GENERATIONS ? ['--on-signal', 'USR2=save-exit', '--image', next] : [];
    const directory = join(base, `directory.${generation}`);
    mkdirSync(directory, { recursive: true });
    const words =
      image === null ? ['run', '-q', '-L', sysroot, ...saving, ...command] : ['restore', '-q', ...saving, image];
    const after = generation < GENERATIONS ? 800 + random() * time * 0.5 : undefined;
    const { output: more, errors, status, signal } = await run(directory, words, after);
    if (signal === 'SIGUSR2') continue; // Node had not started yet
    output += more;
    if (!existsSync(next)) return { output, status, generation, errors };
    image = next;
    generation++;
  }
}

const chosen = args.filter((arg) => arg in PROGRAMS);
let failures = 0;
if (existsSync(sysroot)) {
  for (const [name, command] of Object.entries(PROGRAMS)) {
    if (chosen.length > 0 && !chosen.includes(name)) continue;
    const base = mkdtempSync(join(tmpdir(), `tallship-checkpoint-${name}-`));
    const start = Date.now();
    const whole = await run(base, ['run', '-q', '-L', sysroot, ...command]);
    const time = Date.now() - start;
    for (let round = 0; round < rounds; round++) {
      const { output, status, generation, errors } = await interrupted(name, command, time, join(base, String(round)));
      const same = output === whole.output && status === whole.status;
      console.log(`${name} ${round}: ${generation} generations, ${same ? 'same' : 'DIFFERENT'}`);
      if (!same) {
        failures++;
        writeFileSync(join(base, 'whole'), whole.output);
        writeFileSync(join(base, `different.${round}`), `${output}\n--\n${errors}`);
        console.log(`  see ${base}; status ${status}, not ${whole.status}`);
      }
    }
    if (failures === 0) rmSync(base, { recursive: true });
  }
} else console.log(`no sysroot in ${sysroot}: npm test makes one`);
if (chosen.length > 0) process.exit(failures);

const env = { ...process.env, TALLSHIP_CHECKPOINT_ROUNDS: '50', TALLSHIP_CHECKPOINT_MUTATIONS: '100000' };
for (const protection of ['hardware', 'software']) {
  const { status } = spawnSync('npx', ['vitest', 'run', 'test/checkpoint'], {
    ...{ stdio: 'inherit', env: { ...env, TALLSHIP_PROTECTION: protection } },
  });
  failures += status === 0 ? 0 : 1;
}
process.exit(failures);
