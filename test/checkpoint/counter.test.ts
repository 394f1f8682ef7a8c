/** The smallest case: one program without anything but its memory, saved in the middle and restored. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { restore } from '../../src/node.ts';
import { content, outputOf, prepare, runGuest } from '../support/machine.ts';

const directory = mkdtempSync(join(tmpdir(), 'tallship-checkpoint-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('a program that counts', () => {
  it('goes on after a restore as if nothing had happened', async () => {
    const args = ['60', '2000000'];
    const expected = (await runGuest('counter', args)).output;
    const { machine, output: file } = prepare('counter');
    machine.spawn({ path: '/counter', argv: ['counter', ...args], fds: [null, file, file] });
    const done = machine.run();
    while (content(machine, file).length < 100) await new Promise((resolve) => setTimeout(resolve, 1));
    const image = join(directory, 'counter');
    await machine.checkpoint(image, { stop: true });
    await done;
    const halfway = content(machine, file);
    const restored = await restore(image);
    expect(await restored.run()).toEqual({ status: 0 });
    expect(outputOf(restored)).toBe(expected);
    expect(halfway.length).toBeLessThan(expected.length);
    expect(expected.startsWith(halfway)).toBe(true);
  });
});
