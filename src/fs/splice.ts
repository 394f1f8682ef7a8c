/** splice(2) and tee(2): bytes from a pipe, to a pipe, or both, without a buffer of the program's. */
import { EAGAIN, EBADF, EINVAL, EPIPE } from '../abi/errno.ts';
import { O_APPEND, O_NONBLOCK } from '../abi/fs.ts';
import { SIGPIPE } from '../abi/signal.ts';
import type { OpenFile } from '../vfs/open-file.ts';
import { failed, type Sleeper } from '../wait/wait.ts';
import { callerOf } from './caller.ts';
import { type Pipe, PipeFile } from './pipe.ts';

/** One side of a splice: a file, and the position that the caller gave instead of the file's own. */
export interface Side {
  file: OpenFile;
  /** null: the file's own position. The new one after the call. */
  offset: number | null;
}

const CHUNK = 65536;

export function splice(s: Sleeper, from: Side, to: Side, length: number, nonBlocking: boolean): number {
  if (!from.file.readable || !to.file.writable) return -EBADF;
  const [source, target] = [pipeOf(from.file), pipeOf(to.file)];
  if ((source === null && target === null) || source === target) return -EINVAL;
  const wait = (file: OpenFile) => !nonBlocking && (file.flags & O_NONBLOCK) === 0;
  if (source === null) return fillPipe(s, from, target!, length, wait(to.file));
  const ready = waitForContent(s, source, wait(from.file));
  if (ready <= 0) return ready;
  const bytes = new Uint8Array(Math.min(length, source.length, CHUNK));
  source.take(bytes, true);
  const moved = target === null ? writeSide(s, to, bytes) : putAll(s, target, bytes, wait(to.file));
  if (moved > 0) source.take(new Uint8Array(moved));
  return moved;
}

/** tee: the bytes stay in the first pipe. */
export function tee(s: Sleeper, from: OpenFile, to: OpenFile, length: number, nonBlocking: boolean): number {
  if (!from.readable || !to.writable) return -EBADF;
  const [source, target] = [pipeOf(from), pipeOf(to)];
  if (source === null || target === null || source === target) return -EINVAL;
  const ready = waitForContent(s, source, !nonBlocking && (from.flags & O_NONBLOCK) === 0);
  if (ready <= 0) return ready;
  const bytes = new Uint8Array(Math.min(length, source.length));
  source.take(bytes, true);
  return putAll(s, target, bytes, !nonBlocking && (to.flags & O_NONBLOCK) === 0);
}

function pipeOf(file: OpenFile): Pipe | null {
  return file instanceof PipeFile ? file.pipe : null;
}

/** 1: there is something; 0: the end. */
function waitForContent(s: Sleeper, pipe: Pipe, wait: boolean): number {
  if (!pipe.empty) return 1;
  if (pipe.state.writers === 0) return 0;
  return wait ? s.block(pipe.forReaders) : -EAGAIN;
}

function waitForRoom(s: Sleeper, pipe: Pipe, wait: boolean): number {
  if (pipe.state.readers === 0) {
    callerOf(s).raise(SIGPIPE);
    return -EPIPE;
  }
  if (!pipe.full) return 1;
  return wait ? s.block(pipe.forWriters) : -EAGAIN;
}

function putAll(s: Sleeper, pipe: Pipe, bytes: Uint8Array, wait: boolean): number {
  const room = waitForRoom(s, pipe, wait);
  return room < 0 ? room : pipe.put(bytes, false, true);
}

function fillPipe(s: Sleeper, from: Side, pipe: Pipe, length: number, wait: boolean): number {
  const room = waitForRoom(s, pipe, wait);
  if (room < 0) return room;
  const free = (pipe.state.capacity - pipe.state.slots.length) * 4096;
  const bytes = new Uint8Array(Math.min(length, free));
  const count = from.offset === null ? from.file.read(s, bytes) : from.file.readAt(s, from.offset, bytes);
  if (failed(count)) return count;
  pipe.put(bytes.subarray(0, count), false, true);
  if (from.offset !== null) from.offset += count;
  return count;
}

function writeSide(s: Sleeper, to: Side, bytes: Uint8Array): number {
  if ((to.file.flags & O_APPEND) !== 0) return -EINVAL;
  const count = to.offset === null ? to.file.write(s, bytes) : to.file.writeAt(s, to.offset, bytes);
  if (to.offset !== null && count > 0) to.offset += count;
  return count;
}
