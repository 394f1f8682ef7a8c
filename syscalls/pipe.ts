/** Pipes, and moving bytes between files without a buffer of the program's: pipe, splice, tee, vmsplice. */
import { EBADF, EFAULT, EINVAL, ESPIPE } from '../src/abi/errno.ts';
import { O_CLOEXEC, O_DIRECT, O_NONBLOCK } from '../src/abi/fs.ts';
import { array, i32, n64 } from '../src/abi/struct.ts';
import { gather, scatter } from '../src/fs/iov.ts';
import { PipeFile, pipePair } from '../src/fs/pipe.ts';
import { type Side, splice as spliceFiles, tee as teeFiles } from '../src/fs/splice.ts';
import { installPair } from '../src/kernel/descriptors.ts';
import type { Task } from '../src/kernel/task.ts';
import {
  file,
  flags,
  iovecIn,
  type Out,
  outStruct,
  pointer,
  readValue,
  size,
  syscall,
  uint,
  writeValue,
} from '../src/syscall/index.ts';

const family = { class: 'desc' } as const;
const descriptors = outStruct('pipefd', 'int', array(i32, 2));

function makePipe(task: Task, out: Out<number[]>, flags: number): number {
  if ((flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT)) !== 0) return -EINVAL;
  const { fsuid, fsgid } = task.credentials;
  const ends = pipePair(task.kernel.anonymous.pipes, fsuid, fsgid, task.realtime(), flags);
  return installPair(task, ends, (flags & O_CLOEXEC) !== 0, (fds) => out.write(fds));
}

export const pipe = syscall(42, 'pipe', [descriptors], (task, out) => makePipe(task, out, 0), family);
export const pipe2 = syscall(
  331,
  'pipe2',
  [descriptors, flags('flags', { O_CLOEXEC, O_NONBLOCK, O_DIRECT })],
  makePipe,
  family,
);

const SPLICE = { SPLICE_F_MOVE: 1, SPLICE_F_NONBLOCK: 2, SPLICE_F_MORE: 4, SPLICE_F_GIFT: 8 } as const;
const ALL_SPLICE = 15;
const spliceFlags = flags('flags', SPLICE);

/** A side of splice(2); pipes have no positions. */
function side(task: Task, file: Side['file'], address: number): Side | number {
  if (address === 0) return { file, offset: null };
  if (file instanceof PipeFile) return -ESPIPE;
  const offset = readValue(task.mm, address, n64);
  if (offset === undefined) return -EFAULT;
  return offset < 0 ? -EINVAL : { file, offset };
}

export const splice = syscall(
  313,
  'splice',
  [file('fd_in'), pointer('off_in'), file('fd_out'), pointer('off_out'), size('len'), spliceFlags],
  (task, source, sourceOffset, target, targetOffset, length, flags) => {
    if (length === 0) return 0;
    if ((flags & ~ALL_SPLICE) !== 0) return -EINVAL;
    const from = side(task, source, sourceOffset);
    if (typeof from === 'number') return from;
    const to = side(task, target, targetOffset);
    if (typeof to === 'number') return to;
    const moved = spliceFiles(task, from, to, length, (flags & SPLICE.SPLICE_F_NONBLOCK) !== 0);
    if (moved < 0) return moved;
    for (const [{ offset }, address] of [[from, sourceOffset] as const, [to, targetOffset] as const]) {
      if (offset !== null && writeValue(task.mm, address, n64, offset) < 0) return -EFAULT;
    }
    return moved;
  },
  family,
);

export const tee = syscall(
  315,
  'tee',
  [file('fd_in'), file('fd_out'), size('len'), spliceFlags],
  (task, source, target, length, flags) => {
    if ((flags & ~ALL_SPLICE) !== 0) return -EINVAL;
    if (length === 0) return 0;
    return teeFiles(task, source, target, length, (flags & SPLICE.SPLICE_F_NONBLOCK) !== 0);
  },
  family,
);

/** Towards a pipe it is writev(2), from a pipe readv(2): pages are copied, never given away. */
export const vmsplice = syscall(
  316,
  'vmsplice',
  [file('fd'), iovecIn('iov', 2), uint('nr_segs'), spliceFlags],
  (task, pipe, views, _count, flags) => {
    if ((flags & ~ALL_SPLICE) !== 0) return -EINVAL;
    const bytes = gather(views);
    if (bytes.length === 0) return 0;
    if (!(pipe instanceof PipeFile)) return -EBADF;
    if (pipe.writable) return pipe.write(task, bytes);
    const writable = views.map((view) => task.mm.view(view.byteOffset, view.length, true));
    if (writable.some((view) => typeof view === 'number')) return -EFAULT;
    const into = new Uint8Array(bytes.length);
    const count = pipe.read(task, into);
    if (count > 0) scatter(into.subarray(0, count), views);
    return count;
  },
  family,
);
