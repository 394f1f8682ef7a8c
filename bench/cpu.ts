import type { Row } from './main.ts';
import { cpuTime, fixture, interleaved, MAIN, output } from './measure.ts';

/** A loop: its program, the arguments before the number of rounds, and what a round consists of. */
interface Loop {
  readonly what: string;
  readonly argv: readonly string[];
  readonly rounds: number;
  readonly operations: number;
}

const LOOPS: readonly Loop[] = [
  { what: 'integer instruction', argv: [fixture('integer-loop')], rounds: 30_000_000, operations: 18 },
  { what: 'x87 load-multiply-add', argv: [fixture('float-loops'), 'x87'], rounds: 6_000_000, operations: 8 },
  { what: 'SSE2 load-multiply-add', argv: [fixture('float-loops'), 'sse2'], rounds: 20_000_000, operations: 8 },
];

/** Without compiled code: what cold programs get. */
const INTERPRETER = [process.execPath, MAIN, '--jit', 'off'];

/** Nanoseconds of processor time per operation, from the difference of two lengths, so that start-up does not count. */
export function cpu(): Row[] {
  const ways: [string, readonly string[]][] = [
    ['tallship', [process.execPath, MAIN]],
    ['interpreter', INTERPRETER],
    ['native', []],
    ['qemu-i386', ['qemu-i386']],
  ];
  return LOOPS.flatMap(({ what, argv, rounds, operations }) => {
    const here = ways.filter(([, prefix]) => output([...prefix, ...argv, '1']) !== undefined);
    const commands = here.flatMap(([, prefix]) => [rounds, rounds / 3].map((n) => [...prefix, ...argv, String(n)]));
    const times = interleaved(commands, 3, cpuTime);
    return here.map(([name], i) => {
      const nanoseconds = (times[2 * i] - times[2 * i + 1]) * 1e6;
      return { what: `${what}, ${name}`, value: nanoseconds / ((rounds * operations * 2) / 3), unit: 'ns' };
    });
  });
}
