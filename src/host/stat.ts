/** Attributes and directory contents by the C library, where it has statx and getdents64: a quarter of node:fs's time. */
import type { BigIntStats } from 'node:fs';
import { makeDevice } from '../abi/fs.ts';
import { decodePath } from '../abi/path.ts';
import type { Libc } from './libc.ts';

const STATX_BASIC_STATS_AND_BTIME = 0xfff;
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_EMPTY_PATH = 0x1000;
const BILLION = 1_000_000_000n;

export interface HostStat {
  dev: number;
  ino: number;
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  rdev: number;
  size: number;
  blksize: number;
  blocks: number;
  atime: bigint;
  mtime: bigint;
  ctime: bigint;
  btime: bigint;
}

export interface HostEntry {
  name: string;
  ino: number;
  /** S_IFMT bits; 0: not known. */
  type: number;
}

const buffer = new Uint8Array(256);
const view = new DataView(buffer.buffer);

/** struct statx is the same on every architecture. */
export function statAt(c: Libc, directory: number, name: string | Uint8Array): HostStat | number {
  const flags = name === '' ? AT_EMPTY_PATH : AT_SYMLINK_NOFOLLOW;
  const answer = c.statx(directory, name, flags, STATX_BASIC_STATS_AND_BTIME, buffer);
  if (answer < 0) return answer;
  return {
    dev: makeDevice(view.getUint32(136, true), view.getUint32(140, true)),
    ino: long(32),
    mode: view.getUint16(28, true),
    nlink: view.getUint32(16, true),
    uid: view.getUint32(20, true),
    gid: view.getUint32(24, true),
    rdev: makeDevice(view.getUint32(128, true), view.getUint32(132, true)),
    size: long(40),
    blksize: view.getUint32(4, true),
    blocks: long(48),
    atime: time(64),
    btime: time(80),
    ctime: time(96),
    mtime: time(112),
  };
}

function long(at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
}

function time(at: number): bigint {
  return view.getBigInt64(at, true) * BILLION + BigInt(view.getUint32(at + 8, true));
}

/** The same from node:fs. */
export function fromNode(from: BigIntStats): HostStat {
  return {
    dev: Number(from.dev),
    ino: Number(from.ino),
    mode: Number(from.mode),
    nlink: Number(from.nlink),
    uid: Number(from.uid),
    gid: Number(from.gid),
    rdev: Number(from.rdev),
    size: Number(from.size),
    blksize: Number(from.blksize),
    blocks: Number(from.blocks),
    atime: from.atimeNs,
    mtime: from.mtimeNs,
    ctime: from.ctimeNs,
    btime: from.birthtimeNs,
  };
}

const entries = new Uint8Array(1 << 16);
const entryView = new DataView(entries.buffer);

/** Everything in an open directory but the dots. */
export function listOpen(c: Libc, fd: number): HostEntry[] | number {
  const found: HostEntry[] = [];
  for (;;) {
    const length = c.getdents64(fd, entries, entries.length);
    if (length <= 0) return length < 0 ? length : found;
    for (let at = 0; at < length; at += entryView.getUint16(at + 16, true)) {
      const end = entries.indexOf(0, at + 19);
      const name = decodePath(entries.subarray(at + 19, end));
      if (name === '.' || name === '..') continue;
      const ino = entryView.getUint32(at, true) + entryView.getUint32(at + 4, true) * 2 ** 32;
      found.push({ name, ino, type: entryView.getUint8(at + 18) << 12 });
    }
  }
}
