/** tallship run --max-insns: exact counts, seen from the command line. */
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { tallship } from '../support/run.ts';

const HELLO = fileURLToPath(new URL('../../fixtures/bin/hello', import.meta.url));
const counted = async (...args: string[]) => {
  const { status, stdout, stderr } = await tallship(['--stats', '--json', ...args, HELLO, 'world']);
  const json = stderr.split('\n').find((line) => line.startsWith('{'))!;
  return { status, stdout, instructions: JSON.parse(json).instructions as number, stderr };
};

describe('--max-insns', () => {
  it('stops after exactly so many instructions, or not at all', async () => {
    const whole = await counted('--max-insns', '1000000');
    expect(whole).toMatchObject({ status: 0, stdout: 'hello world\n' });
    for (const count of [1, whole.instructions - 1]) {
      const part = await counted('--max-insns', String(count));
      expect(part).toMatchObject({ status: 124, instructions: count });
      expect(part.stderr).toContain(`tallship: stopped after ${count} instructions (--max-insns)\n`);
    }
    expect((await counted('--max-insns', '1')).stdout).toBe('');
    expect(await counted('--max-insns', String(whole.instructions))).toMatchObject({ stdout: 'hello world\n' });
  });

  it('counts alike with either page protection', async () => {
    const [hardware, software] = [await counted('--protection', 'hardware'), await counted('--protection', 'software')];
    expect(hardware.instructions).toBe(software.instructions);
  });

  it('wants a whole number', async () => {
    const { status, stderr } = await tallship(['--max-insns', '1.5', HELLO]);
    expect([status, stderr]).toEqual([125, 'tallship: --max-insns 1.5: give a whole number from 1 on\n']);
  });
});
