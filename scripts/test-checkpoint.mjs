// npm run test:checkpoint: programs of a whole system are saved at random moments, killed, restored in another directory by a
// fresh process, some generations deep, in changing modes (protection, compiler, release of Node, images of their own or in a
// store). Their output must be that of an uninterrupted run. Then the long versions of the tests.
//   node scripts/test-checkpoint.mjs [NAME...] [--rounds N] [--node PATH]...
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { PROGRAMS } from './checkpoint-programs.mjs';

const { TALLSHIP_TEST_SYSROOT, TALLSHIP_CACHE, XDG_CACHE_HOME } = process.env;
const cache = TALLSHIP_CACHE || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'tallship');
const sysroots = join(cache, 'sysroots');
const made = existsSync(sysroots) ? readdirSync(sysroots).filter((name) => /^programs-\d+$/.test(name)) : [];
const sysroot = TALLSHIP_TEST_SYSROOT || join(sysroots, made.sort().at(-1) ?? 'programs');
const main = resolve('dist/src/bin/tallship.js');
const args = process.argv.slice(2);
const option = (name, otherwise) => (args.includes(name) ? args[args.indexOf(name) + 1] : otherwise);
/** With three generations each, some fifty moments of each program. */
const rounds = Number(option('--rounds', '17'));
const nodes = [process.execPath, ...args.filter((_, i) => args[i - 1] === '--node')];
const GENERATIONS = 3;
const MODES = [[], ['TALLSHIP_JIT=0'], ['--protection', 'software']];

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
  const end = setTimeout(() => child.kill('SIGKILL'), 900_000);
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
    const inStore = random() < 0.5;
    const next = inStore ? join(base, 'store/images', `${generation}`) : join(base, `image.${generation}`);
    const where = inStore ? ['--store', join(base, 'store'), '--image', `${generation}`] : ['--image', next];
    const saving = generation < GENERATIONS ? ['--on-signal', 'USR2=save-exit', ...where] : [];
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
