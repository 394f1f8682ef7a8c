/** Writing an image fails at every position there is: the image before stays, nothing is left over, and the machine goes on. */
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DirectorySink } from '../../src/host/image/directory-sink.ts';
import { DirectorySource } from '../../src/host/image/directory-source.ts';
import type { FileCalls } from '../../src/host/image/staging.ts';
import type { Machine } from '../../src/machine.ts';
import { restore } from '../../src/node.ts';
import { prepare } from '../support/machine.ts';

const directory = mkdtempSync(join(tmpdir(), 'tallship-faults-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const image = join(directory, 'image');
let machine: Machine;

beforeAll(async () => {
  const { machine: made, output } = prepare('counter', { exact: true });
  machine = made;
  machine.spawn({ path: '/counter', argv: ['counter', '50', '1000'], fds: [null, output, output] });
  machine.kernel.scheduler.haltAt = 100_000;
  await machine.run();
  await machine.checkpoint(image);
});

/** Calls of which the n-th fails; a write that fails may have written a part before. */
function failing(n: number, torn: boolean): { calls: FileCalls; count(): number } {
  let count = 0;
  const due = () => ++count === n;
  const error = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
  return {
    count: () => count,
    calls: {
      write(fd, bytes, position) {
        if (!due()) return writeSync(fd, bytes, 0, bytes.length, position);
        if (torn && bytes.length > 1) writeSync(fd, bytes, 0, bytes.length >> 1, position);
        throw error;
      },
      async sync() {
        if (due()) throw error;
      },
      rename(from, to) {
        if (due()) throw error;
        renameSync(from, to);
      },
    },
  };
}

describe('an image that cannot be written', () => {
  it.each([false, true])('leaves the one before, whichever call fails (torn writes: %s)', async (torn) => {
    const before = readFileSync(join(image, 'manifest.json'), 'utf8');
    for (let n = 1; ; n++) {
      const { calls, count } = failing(n, torn);
      const done = await machine.checkpoint(new DirectorySink(image, calls)).then(
        () => true,
        () => false,
      );
      if (done && count() < n) break;
      expect(n).toBeLessThan(50);
      (await DirectorySource.open(image)).close();
      // The last call syncs the directory that has the new image already.
      if (!done && readFileSync(join(image, 'manifest.json'), 'utf8') !== before) continue;
      expect(readFileSync(join(image, 'manifest.json'), 'utf8')).toBe(before);
      expect(readdirSync(directory)).toEqual(['image']);
    }
    const restored = await restore(image);
    expect(await restored.run()).toEqual({ status: 0 });
  });

  it('is told apart from a whole one', async () => {
    const names = readdirSync(image).filter((name) => name !== 'pages');
    for (const name of names) {
      const path = join(image, name);
      const whole = readFileSync(path);
      truncateSync(path, whole.length - 1);
      await expect(restore(image)).rejects.toThrow(/incomplete|damaged/);
      writeFileSync(
        path,
        Uint8Array.from(whole, (byte, i) => (i === whole.length >> 1 ? byte ^ 1 : byte)),
      );
      await expect(restore(image), name).rejects.toThrow(/damaged|incomplete|missing|manifest/);
      writeFileSync(path, whole);
    }
    rmSync(join(image, 'machine'));
    await expect(restore(image)).rejects.toThrow('machine is missing');
  });

  it('is not written over what is no image', async () => {
    const other = join(directory, 'other');
    writeFileSync(other, 'a file of the user');
    await expect(machine.checkpoint(other)).rejects.toThrow('is no image');
    expect(readFileSync(other, 'utf8')).toBe('a file of the user');
    rmSync(other);
  });
});
