/**
 * Images come from anywhere: whatever is changed in one, restoring it gives an ImageError or a machine, and running that
 * machine does not end this process. Checksums are left out, as whoever changes an image can make new ones.
 * TALLSHIP_CHECKPOINT_MUTATIONS: how many (npm run test:checkpoint).
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { decode } from '../../src/checkpoint/decode.ts';
import { type Encodable, encode } from '../../src/checkpoint/encode.ts';
import { restore } from '../../src/node.ts';
import type { Plain } from '../../src/wait/wait.ts';
import { prepare, quietHost, runGuest } from '../support/machine.ts';
import { MemoryImage } from '../support/memory-image.ts';

const COUNT = Number(process.env.TALLSHIP_CHECKPOINT_MUTATIONS ?? 300);
const SEED = Number(process.env.TALLSHIP_CHECKPOINT_SEED ?? 1);
const images: MemoryImage[] = [];

/** xorshift32. */
function chances(seed: number): (below: number) => number {
  let x = seed * 2654435761 || 1;
  return (below) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % below;
  };
}

beforeAll(async () => {
  for (const name of ['threads', 'ipc', 'processes']) {
    const whole = await runGuest(name);
    const { machine, output } = prepare(name, { exact: true });
    machine.spawn({ path: `/${name}`, argv: [name], fds: [null, output, output] });
    machine.kernel.scheduler.haltAt = Math.floor(whole.machine.kernel.scheduler.instructions / 2);
    await machine.run();
    const image = new MemoryImage();
    await machine.checkpoint(image);
    images.push(image);
  }
});

const ODD: readonly Encodable[] = [
  null,
  true,
  -1,
  0,
  1,
  2 ** 31,
  2 ** 40,
  1.5,
  Infinity,
  5n,
  '',
  'x',
  [],
  {},
  new Uint8Array(3),
];

/** Somewhere in a value, something else. */
function changed(value: Plain, random: (below: number) => number): Encodable {
  if (random(8) === 0 || typeof value !== 'object' || value === null || value instanceof Uint8Array) {
    return typeof value === 'number' && random(2) === 0 ? value + random(5) - 2 : ODD[random(ODD.length)];
  }
  const keys = Object.keys(value);
  if (keys.length === 0) return ODD[random(ODD.length)];
  const key = keys[random(keys.length)];
  const member = (value as { [name: string]: Plain })[key];
  if (Array.isArray(value)) return value.map((one, i) => (String(i) === key ? changed(one, random) : one));
  if (random(10) === 0) return { ...value, [key]: undefined };
  return { ...value, [key]: changed(member, random) };
}

function mutate(original: MemoryImage, random: (below: number) => number): MemoryImage {
  const image = original.copy();
  const names = [...image.files.keys()];
  const name = random(2) === 0 ? 'machine' : names[random(names.length)];
  const bytes = image.files.get(name)!;
  const how = random(5);
  if (how === 0) image.files.set(name, bytes.slice(0, random(bytes.length + 1)));
  else if (how === 1 && bytes.length > 0) {
    for (let i = 0; i <= random(4); i++) bytes[random(Math.min(bytes.length, 8192))] = random(256);
  } else if (how === 2) image.manifest = changed(image.manifest as Plain, random);
  else {
    const machine = decode(image.files.get('machine')!);
    image.files.set('machine', encode(changed(machine, random)));
  }
  return image;
}

describe('mutated images', () => {
  it(
    `${COUNT} of them give an error or a machine`,
    async () => {
      expect(images.length).toBe(3);
      const random = chances(SEED);
      const lines: string[] = [];
      const host = quietHost(lines);
      let errors = 0;
      for (let i = 0; i < COUNT; i++) {
        const image = mutate(images[i % images.length], random);
        try {
          const machine = await restore(image, { host, exact: true });
          if (i % 4 === 0) {
            const { scheduler } = machine.kernel;
            scheduler.haltAt = scheduler.instructions + 50_000;
            const timer = setTimeout(() => scheduler.stop(), 20);
            await machine.run();
            clearTimeout(timer);
          }
          for (const mm of new Set([...machine.kernel.tasks.values()].map((task) => task.mm))) {
            while (mm.users > 0) mm.release();
          }
        } catch (error) {
          errors++;
          if ((error as Error).name !== 'ImageError') throw new Error(`mutation ${i}: ${(error as Error).stack}`);
        }
      }
      expect(errors).toBeGreaterThan(COUNT / 4);
    },
    60_000 + COUNT * 50,
  );
});
