/** Images that take unchanged pages from the one before have what an image has that is made from nothing. */

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { History } from '../../src/checkpoint/cores.ts';
import { checkImage } from '../../src/checkpoint/model.ts';
import { writeTracking } from '../../src/host/write-tracking.ts';
import { restore } from '../../src/node.ts';
import { golden, outputOf, prepare, runGuest } from '../support/machine.ts';
import { MemoryImage } from '../support/memory-image.ts';

/** Saved pages by process and address. */
function pagesOf(image: MemoryImage): Map<string, string> {
  const pages = new Map<string, string>();
  for (const [pid, { core, input }] of checkImage(image).image.cores) {
    for (const { start, end, offset } of core.segments) {
      for (let at = start; at < end; at += 4096) {
        const page = Buffer.alloc(4096);
        input.read(offset + at - start, page);
        pages.set(`${pid} ${at.toString(16)}`, page.toString('latin1'));
      }
    }
  }
  return pages;
}

describe.each(['threads', 'processes', 'faults', 'programs', 'ipc'])('%s, saved again and again', (name) => {
  it('has the same pages as saved at once, and goes on', async () => {
    const total = (await runGuest(name)).machine.kernel.scheduler.instructions;
    const { machine, output: file } = prepare(name, { exact: true });
    const { scheduler } = machine.kernel;
    machine.spawn({ path: `/${name}`, argv: [name], fds: [null, file, file] });
    const history: History = new Map();
    let before: MemoryImage | undefined;
    for (let i = 1; i <= 8; i++) {
      scheduler.haltAt = Math.floor((total * i) / 10);
      await machine.run();
      const image = new MemoryImage(before);
      await machine.checkpoint(image, { history });
      const whole = new MemoryImage();
      await machine.checkpoint(whole);
      expect(pagesOf(image)).toEqual(pagesOf(whole));
      before = image;
    }
    expect(before!.reused > 0).toBe(writeTracking() !== null);
    const restored = await restore(before!, { exact: true });
    expect(await restored.run()).toEqual({ status: 0 });
    expect(outputOf(restored)).toBe(readFileSync(golden(name), 'utf8'));
  });
});
