/** What operations of the operating system cost (paper, figures 1 and 2): fixtures/bench/os.c here, natively and under qemu-i386. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Row } from './main.ts';
import { cpuTime, fixture, interleaved, MAIN, output, sysroot } from './measure.ts';

/** What there is to do, how often it takes some tenths of a second, and the ratio to native that is wanted. */
interface Operation {
  readonly name: string;
  readonly what: string;
  readonly count: number;
  readonly most: number;
  /** Programs of the sysroot are started. */
  readonly sysroot?: boolean;
}
const operation = (name: string, what: string, count: number, most: number): Operation => ({ name, what, count, most });

const OPERATIONS: readonly Operation[] = [
  operation('null', 'null call', 2_000_000, 1),
  operation('read', 'read of 1 byte', 1_000_000, 1),
  operation('write', 'write of 1 byte', 1_000_000, 1),
  operation('stat', 'stat', 400_000, 1),
  operation('fstat', 'fstat', 1_000_000, 1),
  operation('open', 'open and close', 200_000, 1),
  operation('sigaction', 'sigaction', 1_000_000, 1),
  operation('signal', 'signal delivery', 40_000, 1),
  operation('pipe', 'pipe round trip', 40_000, 1),
  operation('unix', 'AF_UNIX round trip', 40_000, 1),
  operation('ring-2-0', 'context switch, 2 processes, 0 KB', 100_000, 1),
  operation('ring-2-16', 'context switch, 2 processes, 16 KB', 60_000, 1),
  operation('ring-8-0', 'context switch, 8 processes, 0 KB', 100_000, 1),
  operation('ring-8-16', 'context switch, 8 processes, 16 KB', 60_000, 1),
  operation('ring-16-0', 'context switch, 16 processes, 0 KB', 100_000, 1),
  operation('ring-16-16', 'context switch, 16 processes, 16 KB', 60_000, 1),
  operation('mmap', 'mmap and munmap of 64 KB', 100_000, 1.5),
  operation('fault', 'page fault', 200_000, 1.5),
  operation('create-0', 'create and delete, 0 KB', 50_000, 1),
  operation('create-10', 'create and delete, 10 KB', 30_000, 1),
  operation('select', 'select on 100 descriptors', 60_000, 1.5),
  operation('fork', 'fork and exit', 800, 5),
  operation('exec-static', 'fork and exec, static', 500, 3),
  { ...operation('exec-dynamic', 'fork and exec, dynamic', 150, 3), sysroot: true },
  { ...operation('shell', 'sh -c /bin/true', 60, 3), sysroot: true },
  operation('bw-pipe', '64 KB through a pipe', 6_000, 1.5),
  operation('bw-unix', '64 KB through AF_UNIX', 6_000, 1.5),
  operation('bw-bcopy', 'copy of 8 MB', 60, 1.1),
  operation('bw-write', 'writing of 8 MB of memory', 60, 1.1),
  operation('bw-read', 'reading of 8 MB of memory', 60, 1.1),
  operation('bw-file', 'read of a file of 8 MB', 60, 1.5),
  operation('bw-mmap', 'reading a mapped file of 8 MB', 60, 1.5),
];
const ROUNDS = 3;

/** Microseconds of processor time of each; files are in memory on both sides. */
export function os(): Row[] {
  const program = fixture('os');
  const native = output([program]) !== undefined;
  const root = sysroot();
  const directory = mkdtempSync(join(tmpdir(), 'tallship-os-'));
  const isNative = native && output(natively(directory, program, undefined, [])) !== undefined;
  const rows: Row[] = [];
  for (const { name, what, count, most, sysroot: needsRoot } of OPERATIONS) {
    if (needsRoot && root === undefined) continue;
    const tree = needsRoot ? root : undefined;
    const runs = [
      [process.execPath, MAIN, 'run', ...(tree ? ['-L', tree] : []), '-C', '/tmp', '-v', `${program}:/os:ro`, '/os'],
    ];
    if (isNative) runs.push(natively(directory, program, tree, []));
    const [ours, theirs] = differences(runs, name, count);
    const ratio =
      theirs === undefined ? {} : { native: theirs, note: `${(ours / theirs).toFixed(2)} x native, ${most} wanted` };
    rows.push({ what, value: ours, unit: 'us', ...ratio });
  }
  rmSync(directory, { recursive: true });
  return rows;
}

/** The program on the host's kernel, on a file system in memory that only it sees; in a sysroot where that is needed. */
function natively(directory: string, program: string, root: string | undefined, args: readonly string[]): string[] {
  const place = root === undefined ? directory : join(root, 'tmp');
  const start =
    root === undefined
      ? 'cd "$1"; shift 3; exec ./os "$@"'
      : 'root=$3; shift 3; exec chroot "$root" env -C /tmp ./os "$@"';
  const script = `mount -t tmpfs none "$1"; cp "$2" "$1/os"; ${start}`;
  return ['unshare', '-m', 'sh', '-c', script, 'sh', place, program, root ?? '', ...args];
}

/** Per operation: the difference of two counts, so that starting does not count. */
function differences(runs: readonly (readonly string[])[], name: string, count: number): number[] {
  const commands = runs.flatMap((argv) => [count, Math.ceil(count / 4)].map((n) => [...argv, name, String(n)]));
  const times = interleaved(commands, ROUNDS, cpuTime);
  return runs.map((_, i) => ((times[2 * i] - times[2 * i + 1]) * 1000) / (count - Math.ceil(count / 4)));
}
