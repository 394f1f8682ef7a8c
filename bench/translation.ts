/** What programs cost in processor time, start and compilation included, as a multiple of a native run; qemu-i386 beside it. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Row } from './main.ts';
import { cpuTime, interleaved, MAIN, output, sysroot } from './measure.ts';
import { APPLICATIONS, KERNELS, type Workload } from './workloads.ts';

/** Each in turn: a median. */
const ROUNDS = Number(process.env.TALLSHIP_BENCH_ROUNDS ?? 3);
/** Native runs of 0.2 and of 5 seconds, about. */
const SHORT = 1;
const LONG = 25;

/** A program of the sysroot by this machine itself, or by qemu; its files, where it names any, are the sysroot's. */
function outside(root: string, argv: readonly string[], runner: readonly string[]): string[] {
  const libraries = ['lib', 'usr/lib'].map((directory) => join(root, directory, 'i386-linux-gnu')).join(':');
  const rest = argv.slice(1).map((arg) => (arg.startsWith('/usr/bin/') ? join(root, arg) : arg));
  const loader = join(root, 'lib/ld-linux.so.2');
  const python = `PYTHONHOME=${join(root, 'usr')}`;
  return ['env', python, ...runner, loader, '--library-path', libraries, join(root, argv[0]), ...rest];
}

const hasQemu = (): boolean => output(['qemu-i386', '--version']) !== undefined;

/** `atMost`: undefined for a short run, which is to be faster than qemu-i386. */
function compare(
  what: string,
  atMost: number | undefined,
  native: readonly string[],
  qemu: readonly string[] | undefined,
  ours: readonly string[],
): Row[] {
  if (output(native) === undefined) return [];
  const [ofNative, ofOurs, ofQemu] = interleaved([native, ours, ...(qemu ? [qemu] : [])], ROUNDS, cpuTime);
  const base = Math.max(ofNative, 1);
  const rival = qemu && ofQemu / base;
  const note = rival === undefined ? undefined : `qemu-i386 ${rival.toPrecision(3)}`;
  return [{ what, value: ofOurs / base, unit: 'x native', native: ofNative, atMost: atMost ?? rival, rival, note }];
}

function measure(n: number): Row[] {
  const root = sysroot();
  const emulator = hasQemu() ? ['qemu-i386'] : undefined;
  const tallship = [process.execPath, MAIN, 'run', '-q'];
  const limit = ({ atMost }: Workload): number | undefined => (n === LONG ? atMost : undefined);
  const kernels = KERNELS.flatMap((one) => {
    const argv = one.argv(n);
    return compare(one.what, limit(one), argv, emulator && [...emulator, ...argv], [...tallship, ...argv]);
  });
  if (root === undefined) return kernels;
  const applications = APPLICATIONS.filter(({ argv }) => existsSync(join(root, argv(n)[0]))).flatMap((one) => {
    const argv = one.argv(n);
    const rival = emulator && outside(root, argv, emulator);
    return compare(one.what, limit(one), outside(root, argv, []), rival, [...tallship, '-L', root, ...argv]);
  });
  return [...applications, ...kernels];
}

/** Native runs of about 0.2 seconds, and of 5. */
export const translation = (): Row[] => measure(SHORT);
export const translationLong = (): Row[] => measure(LONG);
