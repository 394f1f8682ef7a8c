/** Runs a guest program in the VM and natively, and shows everything that a user would notice. */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findCommand } from '../../src/cli/commands.ts';
import { MAIN } from './sysroot.ts';

export interface Outcome {
  status: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  stdin?: string | Uint8Array;
  cwd?: string;
  env?: Record<string, string>;
  /** Milliseconds. */
  timeout?: number;
}

/** The environment of guests: the same everywhere. */
export const ENVIRONMENT = {
  PATH: '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin',
  HOME: '/root',
  LANG: 'C.UTF-8',
  LC_ALL: 'C.UTF-8',
  TZ: 'UTC',
  TERM: 'dumb',
  USER: 'root',
  GIT_AUTHOR_DATE: '2000-01-01T00:00:00Z',
  GIT_COMMITTER_DATE: '2000-01-01T00:00:00Z',
};

/** The modes that this run of the suite is for (.ci/run covers both protections). */
const { TALLSHIP_TEST_PROTECTION: PROTECTION, TALLSHIP_TEST_JIT: JIT } = process.env;

/** `tallship ARGS`. */
export function tallship(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  return run(process.execPath, commandLine(args), options);
}

/** Node's arguments for `tallship ARGS`: programs run in the mode that is being tested. */
export function commandLine(args: readonly string[]): string[] {
  const runs = (findCommand(args[0])?.name ?? 'run') === 'run' && !['--help', '--version'].includes(args[0]);
  const protection = PROTECTION === undefined ? [] : ['--protection', PROTECTION];
  const mode = runs ? [...protection, ...(JIT === undefined ? [] : ['--jit', JIT])] : [];
  return args[0] === 'run' ? [MAIN, 'run', ...mode, ...args.slice(1)] : [MAIN, ...mode, ...args];
}

export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const env = { ...ENVIRONMENT, ...options.env };
  const child = spawn(command, args, { cwd: options.cwd, env, stdio: 'pipe' });
  const timer = setTimeout(() => child.kill('SIGKILL'), options.timeout ?? 120_000);
  const output: Buffer[] = [];
  const errors: Buffer[] = [];
  child.stdout.on('data', (data: Buffer) => output.push(data));
  child.stderr.on('data', (data: Buffer) => errors.push(data));
  child.stdin.on('error', () => {}); // it need not read all
  child.stdin.end(options.stdin);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => {
      clearTimeout(timer);
      const [stdout, stderr] = [output, errors].map((parts) => Buffer.concat(parts).toString('latin1'));
      resolve({ status, signal, stdout, stderr });
    });
  });
}

const HELLO = fileURLToPath(new URL('../../fixtures/bin/hello', import.meta.url));

let runsNatively: boolean | undefined;

/** Whether this machine runs i386 programs itself. */
export function hasNative(): boolean {
  runsNatively ??= spawnSync(HELLO, ['native'], { encoding: 'utf8' }).stdout === 'hello native\n';
  return runsNatively;
}

let chroots: boolean | undefined;

/** Whether programs of a sysroot can be run natively: that takes root, for chroot and the device files. */
export function hasNativeSysroot(path: string): boolean {
  chroots ??= hasNative() && process.getuid?.() === 0 && prepare(path);
  return chroots;
}

function prepare(path: string): boolean {
  return spawnSync('unshare', [...NAMESPACE, 'sh', '-c', CHROOT, 'sh', path, '/', 'true']).status === 0;
}

/** A mount name space of its own for /proc and /dev, which nobody else sees. */
const NAMESPACE = ['-m', '--propagation', 'private'];
const CHROOT =
  'mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && root=$1 dir=$2 && shift 2 && ' +
  'exec ${UNDER:-} chroot "$root" /usr/bin/env -u UNDER -C "$dir" "$@"';

/** Runs a sysroot's program natively, in a directory of the sysroot; with $UNDER under another program of the host. */
export function native(path: string, directory: string, argv: readonly string[], options: RunOptions = {}) {
  return run('unshare', [...NAMESPACE, 'sh', '-c', CHROOT, 'sh', path, directory, ...argv], { cwd: '/', ...options });
}

/** All files below a directory: type, permissions and content or target. */
export function snapshot(directory: string): Record<string, string> {
  const files: Record<string, string> = {};
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort();
  for (const name of names) {
    const path = join(directory, name);
    const stat = lstatSync(path);
    const mode = (stat.mode & 0o7777).toString(8);
    if (stat.isSymbolicLink()) files[name] = `-> ${readlinkSync(path)}`;
    else if (stat.isFile()) files[name] = `${mode} ${stat.size} ${digest(readFileSync(path))}`;
    else files[name] = `${mode} ${stat.isDirectory() ? 'directory' : 'special'}`;
  }
  return files;
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 16);
}
