/** Reading and fsync on a thread of libuv's pool, for servers: one slow disk must not keep all clients waiting. */
import fs from 'node:fs';
import { EAGAIN, EOPNOTSUPP } from '../abi/errno.ts';
import { errnoOf } from './files.ts';
import { type Libc, libc } from './libc.ts';

const RWF_NOWAIT = 8;

/** struct iovec: one, used again for each call. */
const vector = new BigUint64Array(2);
let reader: Libc | null | undefined;

/** The C library, where it has preadv2: asking costs more than reading. */
function withFlags(): Libc | null {
  if (reader === undefined) reader = libc()?.has('preadv2') ? libc() : null;
  return reader;
}

/** What is in memory, at once; -EAGAIN: the disk has to be asked. Where that cannot be told, the disk is asked. */
export function readNow(fd: number, position: number, into: Uint8Array): number {
  const c = withFlags();
  if (c === null) return -EAGAIN;
  vector[0] = BigInt(c.address(into));
  vector[1] = BigInt(into.length);
  const count = c.preadv2(fd, vector, 1, position, RWF_NOWAIT);
  // Some file systems cannot tell. Of a part the rest is on the disk: all of it is read again.
  return count === -EOPNOTSUPP || (count > 0 && count < into.length && !isEnd(fd, position + count)) ? -EAGAIN : count;
}

function isEnd(fd: number, position: number): boolean {
  return fs.fstatSync(fd).size <= position;
}

export function readLater(fd: number, position: number, into: Uint8Array, done: (count: number) => void): void {
  fs.read(fd, into, 0, into.length, position, (error, count) => done(error === null ? count : errnoOf(error)));
}

export function syncLater(fd: number, dataOnly: boolean, done: (answer: number) => void): void {
  const sync = dataOnly ? fs.fdatasync : fs.fsync;
  sync(fd, (error) => done(error === null ? 0 : errnoOf(error)));
}
