/**
 * npm run test:cpu-suites [NAME...]: valgrind's tests of x86 instructions, from Debian's source package, natively and on
 * Tallship: both must write and end the same. Fetched when asked for and kept in the cache; nothing of it is in this tree.
 * Needs apt-get with a Debian mirror, gcc with -m32, perl, and the sysroot of the program tests.
 */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cacheDirectory } from '../src/cli/cache.ts';
import { MAIN, sysroot } from '../test/support/sysroot.ts';

const cache = cacheDirectory('suites');
/** Tests that show what the machine is, or that natively differ from run to run. */
const SKIPPED: Record<string, string> = {
  cpuid_c: 'shows the processor',
  lzcnt32: 'LZCNT is not announced',
  yield: 'no result',
};

function must(argv: readonly string[], cwd: string, input?: string): string {
  const { status, stdout, stderr } = spawnSync(argv[0], argv.slice(1), {
    cwd,
    input,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  if (status !== 0) throw new Error(`${argv[0]} failed: ${stderr.trim().split('\n').at(-1)}`);
  return stdout;
}

/** The unpacked source package. */
function fetchValgrind(): string {
  const path = join(cache, 'valgrind');
  if (existsSync(join(path, '.complete'))) return path;
  mkdirSync(join(path, 'lists/partial'), { recursive: true });
  mkdirSync(join(path, 'archives/partial'), { recursive: true });
  writeFileSync(join(path, 'sources.list'), sourceLists(path));
  const settings = {
    'Dir::Etc::sourcelist': join(path, 'sources.list'),
    'Dir::Etc::sourceparts': '-',
    'Dir::State::lists': join(path, 'lists'),
    'Dir::Cache': path,
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  must(['apt-get', ...options, 'update'], path);
  must(['apt-get', ...options, 'source', '--download-only', 'valgrind'], path);
  const archive = readdirSync(path).find((name) => /\.orig\.tar/.test(name));
  if (archive === undefined) throw new Error('apt-get source brought no archive');
  must(['tar', 'xf', archive, '--strip-components=1'], path);
  writeFileSync(join(path, 'config.h'), '');
  writeFileSync(join(path, '.complete'), '');
  return path;
}

/** gcc for static i386 programs, with the sysroot's headers and libraries. */
function compiler(root: string, work: string): readonly string[] {
  const library = join(root, 'usr/lib/i386-linux-gnu');
  const versions = join(root, 'usr/lib/gcc/i686-linux-gnu');
  const gcc = join(versions, readdirSync(versions)[0]);
  const parts = join(work, 'parts');
  mkdirSync(parts);
  for (const directory of [gcc, library])
    for (const name of readdirSync(directory))
      if (/crt.*\.o$|^libgcc.*\.a$/.test(name)) symlinkSync(join(directory, name), join(parts, name));
  const paths = [
    `--sysroot=${root}`,
    '-isystem',
    join(root, 'usr/include/i386-linux-gnu'),
    `-B${parts}/`,
    `-L${parts}`,
  ];
  return [
    'gcc',
    '-m32',
    '-w',
    '-O1',
    '-static',
    '-fno-pie',
    '-no-pie',
    '-mmmx',
    '-msse',
    ...paths,
    `-L${library}`,
    '-D_GNU_SOURCE',
  ];
}

interface Outcome {
  readonly stdout: string;
  readonly status: number | null;
  readonly signal: string | null;
}

function run(argv: readonly string[], cwd: string): Outcome {
  const { stdout, status, signal } = spawnSync(argv[0], argv.slice(1), {
    cwd,
    encoding: 'latin1',
    maxBuffer: 2 ** 28,
    timeout: 300_000,
  });
  return { stdout, status, signal };
}

/** How two outcomes differ, or undefined. */
function difference(native: Outcome, tallship: Outcome): string | undefined {
  if (native.status !== tallship.status || native.signal !== tallship.signal)
    return `ended natively with ${native.signal ?? native.status}, here with ${tallship.signal ?? tallship.status}`;
  const [expected, actual] = [native.stdout.split('\n'), tallship.stdout.split('\n')];
  const at = expected.findIndex((line, i) => line !== actual[i]);
  if (at >= 0) return `line ${at + 1}: natively ${JSON.stringify(expected[at])}, here ${JSON.stringify(actual[at])}`;
  return expected.length === actual.length ? undefined : 'more lines';
}

function suite(names: readonly string[]): number {
  const root = sysroot();
  if ('missing' in root) throw new Error(root.missing);
  const valgrind = fetchValgrind();
  const sources = join(valgrind, 'none/tests/x86');
  const work = mkdtempSync(join(tmpdir(), 'cpu-suites-'));
  const gcc = [...compiler(root.path, work), `-I${valgrind}`];
  const all = readdirSync(sources).flatMap((name) => /^(\w[\w-]*)\.(?:c|def)$/.exec(name)?.[1] ?? []);
  const chosen = [...new Set(all)].filter((name) => names.length === 0 || names.includes(name)).sort();
  let failures = 0;
  let passed = 0;
  for (const name of chosen) {
    if (SKIPPED[name] !== undefined) {
      console.log(`skip ${name}: ${SKIPPED[name]}`);
      continue;
    }
    const source = join(work, `${name}.c`);
    const definition = join(sources, `${name}.def`);
    const text = existsSync(definition)
      ? must(['perl', join(sources, 'gen_insn_test.pl')], sources, readFileSync(definition, 'utf8'))
      : readFileSync(join(sources, `${name}.c`), 'latin1');
    writeFileSync(source, text, 'latin1');
    const program = join(work, name);
    const made = run([...gcc, `-I${sources}`, '-o', program, source, '-lm', '-lpthread'], sources);
    if (made.status !== 0) {
      console.log(`skip ${name}: this compiler does not take it`);
      continue;
    }
    const found = difference(run([program], work), run([process.execPath, MAIN, 'run', '-q', program], work));
    console.log(found === undefined ? `ok   ${name}` : `FAIL ${name}: ${found}`);
    if (found === undefined) passed++;
    else failures++;
  }
  rmSync(work, { recursive: true });
  console.log(`${passed} as native, ${failures} not`);
  return failures > 0 ? 1 : 0;
}

process.exitCode = suite(process.argv.slice(2));
