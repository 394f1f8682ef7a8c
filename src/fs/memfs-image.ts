/** memfs as plain data, for checkpoints: all inodes, those without a name that are still open included. */
import { S_IFDIR } from '../abi/fs.ts';
import { MemInode } from './mem-inode.ts';
import type { MemNode } from './mem-node.ts';
import { MemFs } from './memfs.ts';

export interface MemInodeImage<Page> {
  ino: number;
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  rdev: number;
  atime: bigint;
  mtime: bigint;
  ctime: bigint;
  btime: bigint;
  size: number;
  /** 4096 bytes each, by offset; what lies between is a hole. */
  pages: [offset: number, page: Page][];
  /** Of a symlink. */
  target?: string;
  xattrs?: [name: string, value: Uint8Array][];
  /** Of a directory, in its order. */
  entries?: [name: string, ino: number][];
}

export interface MemFsImage<Page> {
  type: string;
  limit: number;
  nextInode: number;
  root: number;
  inodes: MemInodeImage<Page>[];
}

/** @param keep what stands for a page in the image: its bytes, or what a store of pages makes of them. */
export function saveMemFs<Page>(fs: MemFs, keep: (page: Uint8Array) => Page): MemFsImage<Page> {
  const inodes = [...fs.inodes.values()].map((inode) => saveInode(inode, keep));
  return { type: fs.type, limit: fs.limit, nextInode: fs.nextInode, root: fs.root.node.ino, inodes };
}

function saveInode<Page>({ node, names }: MemInode, keep: (page: Uint8Array) => Page): MemInodeImage<Page> {
  const image: MemInodeImage<Page> = {
    ino: node.ino,
    mode: node.mode,
    nlink: node.nlink,
    uid: node.uid,
    gid: node.gid,
    rdev: node.rdev,
    atime: node.accessed,
    mtime: node.modified,
    ctime: node.changed,
    btime: node.born,
    size: node.content.size,
    pages: [...node.content.contents()].map(({ offset, bytes }) => [offset, keep(wholePage(bytes))]),
  };
  if (node.symlink !== undefined) image.target = node.symlink;
  if (node.xattrs !== null) image.xattrs = [...node.xattrs];
  if (names !== null) image.entries = names.entries().map(({ name, ino }) => [name, ino]);
  return image;
}

/** Small files hold less than a page. */
function wholePage(bytes: Uint8Array): Uint8Array {
  if (bytes.length === PAGE) return bytes;
  const page = new Uint8Array(PAGE);
  page.set(bytes);
  return page;
}

const PAGE = 4096;

/** The file system that an image shows, under another device number. */
export function loadMemFs<Page>(image: MemFsImage<Page>, device: number, fetch: (page: Page) => Uint8Array): MemFs {
  const byNumber = new Map(image.inodes.map((inode) => [inode.ino, inode]));
  const { mode, uid, gid, btime } = byNumber.get(image.root)!;
  const { type, limit } = image;
  const fs = new MemFs({ device, type, limit, firstInode: image.root, now: btime, mode: mode & 0o7777, uid, gid });
  for (const inode of image.inodes) {
    if (inode.ino === image.root) continue;
    fs.nextInode = inode.ino;
    fs.register(new MemInode(fs, fs.makeNode(inode, inode.btime)));
  }
  fs.nextInode = image.nextInode;
  loadEntries(fs, fs.root, byNumber);
  for (const inode of image.inodes) loadFacts(fs, fs.inodes.get(inode.ino)!.node, inode, fetch);
  return fs;
}

/** From the root down: a directory's link must be there before those below it. */
function loadEntries<Page>(fs: MemFs, directory: MemInode, byNumber: ReadonlyMap<number, MemInodeImage<Page>>): void {
  for (const [name, ino] of byNumber.get(directory.node.ino)!.entries ?? []) {
    const child = fs.inodes.get(ino)!;
    const link = directory.names!.add(name, child.node);
    if (child.type !== S_IFDIR) continue;
    child.names = link;
    loadEntries(fs, child, byNumber);
  }
}

function loadFacts<Page>(
  fs: MemFs,
  node: MemNode,
  image: MemInodeImage<Page>,
  fetch: (page: Page) => Uint8Array,
): void {
  for (const [offset, page] of image.pages) node.content.write(offset, fetch(page));
  node.content.truncate(image.size);
  fs.usedPages += node.content.pages;
  if (image.target !== undefined) node.symlink = image.target;
  if (image.xattrs !== undefined) node.xattrs = new Map(image.xattrs);
  node.nlink = image.nlink;
  node.accessed = image.atime;
  node.modified = image.mtime;
  node.changed = image.ctime;
}
