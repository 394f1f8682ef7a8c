import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Row } from './main.ts';
import { cpuTime, fixture, interleaved, MAIN, output } from './measure.ts';

/** Hot: the first of them wait for V8's compilers. */
const CALLS = 8_000_000;
/** A line of 40 bytes each. */
const LINES = 2_000_000;
/** strace is slow enough to need fewer. */
const TRACED = 100_000;

const FOUR = fileURLToPath(new URL('layers-four.ts', import.meta.url));

/** Nanoseconds of processor time of a system call: the difference of two lengths, so that start-up does not count. */
export function syscalls(): Row[] {
  const loop = fixture('getppid-loop');
  const directory = mkdtempSync(join(tmpdir(), 'tallship-bench-'));
  const file = join(directory, 'trace');
  const tallship = (...options: string[]) => [process.execPath, MAIN, 'run', ...options, loop];
  const ways: { argv: string[]; calls: number }[] = [
    { argv: tallship(), calls: CALLS },
    { argv: tallship('--layer', FOUR), calls: CALLS },
    { argv: tallship('--strace', '-f', '-o', file), calls: LINES },
  ];
  const native = output([loop, '1']) !== undefined;
  const strace = native && output(['strace', '-V']) !== undefined;
  if (native) ways.push({ argv: [loop], calls: CALLS });
  if (strace) ways.push({ argv: ['strace', '-f', '-o', file, loop], calls: TRACED });
  const commands = ways.flatMap(({ argv, calls }) => [calls, calls / 4].map((n) => [...argv, String(n)]));
  const times = interleaved(commands, 3, cpuTime);
  rmSync(directory, { recursive: true });
  const [plain, four, traced, own, other] = ways.map(
    ({ calls }, i) => ((times[2 * i] - times[2 * i + 1]) * 1e6) / (calls * 0.75),
  );
  const rows: Row[] = [
    { what: 'getppid', value: plain, unit: 'ns', native: own, ...(own === undefined ? {} : { atMost: own }) },
    { what: 'four layers that enter and leave, more', value: four - plain, unit: 'ns', atMost: 150 },
    { what: 'a line of trace to a file, more', value: traced - plain, unit: 'ns' },
  ];
  if (other !== undefined) {
    rows.push({
      what: 'strace -f -o costs, times ours',
      value: (other - own) / (traced - plain),
      unit: 'x',
      atLeast: 20,
    });
  }
  return rows;
}
