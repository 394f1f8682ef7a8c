import type { Row } from './main.ts';
import { fixture, interleaved, MAIN, output } from './measure.ts';

const INSTRUCTIONS_PER_ROUND = 18;
const ROUNDS = 60_000_000;
const LESS = ROUNDS / 3;

/** Guest instructions a second of an integer loop: the difference of two lengths, so that start-up does not count. */
export function speed(): Row[] {
  const loop = fixture('integer-loop');
  const ways: [string, string[]][] = [['tallship', [process.execPath, MAIN]]];
  if (output([loop, '1']) !== undefined) ways.push(['native', []]);
  if (output(['qemu-i386', loop, '1']) !== undefined) ways.push(['qemu-i386', ['qemu-i386']]);
  const commands = ways.flatMap(([, prefix]) => [ROUNDS, LESS].map((rounds) => [...prefix, loop, String(rounds)]));
  const times = interleaved(commands, 3);
  return ways.map(([name], i) => {
    const seconds = (times[2 * i] - times[2 * i + 1]) / 1000;
    const rate = ((ROUNDS - LESS) * INSTRUCTIONS_PER_ROUND) / seconds / 1e6;
    const goal = name === 'tallship' ? { atLeast: 250 } : {};
    return { what: `integer loop, ${name}`, value: rate, unit: 'million instructions/s', ...goal };
  });
}
