/** Images in a store: they cost what has changed, survive whatever happens to a writer, and are collected when nobody needs them. */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { History } from '../../src/checkpoint/cores.ts';
import { inspect } from '../../src/checkpoint/inspect.ts';
import { checkImage } from '../../src/checkpoint/model.ts';
import { copyImage } from '../../src/host/image/copy.ts';
import { openSource } from '../../src/host/image/open-source.ts';
import type { FileCalls } from '../../src/host/image/staging.ts';
import { CODECS, isAvailable } from '../../src/host/store/codec.ts';
import { collectGarbage } from '../../src/host/store/gc.ts';
import { StoreWriter } from '../../src/host/store/store-sink.ts';
import type { Machine } from '../../src/machine.ts';
import { restore } from '../../src/node.ts';
import { fixture, outputOf, prepare, runGuest } from '../support/machine.ts';

const directory = mkdtempSync(join(tmpdir(), 'tallship-store-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const ARGS = ['50', '1000'];
let expected: string;
beforeAll(async () => {
  expected = (await runGuest('counter', ARGS)).output;
});

/** A program that has run for a while, and goes on when told. */
async function begun() {
  const { machine, output } = prepare('counter', { exact: true });
  machine.spawn({ path: '/counter', argv: ['counter', ...ARGS], fds: [null, output, output] });
  const goOn = async (instructions: number) => {
    machine.kernel.scheduler.haltAt = machine.kernel.scheduler.instructions + instructions;
    await machine.run();
  };
  await goOn(20_000);
  return { machine, goOn };
}

const packs = (store: string) => readdirSync(join(store, 'packs'));
const sizeOf = (store: string) =>
  packs(store).reduce((sum, name) => sum + statSync(join(store, 'packs', name)).size, 0);

async function save(machine: Machine, writer: StoreWriter, name: string, history?: History): Promise<void> {
  await machine.checkpoint(await writer.sink(name), { history });
}

async function endOf(image: string): Promise<string> {
  const restored = await restore(image);
  expect(await restored.run()).toEqual({ status: 0 });
  return outputOf(restored);
}

async function verify(image: string): Promise<void> {
  const source = await openSource(image);
  try {
    source.verify();
    inspect(checkImage(source));
  } finally {
    source.close();
  }
}

describe('a store', () => {
  it.each(CODECS.filter(isAvailable))('keeps what has changed, packed by %s, and gives it back', async (codec) => {
    const store = join(directory, codec);
    const writer = new StoreWriter(store, codec);
    const { machine, goOn } = await begun();
    const history: History = new Map();
    const sizes: number[] = [];
    for (const name of ['one', 'two', 'three']) {
      await save(machine, writer, name, history);
      sizes.push(sizeOf(store));
      await goOn(5000);
    }
    expect(sizes[2] - sizes[1]).toBeLessThan(sizes[0]);
    for (const name of ['one', 'two', 'three']) expect(await endOf(writer.path(name))).toBe(expected);
    // Another writer, which knows nothing of the first, shares its pages too.
    await save(machine, new StoreWriter(store, codec), 'other');
    expect(sizeOf(store) - sizes[2]).toBeLessThan(sizes[0]);
    expect(await endOf(writer.path('other'))).toBe(expected);
  });

  it('exports a directory of core files', async () => {
    const to = join(directory, 'exported');
    const source = await openSource(join(directory, 'deflate/images/two'));
    await copyImage(source, to, 2);
    source.close();
    expect(readFileSync(join(to, 'core.2')).subarray(0, 4).toString('latin1')).toBe('\x7fELF');
    expect(await endOf(to)).toBe(expected);
  });

  it('is rid of what no image needs', async () => {
    const store = join(directory, 'collected');
    cpSync(join(directory, 'none'), store, { recursive: true });
    const before = sizeOf(store);
    for (const name of ['one', 'other']) rmSync(join(store, 'images', name), { recursive: true });
    writeFileSync(join(store, 'packs/unfinished.pack.tmp'), 'x');
    const report = await collectGarbage(store);
    expect(report).toMatchObject({ images: 2, before, after: sizeOf(store) });
    for (const name of ['two', 'three']) expect(await endOf(join(store, 'images', name))).toBe(expected);
    for (const name of ['two', 'three']) rmSync(join(store, 'images', name), { recursive: true });
    expect(await collectGarbage(store)).toMatchObject({ images: 0, kept: 0, after: 0 });
    expect(packs(store)).toEqual([]);
  });

  it('begins anew when the image before is gone', async () => {
    const store = join(directory, 'anew');
    const { machine, goOn } = await begun();
    const writer = new StoreWriter(store);
    const history: History = new Map();
    await save(machine, writer, 'one', history);
    rmSync(writer.path('one'), { recursive: true });
    await collectGarbage(store);
    await goOn(100);
    const sink = await writer.sink('two');
    if (writer.before.size === 0) history.clear();
    await machine.checkpoint(sink, { history });
    expect(await endOf(writer.path('two'))).toBe(expected);
  });

  it('tells what has been changed in it', async () => {
    const store = join(directory, 'damaged');
    cpSync(join(directory, 'deflate'), store, { recursive: true });
    for (const name of packs(store)) {
      const path = join(store, 'packs', name);
      const whole = readFileSync(path);
      for (let at = 5; at < whole.length; at += Math.ceil(whole.length / 40)) {
        writeFileSync(
          path,
          Uint8Array.from(whole, (byte, i) => (i === at ? byte ^ 0x10 : byte)),
        );
        // Of the first pack's objects some are in no image: only errors of the store's own may come.
        const error = await verify(join(store, 'images/two')).catch((reason) => reason);
        expect(error?.name ?? 'ImageError').toBe('ImageError');
      }
      writeFileSync(path, whole.subarray(0, whole.length - 1));
      await expect(verify(join(store, 'images/two'))).rejects.toThrow(/damaged or incomplete/);
      writeFileSync(path, whole);
    }
    await verify(join(store, 'images/two'));
  });
});

describe('a writer of a store', () => {
  it.each([false, true])('leaves all images whole, whichever of its calls fails (torn writes: %s)', async (torn) => {
    const store = join(directory, `faults.${torn}`);
    const { machine, goOn } = await begun();
    await save(machine, new StoreWriter(store), 'job');
    for (let n = 1; ; n++) {
      await goOn(50);
      let count = 0;
      const due = () => ++count === n;
      const error = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
      const calls: FileCalls = {
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
      };
      const done = await save(machine, new StoreWriter(store, 'none', calls), 'job').then(
        () => true,
        () => false,
      );
      await verify(join(store, 'images/job'));
      expect(readdirSync(join(store, 'temporary'))).toEqual([]);
      if (done && count < n) break;
      expect(n).toBeLessThan(60);
    }
    await collectGarbage(store);
    expect(await endOf(join(store, 'images/job'))).toBe(expected);
  });

  it('can be killed at any instant; several work at the same time', async () => {
    const store = join(directory, 'killed');
    new StoreWriter(store);
    const main = join(import.meta.dirname, '../../dist/src/bin/tallship.js');
    const args = ['run', '-q', '--store', store, '--every', '0.05s', fixture('counter'), '10000', '20000', '1'];
    const start = (name: string) =>
      spawn(process.execPath, [main, ...args.slice(0, 2), '--name', name, ...args.slice(2)], { stdio: 'ignore' });
    const children: ChildProcess[] = [];
    for (let round = 0; round < 3; round++) {
      children.push(start('a'), start('b'));
      const both = () => ['a', 'b'].every((name) => existsSync(join(store, 'images', name)));
      await expect.poll(both, { timeout: 60_000 }).toBe(true);
      await new Promise((resolve) => setTimeout(resolve, 60 + 70 * round));
      for (const child of children) child.kill('SIGKILL');
      await expect.poll(() => children.every(({ signalCode }) => signalCode !== null), { timeout: 10_000 }).toBe(true);
      for (const name of ['a', 'b']) await verify(join(store, 'images', name));
    }
    expect((await collectGarbage(store)).images).toBe(2);
    for (const name of ['a', 'b']) await verify(join(store, 'images', name));
    expect(readdirSync(join(store, 'temporary'))).toEqual([]);
  }, 120_000);
});
