/** An image becomes a machine: everything is made and checked before anything runs. */

import type { Session } from '../fs/caller.ts';
import type { DevPts } from '../fs/devpts.ts';
import { ImageReader, NODE, type NodeImage } from '../fs/image/index.ts';
import { integer, list, maybe, type Of, pair, record, ShapeError } from '../fs/image/shape.ts';
import type { MessageQueue as PosixQueue } from '../fs/mqueue.ts';
import type { Pipe } from '../fs/pipe.ts';
import type { Tty } from '../fs/tty.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { MessageQueue } from '../kernel/message-queues.ts';
import type { Processor } from '../kernel/processor.ts';
import type { SemaphoreSet } from '../kernel/semaphores.ts';
import type { Segment } from '../kernel/shared-memory.ts';
import { signalSourceOf } from '../kernel/signals.ts';
import { allow } from '../memory/fill.ts';
import { Mm } from '../memory/mm.ts';
import { PAGE_SIZE, PROT_READ, PROT_WRITE } from '../memory/page.ts';
import type { FileSystem, Inode, TreeOrigin } from '../vfs/inode.ts';
import type { Mount } from '../vfs/location.ts';
import { type Core, NT_NODES, OWN_NOTE, readCore } from './core.ts';
import { decode } from './decode.ts';
import { sleeperOf } from './freeze.ts';
import {
  coreName,
  ImageError,
  type ImageInput,
  type ImageSource,
  MACHINE_FILE,
  type Manifest,
  PAGES_FILE,
  STATE_VERSION,
} from './image.ts';
import { KINDS } from './kinds/index.ts';
import { loadPlace } from './kinds/places.ts';
import { MACHINE_STATE } from './machine-state.ts';
import { type OutsideWorld, Substitutes } from './outside.ts';
import type { ThawWorld } from './world.ts';

/** The new machine, as far as it is there before its processes. */
export interface ThawTarget extends OutsideWorld {
  readonly pts: DevPts;
  readonly console: Tty | null;
  openTree(origin: TreeOrigin, device: number): FileSystem;
  found(fs: FileSystem, names: readonly string[]): Inode | undefined;
  /** /proc, /sys or /dev/pts with this device number. */
  own(type: string, device: number): FileSystem;
}

export type MachineState = Of<typeof MACHINE_STATE>;

/** What a reader finds in the machine file and the cores, checked as far as its form goes. */
export interface OpenedImage {
  readonly state: MachineState;
  readonly nodes: readonly NodeImage[];
  /** By process: its core, and the pages in it. */
  readonly cores: ReadonlyMap<number, { core: Core; input: ImageInput }>;
  readonly pages: ImageInput;
}

const MACHINE = record({ root: MACHINE_STATE, nodes: list(maybe(NODE)) });
const OWN = record({
  version: integer(1, STATE_VERSION),
  memory: integer(1, 2 ** 22),
  nodes: list(pair(integer(0, 2 ** 32), NODE)),
});

/** Errors of ours that a damaged image can cause are all one to the user. */
export function guarded<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof ImageError) throw error;
    if (error instanceof ShapeError) throw new ImageError(`it is damaged: ${error.message}`);
    if ((error as Error).name === 'HostLimitError') throw error;
    throw new ImageError(`it is damaged (${error instanceof Error ? error.message : error})`, { cause: error });
  }
}

export function openImage(source: ImageSource, manifest: Manifest): OpenedImage {
  return guarded(() => {
    const input = source.open(MACHINE_FILE);
    const bytes = new Uint8Array(input.size);
    input.read(0, bytes);
    const kinds: (string | undefined)[] = [];
    const kindOf = (id: number) => kinds[id];
    const image = decode(bytes) as { nodes?: unknown };
    const cores = new Map<number, { core: Core; input: ImageInput }>();
    const own = new Map<number, NodeImage>();
    for (const { pid, core: name } of manifest.processes) {
      if (name === null) continue;
      const file = source.open(coreName(pid));
      const core = readCore(file);
      const note = core.notes.find(({ name: of, type }) => of === OWN_NOTE && type === NT_NODES);
      if (note === undefined) throw new ImageError(`${name} is no core of Tallship's`);
      const { nodes, memory } = OWN(decode(note.bytes), name, kindOf);
      if (memory === pid) cores.set(pid, { core, input: file });
      for (const [id, node] of nodes) own.set(id, node as NodeImage);
    }
    const listed = list(maybe(NODE))(image?.nodes, 'nodes', kindOf);
    const nodes = listed.map((node, id) => node ?? own.get(id)) as NodeImage[];
    for (const [id, node] of nodes.entries()) {
      if (node === undefined) throw new ImageError(`object ${id} is missing`);
      kinds[id] = node.kind;
    }
    const { root } = MACHINE(image, 'machine', kindOf);
    return { state: root, nodes, cores, pages: source.open(PAGES_FILE) };
  });
}

/** Makes the image's processes in a machine that has none. What was made when it turns out to be damaged is given back. */
export function thaw(image: OpenedImage, target: ThawTarget): void {
  const world = worldFor(image, target);
  try {
    guarded(() => new Thaw(image, target, world).run());
  } catch (error) {
    for (const mm of world.processors.keys()) mm.release();
    throw error;
  }
}

class Thaw {
  readonly #image: OpenedImage;
  readonly #kernel: Kernel;
  readonly #reader: ImageReader;

  constructor(image: OpenedImage, target: ThawTarget, world: ThawWorld) {
    const { kernel } = target;
    this.#image = image;
    this.#kernel = kernel;
    const substitutes = new Substitutes(target, (pid, fd) => fileIdOf(image, pid, fd));
    this.#reader = new ImageReader(image.nodes, KINDS, world, {
      saveInode: () => null,
      loadInode: (id) => this.#reader.object<Inode>(id),
      loadPlace: (place) => loadPlace(place, this.#reader),
      substitute: (node, id) => substitutes.of(node, id),
    });
  }

  run(): void {
    const { state } = this.#image;
    const { clock, namespace, uts } = this.#kernel;
    const reader = this.#reader;
    clock.resume(state.clock.monotonic, state.clock.offset);
    Object.assign(uts, state.uts);
    this.#kernel.nextPid = state.nextPid;
    this.#kernel.forks = state.forks;
    this.#kernel.scheduler.instructions = state.instructions;
    // In this order: what lies in /proc is found there once the processes are.
    reader.objects(state.tasks);
    reader.objects(state.groups);
    namespace.restore(reader.objects<Mount>(state.mounts), state.nextMount);
    reader.load();
    this.#restoreIpc();
    this.#restoreFiles();
    this.#fillMemory();
    this.#restoreTasks();
  }

  #restoreIpc(): void {
    const { semaphores, messages, segments } = this.#image.state;
    const { semaphores: sets, messages: queues, segments: shared } = this.#kernel;
    const reader = this.#reader;
    sets.lastId = semaphores.next - 1;
    queues.lastId = messages.next - 1;
    shared.lastId = segments.next - 1;
    for (const set of reader.objects<SemaphoreSet>(semaphores.objects)) sets.objects.set(set.id, set);
    for (const queue of reader.objects<MessageQueue>(messages.objects)) queues.objects.set(queue.id, queue);
    for (const segment of reader.objects<Segment>(segments.objects)) shared.objects.set(segment.id, segment);
    reader.objects<PosixQueue>(this.#image.state.queues);
  }

  #restoreFiles(): void {
    const { fifos, locks, terminals } = this.#image.state;
    const reader = this.#reader;
    reader.objects(terminals);
    for (const [inode, pipe] of fifos) this.#kernel.fifos.set(reader.object<Inode>(inode), reader.object<Pipe>(pipe));
    for (const { inode, records, shared, exclusive } of locks) {
      const held = records.map(({ owner, ...lock }) => ({ ...lock, owner: reader.object(owner) }));
      const exclusiveOwner = reader.optional(exclusive);
      this.#kernel.namespace.locks.restore(reader.object<Inode>(inode), held, reader.objects(shared), exclusiveOwner);
    }
  }

  /** Pages go straight from the cores into their places. */
  #fillMemory(): void {
    for (const [pid, { core, input }] of this.#image.cores) {
      const group = this.#kernel.groups.get(pid);
      const [task] = group?.tasks ?? [];
      if (task === undefined) throw new ImageError(`there is no process ${pid} for a core`);
      for (const { start, end, offset } of core.segments) fillPages(task.mm, input, start, end, offset);
      task.mm.invalidateExecutable(0, 0);
    }
  }

  #restoreTasks(): void {
    const { state } = this.#image;
    const { tasks, futexes, scheduler } = this.#kernel;
    const taskOf = (tid: number) => {
      const task = tasks.get(tid);
      if (task === undefined) throw new ImageError(`there is no thread ${tid}`);
      return task;
    };
    for (const { tid, mm, address, bitset, woken } of state.futexes) {
      futexes.restore(taskOf(tid), this.#reader.object<Mm>(mm), address, bitset, woken);
    }
    // Each task holds its address space; the first is the one that made it.
    const spaces = new Set<Mm>();
    for (const { mm, runState } of tasks.values()) {
      if (runState === 'dead') continue;
      if (spaces.has(mm)) mm.retain();
      spaces.add(mm);
    }
    const queued = new Set(state.queue);
    for (const task of tasks.values()) {
      const due = task.runState === 'runnable' || task.runState === 'sleeping';
      if (due !== queued.has(task.tid)) throw new ImageError(`thread ${task.tid} is not where it waits`);
      if (task.runState === 'sleeping' && task.call.nr < 0)
        throw new ImageError(`thread ${task.tid} sleeps in no call`);
    }
    for (const tid of queued) {
      const task = taskOf(tid);
      task.runState = 'runnable';
      scheduler.enqueue(task);
    }
  }
}

function fillPages(mm: Mm, input: ImageInput, start: number, end: number, offset: number): void {
  const { guest, vmas } = mm;
  if (!vmas.covers(start, end)) throw new ImageError('a core has pages where nothing is mapped');
  for (const part of vmas.within(start, end)) {
    if (part.shared) throw new ImageError('a core has pages of a shared mapping');
    const opened = guest.protect(part.start, part.end, PROT_READ | PROT_WRITE);
    if (opened < 0) throw new ImageError(`the host refuses memory (errno ${-opened})`);
    input.read(offset + (part.start - start), mm.u8.subarray(part.start, part.end));
    allow(guest, part.start, part.end, part.prot);
  }
}

function worldFor(image: OpenedImage, target: ThawTarget): ThawWorld {
  const { kernel } = target;
  const { clock, timers } = kernel;
  const sessions = new Map<number, Session>();
  let gone: { mm: Mm; processor: Processor } | undefined;
  return {
    ...{ kernel, processors: new Map(), sessions },
    ...{ anonymous: kernel.anonymous, socketNames: kernel.socketNames, fifos: kernel.fifos, queues: kernel.queues },
    ...{ alarms: { clock, timers }, signals: signalSourceOf(kernel), shm: kernel.shm },
    ...{ pts: target.pts, console: target.console, namespace: kernel.namespace, sleeper: sleeperOf(kernel) },
    session: (id) => sessions.get(id) ?? null,
    page: (index) => pageOf(image.pages, index),
    openTree: (origin, device) => target.openTree(origin, device),
    found: (fs, names) => target.found(fs, names),
    own: (type, device) => target.own(type, device),
    warn: (line) => target.warn(line),
    gone() {
      if (gone === undefined) {
        const mm = new Mm({ protection: kernel.protection, objects: kernel.objects });
        gone = { mm, processor: kernel.processorFor(mm) };
        mm.release();
      }
      return gone;
    },
  };
}

/** The object that a descriptor of a process refers to. */
function fileIdOf({ state, nodes }: OpenedImage, pid: number, fd: number): number | undefined {
  const group = state.groups.map((id) => nodes[id].fields).find(({ id }) => id === pid);
  const leader = group === undefined ? undefined : nodes[group.leader as number]?.fields;
  const table = leader === undefined ? undefined : nodes[leader.files as number]?.fields;
  const entries = (table?.files ?? []) as { fd: number; file: number }[];
  return entries.find((entry) => entry.fd === fd)?.file;
}

function pageOf(pages: ImageInput, index: number): Uint8Array {
  const page = new Uint8Array(PAGE_SIZE);
  if ((index + 1) * PAGE_SIZE > pages.size) throw new ImageError(`there is no page ${index}`);
  pages.read(index * PAGE_SIZE, page);
  return page;
}
