/** A machine between two slices becomes an image (DESIGN section 7). Nothing of it runs meanwhile. */
import { EINTR } from '../abi/errno.ts';
import { S_IFIFO } from '../abi/fs.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { ThreadGroup } from '../kernel/thread-group.ts';
import type { Mm } from '../memory/mm.ts';
import type { Dentry } from '../vfs/location.ts';
import { OpenFile } from '../vfs/open-file.ts';
import type { Plain, Sleeper } from '../wait/wait.ts';
import { NT_NODES, OWN_NOTE } from './core.ts';
import { commandOf, coreNotes } from './core-notes.ts';
import type { CoreOptions, Cores } from './cores.ts';
import { type Encodable, encode } from './encode.ts';
import {
  coreName,
  IMAGE_FORMAT,
  IMAGE_VERSION,
  type ImageSink,
  MACHINE_FILE,
  type Manifest,
  PAGES_FILE,
  STATE_VERSION,
} from './image.ts';
import { KINDS } from './kinds/index.ts';
import { savePlace } from './kinds/places.ts';
import { enterPolicies, type Policies } from './outside.ts';
import type { FilesMode } from './runs.ts';
import { FreezeWriter } from './world.ts';

/** What is frozen. */
export interface Freezable {
  readonly kernel: Kernel;
  /** The processor that programs find. */
  readonly cpu: string;
  /** The process whose end is the machine's. */
  readonly first: { pid: number; status: number | null } | null;
  /** Device numbers given out. */
  readonly devices: number;
  /** Nodes of /dev/pts. */
  terminals(): Iterable<object>;
  readonly layers: readonly { readonly name: string; readonly image?: { save(): Plain } }[];
}

export interface FreezeOptions extends CoreOptions {
  /** What a restore does about descriptors that lead outside: N, PID:N or `others`. */
  readonly descriptors?: Policies;
  /** Of Tallship, for the manifest. */
  readonly writer?: string;
}

/** Nothing here can sleep: a machine is frozen when nothing is under way. */
export function sleeperOf({ clock }: Kernel): Sleeper {
  return {
    serial: 0,
    progress: 0,
    block: () => -EINTR,
    once: (step) => step(),
    now: () => clock.now(),
    realtime: () => clock.realtime(),
  };
}

/** What a FreezeWriter is made of. */
export function writerParts(
  kernel: Kernel,
  saveInode: (inode: object) => number,
  keep: (page: Uint8Array) => number,
  files: FilesMode = 'reference',
): ConstructorParameters<typeof FreezeWriter> {
  const loadInode = () => {
    throw new Error('this is a writer');
  };
  return [KINDS, { saveInode, loadInode, savePlace }, { kernel, sleeper: sleeperOf(kernel), keep, files }];
}

/** Writes the image's files, and answers its manifest. The caller has made sure that nothing is under way (checkpoint.ts). */
export function freeze(
  machine: Freezable,
  sink: ImageSink,
  cores: Cores,
  options: FreezeOptions = {},
): Omit<Manifest, 'files'> {
  const { kernel } = machine;
  for (const { processor } of kernel.tasks.values()) processor.detach();
  writeBack(kernel);
  const pages = sink.create(PAGES_FILE);
  let count = 0;
  const keep = (page: Uint8Array) => {
    pages.write(page);
    return count++;
  };
  const writer = new FreezeWriter(...writerParts(kernel, (inode) => writer.id(inode), keep, options.files));
  const root = rootOf(machine, writer);
  enterPolicies(kernel, writer, options.descriptors ?? {});
  const nodes: (Encodable | null)[] = writer.nodes.map((node) => node as unknown as Encodable);
  const written = new Map<Mm, number>();
  cores.dropOthers(kernel);
  for (const group of kernel.groups.values()) {
    if (!group.zombie) writeProcess(group, writer, nodes, written, cores);
  }
  sink.create(MACHINE_FILE).write(encode({ root: root as Encodable, nodes }));
  return manifestOf(machine, options.writer ?? '');
}

/** Shared pages of files go to their files: an image refers to these. */
function writeBack(kernel: Kernel): void {
  const spaces = new Set([...kernel.tasks.values()].filter(({ runState }) => runState !== 'dead').map(({ mm }) => mm));
  const objects = new Set([...spaces].flatMap((mm) => [...mm.vmas.objects.keys()]));
  for (const object of objects) object.writeBack(0, Number.POSITIVE_INFINITY);
}

/** The core of a process: what its own nodes are goes there, and leaves a gap in the machine's. */
function writeProcess(
  group: ThreadGroup,
  writer: FreezeWriter,
  nodes: (Encodable | null)[],
  written: Map<Mm, number>,
  cores: Cores,
): void {
  const [{ mm }] = group.tasks;
  const owner = written.get(mm);
  written.set(mm, owner ?? group.id);
  const own: Encodable[] = [];
  for (const object of [group, ...group.tasks, ...(owner === undefined ? [mm] : [])]) {
    const id = writer.id(object);
    own.push([id, nodes[id]]);
    nodes[id] = null;
  }
  const notes = coreNotes(group, mm);
  notes.push({
    name: OWN_NOTE,
    type: NT_NODES,
    bytes: encode({ version: STATE_VERSION, memory: owner ?? group.id, nodes: own }),
  });
  if (owner === undefined) cores.write(group, mm, notes);
  else cores.writeBorrower(group, mm, notes);
}

export function rootOf(machine: Freezable, writer: FreezeWriter): Encodable {
  const { kernel } = machine;
  const { clock, namespace, uts } = kernel;
  const tasks = [...kernel.tasks.values()];
  const state = {
    version: STATE_VERSION,
    cpu: machine.cpu,
    clock: { monotonic: clock.now(), offset: clock.offset },
    ...{ uts: { ...uts }, nextPid: kernel.nextPid, forks: kernel.forks, devices: machine.devices },
    instructions: kernel.scheduler.instructions,
    first: machine.first && { ...machine.first },
    ...{ tasks: writer.ids(tasks), groups: writer.ids(kernel.groups.values()), queue: queueOf(kernel) },
    ...{ mounts: writer.ids(namespace.mounts), nextMount: namespace.nextId },
    futexes: kernel.futexes.sleepers(tasks).map(({ task, mm, address, bitset, woken }) => ({
      ...{ tid: task.tid, mm: writer.id(mm), address, bitset, woken },
    })),
    ...{ semaphores: ipc(kernel.semaphores), messages: ipc(kernel.messages), segments: ipc(kernel.segments) },
    queues: writer.ids(kernel.queues.values()),
    layers: machine.layers.map(({ name, image }) => ({ name, state: image?.save() })),
    fifos: fifosOf(kernel, writer),
    terminals: writer.ids(machine.terminals()),
    locks: [] as Encodable[],
  };
  state.locks = locksOf(kernel, writer);
  return state;

  function ipc({ lastId, objects }: { lastId: number; objects: ReadonlyMap<number, object> }): Encodable {
    return { next: lastId + 1, objects: writer.ids(objects.values()) };
  }
}

/** Sleepers look again, before anyone else runs, in the order of their ids; then those that were to run, in theirs. */
function queueOf({ tasks, scheduler }: Kernel): number[] {
  const sleeping = [...tasks.values()].filter(({ runState }) => runState === 'sleeping');
  return [...sleeping, ...scheduler.queued].map(({ tid }) => tid);
}

/** FIFOs that someone has open, or waits to open. */
function fifosOf({ namespace, fifos }: Kernel, writer: FreezeWriter): Encodable[] {
  const found: Encodable[] = [];
  const look = ({ inode, children }: Dentry) => {
    if (inode?.type === S_IFIFO) {
      const pipe = fifos.get(inode);
      const { readers = 0, writers = 0 } = pipe?.state ?? {};
      if (pipe !== undefined && readers + writers > 0) found.push([writer.id(inode), writer.id(pipe)]);
    }
    for (const child of children?.values() ?? []) look(child);
  };
  for (const { root } of namespace.mounts) look(root);
  return found;
}

function locksOf({ namespace }: Kernel, writer: FreezeWriter): Encodable[] {
  const inodes = new Set(writer.objects.filter((object) => object instanceof OpenFile).map(({ inode }) => inode));
  const found: Encodable[] = [];
  for (const inode of inodes) {
    const { records, shared, exclusive } = namespace.locks.held(inode);
    if (records.length === 0 && shared.size === 0 && exclusive === null) continue;
    found.push({
      inode: writer.id(inode),
      records: records.map(({ type, start, end, pid, owner }) => ({ type, start, end, pid, owner: writer.id(owner) })),
      ...{ shared: writer.ids(shared), exclusive: writer.id(exclusive) },
    });
  }
  return found;
}

function manifestOf(machine: Freezable, writer: string): Omit<Manifest, 'files'> {
  const { kernel } = machine;
  return {
    ...{ format: IMAGE_FORMAT, version: IMAGE_VERSION, writer, cpu: machine.cpu },
    created: Number(kernel.host.realtime() / 1_000_000n),
    processes: [...kernel.groups.values()].map((group) => ({
      ...{ pid: group.id, parent: group.parent?.id ?? 0, command: commandOf(group), threads: group.tasks.size },
      state: group.zombie ? 'zombie' : group.stopSignal !== 0 ? 'stopped' : group.leader.runState,
      core: group.zombie ? null : coreName(group.id),
    })),
    trees: treesOf(kernel),
  };
}

/** Trees of the host and of other machines, by where they are mounted. */
export function treesOf({ namespace }: Kernel): Manifest['trees'] {
  return namespace.mounts.flatMap((mount) => {
    const layers = 'lower' in mount.fs ? [mount.fs.lower as typeof mount.fs] : [mount.fs];
    const { text } = namespace.path({ mount, dentry: mount.root }, namespace.root);
    return layers.flatMap(({ origin }) =>
      origin === undefined ? [] : [{ path: text, type: origin.kind, source: origin.source, readOnly: origin.readOnly }],
    );
  });
}
