/** The Debian i386 sysroot that program tests run in: made once by `tallship sysroot`, kept outside of the tree. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheDirectory } from '../../src/cli/cache.ts';

export const MAIN = fileURLToPath(new URL('../../dist/src/bin/tallship.js', import.meta.url));

const PACKAGES = [
  ...['base-files', 'base-passwd', 'busybox-static', 'coreutils', 'bash', 'dash', 'sed', 'grep', 'gawk', 'mawk'],
  ...['findutils', 'diffutils', 'tar', 'gzip', 'bzip2', 'xz-utils', 'zstd', 'procps', 'util-linux', 'hostname'],
  ...[
    'python3',
    'perl',
    'lua5.4',
    'sqlite3',
    'gnugo',
    'libjpeg-turbo-progs',
    'openssl',
    'git',
    'gcc',
    'libc6-dev',
    'make',
  ],
];

/** A part of the name: another list makes another sysroot. */
const VERSION = 2;

export type Sysroot = { readonly path: string } | { readonly missing: string };

let made: Sysroot | undefined;

/** The sysroot, or why there is none on this machine. Test files run at once: the first one makes it, others wait. */
export function sysroot(): Sysroot {
  made ??= process.env.TALLSHIP_TEST_SYSROOT ? { path: process.env.TALLSHIP_TEST_SYSROOT } : make();
  return made;
}

function make(): Sysroot {
  const base = cacheDirectory('sysroots');
  const path = join(base, `programs-${VERSION}`);
  const done = join(path, '.complete');
  const lock = `${path}.lock`;
  for (;;) {
    if (existsSync(done)) return { path };
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
      break;
    } catch {
      if (isStale(lock)) rmSync(lock, { force: true });
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
    }
  }
  try {
    if (existsSync(done)) return { path };
    const { status, stderr } = spawnSync(process.execPath, [MAIN, 'sysroot', path, ...PACKAGES], { encoding: 'utf8' });
    if (status !== 0) return { missing: `tallship sysroot failed here: ${stderr.trim().split('\n').at(-1)}` };
    writeFileSync(done, '');
    return { path };
  } finally {
    rmSync(lock, { force: true });
  }
}

/** Its owner was killed. */
function isStale(lock: string): boolean {
  try {
    const owner = Number(readFileSync(lock, 'utf8'));
    if (owner > 0) process.kill(owner, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
