/** System V shared memory (shmop(2)). */
import { EACCES, EINVAL, ENOMEM } from '../abi/errno.ts';
import { SHM_DEST, SHM_EXEC, SHM_RDONLY, SHM_REMAP, SHM_RND, SHMMAX } from '../abi/ipc.ts';
import { MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_SHARED } from '../memory/flags.ts';
import type { SharedObject } from '../memory/shared-object.ts';
import { type IpcPerm, IpcTable, ipcAllows, ipcTime, NEVER } from './ipc.ts';
import type { Kernel } from './kernel.ts';
import type { Task } from './task.ts';

const PAGE = 4096;
const PROT_READ = 1;
const PROT_WRITE = 2;
const PROT_EXEC = 4;

export class Segment {
  readonly id: number;
  readonly perm: IpcPerm;
  readonly size: number;
  readonly object: SharedObject;
  readonly creator: number;
  lastPid = 0;
  atime = NEVER;
  dtime = NEVER;
  ctime: { low: number; high: number };

  constructor(
    made: { id: number; perm: IpcPerm; size: number; creator: number; ctime: { low: number; high: number } },
    object: SharedObject,
  ) {
    this.id = made.id;
    this.perm = made.perm;
    this.size = made.size;
    this.creator = made.creator;
    this.ctime = made.ctime;
    this.object = object;
    object.retain();
  }
}

export class SharedSegments extends IpcTable<Segment> {
  find(task: Task, key: number, size: number, flags: number): number {
    this.sweep(task.kernel);
    return this.open(
      task,
      key,
      flags,
      (found) => (size > found.size ? -EINVAL : 0),
      (id, perm) => {
        if (size < 1 || size > SHMMAX) return -EINVAL;
        const made = { id, perm, size, creator: task.tgid, ctime: ipcTime(task) };
        return new Segment(made, task.kernel.objects.anonymous(Math.ceil(size / PAGE) * PAGE));
      },
    );
  }

  /** shmat: the address, or a negative errno. */
  attach(task: Task, segment: Segment, address: number, flags: number): number {
    const readOnly = (flags & SHM_RDONLY) !== 0;
    const execute = (flags & SHM_EXEC) !== 0;
    if (!ipcAllows(task, segment, 4 | (readOnly ? 0 : 2) | (execute ? 1 : 0))) return -EACCES;
    const place = (flags & SHM_RND) !== 0 ? address - (address % PAGE) : address;
    if (place % PAGE !== 0 || (place === 0 && (flags & SHM_REMAP) !== 0)) return -EINVAL;
    const fixed = place === 0 ? 0 : (flags & SHM_REMAP) !== 0 ? MAP_FIXED : MAP_FIXED_NOREPLACE;
    const prot = PROT_READ | (readOnly ? 0 : PROT_WRITE) | (execute ? PROT_EXEC : 0);
    const source = { object: segment.object, offset: 0, maxProt: readOnly ? PROT_READ | PROT_EXEC : 7 };
    const mapped = task.mm.mmap(place, segment.size, prot, MAP_SHARED | fixed, source);
    if (mapped < 0) return mapped === -ENOMEM ? mapped : -EINVAL;
    segment.atime = ipcTime(task);
    segment.lastPid = task.tgid;
    return mapped;
  }

  /** shmdt: unmaps what is left of the attachment that began at the address. */
  detach(task: Task, address: number): number {
    const { mm } = task;
    const first = mm.vmas.find(address);
    const segment = first && this.#ofObject(first.object);
    if (first === undefined || segment === undefined || first.start - first.offset !== address) return -EINVAL;
    for (const vma of mm.vmas.within(address, address + Math.ceil(segment.size / PAGE) * PAGE)) {
      if (vma.object === segment.object) mm.munmap(vma.start, vma.end - vma.start);
    }
    segment.dtime = ipcTime(task);
    segment.lastPid = task.tgid;
    this.sweep(task.kernel);
    return 0;
  }

  /** IPC_RMID: gone when nobody has it attached any more. */
  remove(task: Task, segment: Segment): void {
    segment.perm.mode |= SHM_DEST;
    segment.perm.key = 0;
    this.sweep(task.kernel);
  }

  /** How many address spaces have it attached. */
  attachments(kernel: Kernel, segment: Segment): number {
    const spaces = new Set(
      [...kernel.tasks.values()].filter((task) => task.runState !== 'dead').map((task) => task.mm),
    );
    let count = 0;
    for (const mm of spaces) if (mm.vmas.objects.has(segment.object)) count++;
    return count;
  }

  /** Drops segments that were removed and are not attached any more. */
  sweep(kernel: Kernel): void {
    for (const segment of this.objects.values()) {
      if ((segment.perm.mode & SHM_DEST) === 0 || this.attachments(kernel, segment) > 0) continue;
      this.objects.delete(segment.id);
      segment.object.release();
    }
  }

  #ofObject(object: SharedObject | null): Segment | undefined {
    for (const segment of this.objects.values()) if (segment.object === object) return segment;
    return undefined;
  }
}
