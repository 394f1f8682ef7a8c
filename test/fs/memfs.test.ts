import { describe, expect, test } from 'vitest';
import { EEXIST, ENODATA, ENOSPC, EOPNOTSUPP, ERANGE } from '../../src/abi/errno.ts';
import {
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  O_LARGEFILE,
  O_RDWR,
  O_TMPFILE,
  S_IFIFO,
  SEEK_DATA,
  XATTR_CREATE,
  XATTR_REPLACE,
} from '../../src/abi/fs.ts';
import { MemFs } from '../../src/fs/memfs.ts';
import { loadMemFs, saveMemFs } from '../../src/fs/memfs-image.ts';
import { link, mkdir, mknod, symlink } from '../../src/vfs/create.ts';
import { unlink } from '../../src/vfs/remove.ts';
import { rename } from '../../src/vfs/rename.ts';
import { getxattr, listxattr, removexattr, setxattr } from '../../src/vfs/xattr.ts';
import { failed } from '../../src/wait/wait.ts';
import { memoryFs, World } from '../support/world.ts';

describe('memfs', () => {
  test('time passes by the clock of the machine', () => {
    const world = new World(memoryFs());
    const stat = (path: string) => {
      const found = world.place(path).dentry.inode!.attributes(world);
      if (failed(found)) throw new Error(String(found));
      return found;
    };
    world.put('/f', 'x');
    const born = stat('/f');
    expect(born.btime).toBe(world.realtime());
    world.clock.advance(1000);
    expect(world.text('/f')).toBe('x');
    expect(stat('/f')).toMatchObject({ atime: born.mtime + 1000n, mtime: born.mtime });
    world.clock.advance(1000);
    // relatime: read again, nothing changed meanwhile.
    world.text('/f');
    expect(stat('/f').atime).toBe(born.mtime + 1000n);
    const directory = stat('/').mtime;
    world.clock.advance(1000);
    world.put('/f', 'y');
    expect(stat('/f').mtime).toBe(born.mtime + 3000n);
    expect(stat('/').mtime).toBe(directory);
    world.put('/g', '');
    expect(stat('/').mtime).toBe(born.mtime + 3000n);
  });

  test('ends at its limit', () => {
    const world = new World(new MemFs({ device: 20, now: 0n, limit: 3 * 4096 }));
    const file = world.open('/f', O_RDWR | 0o100);
    expect(file.write(world, new Uint8Array(10_000))).toBe(10_000);
    expect(file.write(world, new Uint8Array(10_000))).toBe(-ENOSPC);
    expect(world.run(() => file.truncate(world, 0))).toBe(0);
    expect(file.writeAt(world, 0, new Uint8Array(12_288))).toBe(12_288);
    world.run(() => unlink(world, world.cwd, '/f'));
    file.drop();
    const other = world.open('/g', O_RDWR | 0o100);
    expect(other.write(world, new Uint8Array(4096))).toBe(4096);
    expect(other.inode.fs.status(world)).toMatchObject({ blocks: 3, bfree: 2 });
    other.drop();
  });

  test('fallocate', () => {
    const world = new World(memoryFs());
    const file = world.open('/f', O_RDWR | 0o100 | O_LARGEFILE);
    const { inode } = file;
    const size = () => (inode.attributes(world) as { size: number }).size;
    expect(inode.allocate(world, 0, 0, 10_000)).toBe(0);
    expect(size()).toBe(10_000);
    expect(inode.allocate(world, FALLOC_FL_KEEP_SIZE, 0, 20_000)).toBe(0);
    expect(size()).toBe(10_000);
    file.writeAt(world, 0, new Uint8Array(8192).fill(1));
    expect(inode.allocate(world, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 8000)).toBe(0);
    const bytes = new Uint8Array(8192);
    file.readAt(world, 0, bytes);
    expect([bytes[99], bytes[100], bytes[8099], bytes[8100]]).toEqual([1, 0, 0, 1]);
    expect(inode.allocate(world, FALLOC_FL_PUNCH_HOLE, 0, 1)).toBe(-EOPNOTSUPP);
    expect(file.seek(world, 0, SEEK_DATA)).toBe(0);
    file.drop();
  });

  test('extended attributes', () => {
    const world = new World(memoryFs());
    world.put('/f', '');
    const place = world.place('/f');
    const value = Uint8Array.of(1, 2, 3);
    const buffer = new Uint8Array(50);
    expect(setxattr(world, place, 'user.a', value, XATTR_REPLACE)).toBe(-ENODATA);
    expect(setxattr(world, place, 'user.a', value, XATTR_CREATE)).toBe(0);
    expect(setxattr(world, place, 'user.a', value, XATTR_CREATE)).toBe(-EEXIST);
    expect(setxattr(world, place, 'system.a', value, 0)).toBe(-EOPNOTSUPP);
    expect(getxattr(world, place, 'user.a', new Uint8Array(0))).toBe(3);
    expect(getxattr(world, place, 'user.a', new Uint8Array(2))).toBe(-ERANGE);
    expect(getxattr(world, place, 'user.a', buffer)).toBe(3);
    expect(listxattr(world, place, buffer)).toBe(7);
    expect(new TextDecoder().decode(buffer.subarray(0, 7))).toBe('user.a\0');
    expect(removexattr(world, place, 'user.a')).toBe(0);
    expect(getxattr(world, place, 'user.a', buffer)).toBe(-ENODATA);
  });

  test('directory positions survive changes', () => {
    const world = new World(memoryFs());
    for (const name of ['a', 'b', 'c', 'd']) world.put(`/${name}`, '');
    const { root } = world.namespace.root.mount.fs;
    const after = (position: number) => {
      const entries = root.entries(world, position);
      if (failed(entries)) throw new Error(String(entries));
      return entries;
    };
    const [, b] = after(0);
    world.run(() => unlink(world, world.cwd, '/a'));
    world.run(() => rename(world, world.cwd, '/c', world.cwd, '/z'));
    expect(after(b.next).map(({ name }) => name)).toEqual(['d', 'z']);
  });
});

test('an image shows the same tree, unnamed open files included', () => {
  const fs = memoryFs();
  const world = new World(fs);
  world.run(() => mkdir(world, world.cwd, '/d', 0o1777));
  world.put('/d/file', 'content'.repeat(2000), 0o640);
  const place = world.place('/d/file');
  world.run(() => link(world, place, world.cwd, '/hard'));
  world.run(() => symlink(world, 'd/file', world.cwd, '/link'));
  world.run(() => mknod(world, world.cwd, '/fifo', S_IFIFO | 0o600, 0));
  setxattr(world, place, 'user.note', Uint8Array.of(7), 0);
  const sparse = world.open('/sparse', O_RDWR | 0o100 | O_LARGEFILE);
  sparse.writeAt(world, 5_000_000, Uint8Array.of(1));
  sparse.drop();
  const unnamed = world.open('/d', O_TMPFILE | O_RDWR);
  unnamed.write(world, new TextEncoder().encode('unnamed'));
  const image = saveMemFs(fs, (page) => page.slice());
  const copy = loadMemFs(structuredClone(image), 99, (page) => page);

  expect(saveMemFs(copy, (page) => page)).toEqual(image);
  expect(copy.usedPages).toBe(fs.usedPages);
  const other = new World(copy);
  expect(other.list('/')).toEqual(world.list('/'));
  expect(other.text('/link')).toBe('content'.repeat(2000));
  expect(other.place('/hard').dentry.inode).toBe(other.place('/d/file').dentry.inode);
  const hidden = copy.inodes.get(image.inodes.find(({ nlink }) => nlink === 0)!.ino)!;
  const bytes = new Uint8Array(7);
  expect(hidden.read(other, 0, bytes)).toBe(7);
  expect(new TextDecoder().decode(bytes)).toBe('unnamed');
  other.put('/new', 'x');
  expect(other.place('/new').dentry.inode!.attributes(other)).toMatchObject({ ino: image.nextInode });
});
