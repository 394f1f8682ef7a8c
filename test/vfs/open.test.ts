import { describe, expect, test } from 'vitest';
import {
  EACCES,
  EEXIST,
  EINVAL,
  EISDIR,
  ELOOP,
  ENOENT,
  ENOTDIR,
  ENXIO,
  EOPNOTSUPP,
  EOVERFLOW,
  EPERM,
  EROFS,
  ETXTBSY,
} from '../../src/abi/errno.ts';
import {
  MS_RDONLY,
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_LARGEFILE,
  O_NOATIME,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_TMPFILE,
  O_TRUNC,
  O_WRONLY,
  S_IFSOCK,
  SEEK_END,
  SEEK_SET,
} from '../../src/abi/fs.ts';
import { chmod, chown } from '../../src/vfs/attributes.ts';
import { link, mkdir, mknod, symlink } from '../../src/vfs/create.ts';
import { openPath } from '../../src/vfs/open.ts';
import { allowWrite, denyWrite } from '../../src/vfs/page-cache.ts';
import { unlink } from '../../src/vfs/remove.ts';
import { failed } from '../../src/wait/wait.ts';
import { ALL_TREES } from '../support/trees.ts';
import { memoryFs, World } from '../support/world.ts';

const root = process.getuid!() === 0;

describe.each(ALL_TREES)('open over %s', (name, make) => {
  const world = new World(make());
  world.put('/file', 'content');
  world.run(() => mkdir(world, world.cwd, '/dir', 0o755));
  world.run(() => symlink(world, 'file', world.cwd, '/link'));
  world.run(() => symlink(world, 'made', world.cwd, '/dangling'));
  const open = (path: string, flags: number, mode = 0o644) => {
    const file = world.run(() => openPath(world, world.cwd, path, flags, mode));
    if (failed(file)) return file;
    file.hold().drop();
    return 0;
  };

  test.each([
    ['', O_RDONLY, -ENOENT],
    ['/none', O_RDONLY, -ENOENT],
    ['/file', O_RDONLY | O_DIRECTORY, -ENOTDIR],
    ['/file/', O_RDONLY, -ENOTDIR],
    ['/none/', O_WRONLY | O_CREAT, -EISDIR],
    ['/dir', O_WRONLY, -EISDIR],
    ['/dir', O_RDONLY | O_CREAT, -EISDIR],
    ['/', O_RDONLY | O_CREAT, -EISDIR],
    ['/', O_RDONLY | O_CREAT | O_EXCL, -EEXIST],
    ['/dir', O_RDONLY | O_TRUNC, -EISDIR],
    ['/file', O_WRONLY | O_CREAT | O_EXCL, -EEXIST],
    ['/dangling', O_WRONLY | O_CREAT | O_EXCL, -EEXIST],
    ['/link', O_RDONLY | O_NOFOLLOW, -ELOOP],
    ['/link', O_WRONLY | O_CREAT | O_NOFOLLOW, -ELOOP],
    ['/dir', O_CREAT | O_DIRECTORY, -EINVAL],
    ['/dir', O_TMPFILE | O_RDONLY, -EINVAL],
    ['/link', O_PATH | O_NOFOLLOW, 0],
    ['/dir', O_RDONLY | O_DIRECTORY, 0],
    ['/link', O_RDWR, 0],
  ])('%s with flags %i answers %i', (path, flags, expected) => {
    expect(open(path, flags)).toBe(expected);
  });

  test('a dangling symlink is created through', () => {
    expect(open('/dangling', O_WRONLY | O_CREAT)).toBe(0);
    expect(world.list('/')).toContain('made');
  });

  test('appending goes to the end, wherever the file stands', () => {
    world.put('/log', 'one');
    const file = world.open('/log', O_RDWR | O_APPEND);
    const other = world.open('/log', O_WRONLY | O_APPEND);
    const bytes = (text: string) => new TextEncoder().encode(text);
    expect(world.run(() => other.write(world, bytes(' two')))).toBe(4);
    expect(world.run(() => file.seek(world, 0, SEEK_SET))).toBe(0);
    expect(world.run(() => file.write(world, bytes(' three')))).toBe(6);
    expect(file.position).toBe(13);
    expect(world.run(() => file.writeAt(world, 0, bytes('!')))).toBe(1);
    expect(world.text('/log')).toBe('one two three!');
    file.drop();
    other.drop();
  });

  test('truncating, holes and positions beyond the end', () => {
    world.put('/holes', 'abc');
    const file = world.open('/holes', O_RDWR | O_LARGEFILE);
    expect(world.run(() => file.seek(world, 5, SEEK_END))).toBe(8);
    expect(world.run(() => file.write(world, Uint8Array.of(0x64)))).toBe(1);
    expect(world.run(() => file.truncate(world, 10))).toBe(0);
    expect(world.text('/holes')).toBe('abc\0\0\0\0\0d\0');
    expect(world.run(() => file.truncate(world, 2))).toBe(0);
    expect(world.text('/holes')).toBe('ab');
    expect(world.run(() => file.seek(world, -1, SEEK_SET))).toBe(-EINVAL);
    expect(world.run(() => file.truncate(world, -1))).toBe(-EINVAL);
    file.drop();
  });

  test('an unlinked file lives on while it is open', () => {
    world.put('/gone', 'still here');
    const file = world.open('/gone', O_RDWR);
    expect(world.run(() => unlink(world, world.cwd, '/gone'))).toBe(0);
    expect(world.list('/')).not.toContain('gone');
    expect(world.readAll(file)).toBe('still here');
    expect(world.run(() => file.writeAt(world, 0, Uint8Array.of(0x53)))).toBe(1);
    const again = new Uint8Array(5);
    expect(world.run(() => file.readAt(world, 0, again))).toBe(5);
    expect(new TextDecoder().decode(again)).toBe('Still');
    expect(file.describe()).toBe('/gone (deleted)');
    const attributes = world.run(() => file.attributes(world));
    expect(attributes).toMatchObject({ nlink: 0, size: 10 });
    const where = file.location!;
    expect(world.run(() => chmod(world, where, 0o600))).toBe(0);
    file.drop();
  });

  test('running programs are not written, written files not run', () => {
    world.put('/program', 'x', 0o755);
    const { inode } = world.place('/program').dentry;
    expect(denyWrite(inode!)).toBe(true);
    expect(open('/program', O_WRONLY)).toBe(-ETXTBSY);
    expect(open('/program', O_RDONLY)).toBe(0);
    allowWrite(inode!);
    const writer = world.open('/program', O_RDWR);
    expect(denyWrite(inode!)).toBe(false);
    writer.drop();
    expect(denyWrite(inode!)).toBe(true);
    allowWrite(inode!);
  });

  test('files beyond 2 GiB need O_LARGEFILE', () => {
    world.put('/large', '');
    const file = world.open('/large', O_RDWR | O_LARGEFILE);
    expect(world.run(() => file.truncate(world, 0x80000000))).toBe(0);
    expect(open('/large', O_RDONLY)).toBe(-EOVERFLOW);
    expect(open('/large', O_RDONLY | O_LARGEFILE)).toBe(0);
    expect(world.run(() => file.truncate(world, 0))).toBe(0);
    file.drop();
  });

  test('a socket or FIFO without a machine behind it is no device', () => {
    if (name.includes('host')) return expect(open('/file', O_RDONLY)).toBe(0);
    expect(world.run(() => mknod(world, world.cwd, '/socket', S_IFSOCK | 0o644, 0))).toBe(0);
    expect(open('/socket', O_RDONLY)).toBe(-ENXIO);
  });

  test('O_TMPFILE has no name until it is linked', () => {
    const file = world.run(() => openPath(world, world.cwd, '/dir', O_TMPFILE | O_RDWR, 0o600));
    if (name.startsWith('host directory')) return expect(file).toBe(-EOPNOTSUPP);
    if (failed(file)) throw new Error(String(file));
    file.hold();
    expect(world.run(() => file.write(world, new TextEncoder().encode('hidden')))).toBe(6);
    expect(world.list('/dir')).toEqual([]);
    expect(world.run(() => link(world, file.location!, world.cwd, '/dir/shown'))).toBe(0);
    expect(world.text('/dir/shown')).toBe('hidden');
    expect(world.run(() => file.attributes(world))).toMatchObject({ nlink: 1 });
    file.drop();
    expect(world.text('/dir/shown')).toBe('hidden');
    world.run(() => unlink(world, world.cwd, '/dir/shown'));
  });
});

/** Only root can act as several users on the host. */
const MULTI_USER = ALL_TREES.filter(([name]) => root || !name.includes('host'));

describe.each(MULTI_USER)('permissions over %s', (_name, make) => {
  test('are those of the caller', () => {
    const world = new World(make());
    world.put('/mine', 'x', 0o640);
    world.put('/program', 'x', 0o4755);
    world.run(() => mkdir(world, world.cwd, '/drop', 0o1777));
    const user = world.sibling(1000);
    const other = world.sibling(1001);
    const open = (who: World, path: string, flags: number) => {
      const file = who.run(() => openPath(who, who.cwd, path, flags, 0o666));
      if (failed(file)) return file;
      file.hold().drop();
      return 0;
    };
    expect(open(user, '/mine', O_RDONLY)).toBe(-EACCES);
    expect(open(user, '/new', O_WRONLY | O_CREAT)).toBe(-EACCES);
    expect(open(user, '/drop/a', O_WRONLY | O_CREAT)).toBe(0);
    expect(other.run(() => unlink(other, other.cwd, '/drop/a'))).toBe(-EPERM);
    expect(open(other, '/drop/a', O_RDONLY | O_NOATIME)).toBe(-EPERM);
    expect(open(user, '/drop/a', O_RDONLY | O_NOATIME)).toBe(0);
    const a = world.place('/drop/a');
    expect(user.run(() => chown(user, a, 1001, -1))).toBe(-EPERM);
    expect(user.run(() => chmod(user, a, 0o600))).toBe(0);
    expect(other.run(() => chmod(other, a, 0o666))).toBe(-EPERM);
    expect(user.run(() => unlink(user, user.cwd, '/drop/a'))).toBe(0);
    const mine = world.place('/mine');
    world.run(() => chmod(world, mine, 0o644));
    expect(open(user, '/mine', O_RDONLY)).toBe(0);
  });
});

describe('what writing takes away', () => {
  test('set-id bits, unless the writer may keep them', () => {
    const world = new World(memoryFs());
    world.put('/program', 'x', 0o6777);
    const user = world.sibling(1000);
    const file = user.open('/program', O_WRONLY);
    expect(world.mode('/program') & 0o7777).toBe(0o6777);
    expect(user.run(() => file.write(user, Uint8Array.of(1)))).toBe(1);
    expect(world.mode('/program') & 0o7777).toBe(0o777);
    const place = world.place('/program');
    world.run(() => chmod(world, place, 0o4755));
    expect(world.run(() => chown(world, place, 5, -1))).toBe(0);
    expect(world.mode('/program') & 0o7777).toBe(0o755);
  });

  test('nothing is written on read-only mounts', () => {
    const world = new World(memoryFs());
    world.put('/f', 'x');
    const [mount] = world.namespace.mounts;
    mount.flags |= MS_RDONLY;
    const answer = (flags: number, path = '/f') => world.run(() => openPath(world, world.cwd, path, flags, 0o644));
    expect(answer(O_WRONLY)).toBe(-EROFS);
    expect(answer(O_WRONLY | O_CREAT, '/new')).toBe(-EROFS);
    expect(answer(O_RDONLY | O_TRUNC)).toBe(-EROFS);
    expect(world.run(() => mkdir(world, world.cwd, '/d', 0o755))).toBe(-EROFS);
    expect(world.run(() => mkdir(world, world.cwd, '/f', 0o755))).toBe(-EEXIST);
    expect(world.run(() => unlink(world, world.cwd, '/f'))).toBe(-EROFS);
    const place = world.place('/f');
    expect(world.run(() => chmod(world, place, 0o600))).toBe(-EROFS);
    expect(failed(answer(O_RDONLY))).toBe(false);
  });
});
