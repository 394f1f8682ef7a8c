/** Taking an image of a running machine: waits for what cannot be kept, then freezes it between two slices. */
import type { Kernel } from '../kernel/kernel.ts';
import { runningHooks } from '../syscall/async-run.ts';
import { Mapping } from '../vfs/page-cache.ts';
import { Cores } from './cores.ts';
import { type Freezable, type FreezeOptions, freeze } from './freeze.ts';
import { ImageError, type ImageSink, type Manifest } from './image.ts';

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
      await writeAhead(cores, kernel);
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
async function writeAhead(cores: Cores, kernel: Kernel): Promise<void> {
  const { host } = kernel;
  let begun = host.now();
  for (const _ of cores.writeAhead(kernel)) {
    if (host.now() - begun < TURN) continue;
    await host.yield();
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

/** What only lives in this process: nothing of it may be under way when the machine is frozen. */
export function underWay(kernel: Kernel): string[] {
  const found: string[] = [];
  for (const task of kernel.tasks.values()) {
    if (task.startup !== null) found.push(`process ${task.tgid} is being started`);
    if (task.runState === 'dead') continue;
    for (const object of task.mm.vmas.objects.keys()) {
      const { backing } = object;
      if (backing instanceof Mapping && backing.busy) found.push(`${backing.path} is being written`);
    }
  }
  for (const { task, layer, call, idempotent } of runningHooks(kernel.tasks)) {
    if (!idempotent) found.push(`layer ${layer} is at work in ${call} of process ${task.tgid}`);
  }
  return found;
}

async function quiet(kernel: Kernel, patience: number): Promise<void> {
  const end = kernel.host.now() + patience * 1e6;
  for (;;) {
    // At least once: whoever called may be inside of a slice.
    await kernel.host.yield();
    const found = kernel.scheduler.current === null ? underWay(kernel) : ['a slice'];
    if (found.length === 0) return;
    if (kernel.host.now() > end) throw new ImageError(`the machine does not come to rest: ${found.join(', ')}`);
  }
}
