/**
 * npm run test:cpu-suites [NAME...]: valgrind's and qemu's tests of x86 instructions, from Debian's source packages, natively
 * and on Tallship: both must write and end the same. Fetched when asked for and kept in the cache; nothing of it is in this tree.
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
import { LEFT_OUT } from './cpu-suites-left-out.ts';

const cache = cacheDirectory('suites');
/** on, off, always: what is compiled. */
const JIT = process.env.TALLSHIP_TEST_JIT ?? 'on';
/** A program: its sources, and what the compiler is told besides. */
interface Program {
  readonly name: string;
  readonly sources: readonly string[];
  readonly flags: readonly string[];
}

/** A source package and the programs in it. */
interface Suite {
  readonly package: string;
  /** What is unpacked; and where the programs are. */
  readonly directory: string;
  programs(directory: string): Program[];
}

const sourcesIn = (directory: string, ending: RegExp): string[] =>
  readdirSync(directory).flatMap((name) => (ending.test(name) ? [name.replace(/\.\w+$/, '')] : []));

const SUITES: readonly Suite[] = [
  {
    package: 'valgrind',
    directory: 'none/tests/x86',
    programs(directory) {
      for (const name of sourcesIn(directory, /\.def$/)) {
        const definition = readFileSync(join(directory, `${name}.def`), 'utf8');
        writeFileSync(join(directory, `${name}.c`), must(['perl', 'gen_insn_test.pl'], directory, definition));
      }
      return sourcesIn(directory, /\.c$/).map((name) => ({
        name,
        sources: [`${name}.c`],
        flags: ['-O1', '-mmmx', '-msse'],
      }));
    },
  },
  {
    package: 'qemu',
    directory: 'tests/tcg/i386',
    programs(directory) {
      // Without segments of an LDT, and 16-bit code in them, too.
      const whole = readFileSync(join(directory, 'test-i386.c'), 'utf8');
      writeFileSync(join(directory, 'test-i386-flat.c'), whole.replace('#define TEST_SEGS', ''));
      return sourcesIn(directory, /\.c$/).map((name) => {
        const others = /^test-i386(-flat)?$/.test(name) ? ['test-i386-code16.S', 'test-i386-vm86.S'] : [];
        return { name, sources: [`${name}.c`, ...others], flags: ['-O2', '-msse4.2'] };
      });
    },
  },
];

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

/** Where the host's own packages come from, as lines for source packages. */
function sourceLists(cwd: string): string {
  const format = 'deb-src $(REPO_URI) $(RELEASE) $(COMPONENT)';
  const lines = must(['apt-get', 'indextargets', '--format', format, 'Created-By: Packages'], cwd).split('\n');
  return [...new Set(lines)].join('\n');
}

/** The suite's directory, unpacked. */
function fetchSuite(suite: Suite): string {
  const path = join(cache, suite.package);
  const directory = join(path, suite.directory);
  if (existsSync(join(path, '.complete'))) return directory;
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
  must(['apt-get', ...options, 'source', '--download-only', suite.package], path);
  const archive = readdirSync(path).find((name) => /\.orig\.tar/.test(name));
  if (archive === undefined) throw new Error('apt-get source brought no archive');
  must(['tar', 'xf', archive, '--strip-components=1', '--wildcards', `*/${suite.directory}`, '*/tests/*.h'], path);
  writeFileSync(join(path, 'config.h'), '');
  writeFileSync(join(path, '.complete'), '');
  return directory;
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

/** Compiles a program and runs it twice. */
function compare({ name, sources, flags }: Program, gcc: readonly string[], directory: string, work: string): string {
  const program = join(work, name);
  const made = run([...gcc, ...flags, '-o', program, ...sources, '-lm', '-lpthread'], directory);
  if (made.status !== 0) return `skip ${name}: this compiler does not take it`;
  const here = [process.execPath, MAIN, 'run', '-q', '--jit', JIT, program];
  const found = difference(run([program], work), run(here, work));
  return found === undefined ? `ok   ${name}` : `FAIL ${name}: ${found}`;
}

function runSuites(names: readonly string[]): number {
  const root = sysroot();
  if ('missing' in root) throw new Error(root.missing);
  const work = mkdtempSync(join(tmpdir(), 'cpu-suites-'));
  const gcc = compiler(root.path, work);
  const counts = { ok: 0, FAIL: 0, skip: 0 };
  for (const suite of SUITES) {
    const directory = fetchSuite(suite);
    const includes = [`-I${directory}`, `-I${join(cache, suite.package)}`];
    for (const program of suite.programs(directory)) {
      if (names.length > 0 && !names.includes(program.name)) continue;
      const reason = LEFT_OUT[program.name];
      const line = reason
        ? `skip ${program.name}: ${reason}`
        : compare(program, [...gcc, ...includes], directory, work);
      console.log(line);
      counts[line.slice(0, 4).trim() as keyof typeof counts]++;
    }
  }
  rmSync(work, { recursive: true });
  console.log(`${counts.ok} as native, ${counts.FAIL} not, ${counts.skip} skipped`);
  return counts.FAIL > 0 ? 1 : 0;
}

process.exitCode = runSuites(process.argv.slice(2));
