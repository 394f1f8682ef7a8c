/** Taking an image of a running machine: waits for what cannot be kept, then freezes it between two slices. */
import type { Kernel } from '../kernel/kernel.ts';
import { Cores } from './cores.ts';
import { type Freezable, type FreezeOptions, freeze } from './freeze.ts';
import { ImageError, type ImageSink, type Manifest } from './image.ts';
import { underWay } from './under-way.ts';

export interface CheckpointOptions extends FreezeOptions {
  /** How long to wait for asynchronous hooks of layers, and bytes that are being written behind: milliseconds. */
  readonly patience?: number;
  /** The machine stops: run() returns, nothing runs after the image. */
  readonly stop?: boolean;
}

const PATIENCE = 5000;
/** Bytes of memory that are more than a moment's writing. */
/** Nanoseconds. */
const TURN = 10e6;
const AHEAD_FROM = 16 << 20;

export interface CheckpointReport {
  readonly manifest: Manifest;
  /** How long the machine stood still: milliseconds. */
  readonly pause: number;
}

export async function checkpoint(
  machine: Freezable,
  sink: ImageSink,
  options: CheckpointOptions,
): Promise<CheckpointReport> {
  const { kernel } = machine;
  const { scheduler } = kernel;
  try {
    await quiet(kernel, options.patience ?? PATIENCE);
    const cores = new Cores(sink, options);
    if (isLarge(kernel)) {
      await writeAhead(cores, kernel, sink);
      await quiet(kernel, options.patience ?? PATIENCE);
    }
    if (kernel.groups.size === 0) throw new ImageError('the machine has ended: there is nothing to save');
    const start = kernel.host.now();
    const frozen = freeze(machine, sink, cores, options);
    const release = options.stop === true ? scheduler.hold() : undefined;
    const pause = (kernel.host.now() - start) / 1e6;
    try {
      const manifest = await sink.commit(frozen);
      cores.done();
      if (options.stop === true) scheduler.stop();
      return { manifest, pause };
    } finally {
      release?.();
    }
  } catch (error) {
    options.history?.clear();
    sink.abort();
    throw error;
  }
}

/** As long at a time as the machine runs between its turns. */
async function writeAhead(cores: Cores, kernel: Kernel, sink: ImageSink): Promise<void> {
  const { host } = kernel;
  let begun = host.now();
  for (const _ of cores.writeAhead(kernel)) {
    if (host.now() - begun < TURN) continue;
    await (sink.room?.() ?? host.yield());
    begun = host.now();
  }
}

/**
 * It would stand still for long while all of its memory is written: most is written before, where the host tells which pages
 * the program writes meanwhile.
 */
function isLarge(kernel: Kernel): boolean {
  const spaces = new Set([...kernel.tasks.values()].filter(({ runState }) => runState !== 'dead').map(({ mm }) => mm));
  let size = 0;
  for (const mm of spaces) {
    if (mm.guest.written(0, 0) === null) return false;
    for (const vma of mm.vmas) if (vma.object === null) size += mm.residentBytes(vma);
  }
  return size > AHEAD_FROM;
}

/**
 * Waits until nothing is under way that an image cannot hold. What is under way ends while nothing new begins: only calls
 * that have begun go on.
 */
async function quiet(kernel: Kernel, patience: number): Promise<void> {
  const { host, scheduler } = kernel;
  const end = host.now() + patience * 1e6;
  try {
    for (;;) {
      // At least once: whoever called may be inside of a slice.
      await host.yield();
      const found = scheduler.current === null ? underWay(kernel) : ['a slice'];
      if (found.length === 0) return;
      if (host.now() > end) throw new ImageError(`the machine does not come to rest: ${found.join(', ')}`);
      scheduler.onlyCalls = true;
    }
  } finally {
    scheduler.onlyCalls = false;
  }
}
