import { describe, expect, test } from 'vitest';
import { ENODATA, EPERM } from '../../src/abi/errno.ts';
import { O_RDONLY, O_RDWR, S_IFCHR, S_IFREG } from '../../src/abi/fs.ts';
import { OverlayFs } from '../../src/fs/overlay.ts';
import { chmod, setTimes } from '../../src/vfs/attributes.ts';
import { link, mkdir, mknod, symlink } from '../../src/vfs/create.ts';
import type { Attributes, FileSystem } from '../../src/vfs/inode.ts';
import { rmdir, unlink } from '../../src/vfs/remove.ts';
import { rename } from '../../src/vfs/rename.ts';
import { getxattr, listxattr, setxattr } from '../../src/vfs/xattr.ts';
import { failed } from '../../src/wait/wait.ts';
import { hostFs, overlayFs } from '../support/trees.ts';
import { memoryFs, World } from '../support/world.ts';
import { BlockingFs } from './blocking.ts';

const FIRST = 2 ** 31;
type Layer = () => FileSystem;
const LAYERS: readonly [string, Layer, Layer][] = [
  ['memory over memory', () => memoryFs(41, FIRST), () => memoryFs(42)],
  ['memory over host', () => memoryFs(41, FIRST), () => hostFs()],
  ['memory over an overlay', () => memoryFs(41, FIRST), () => overlayFs(memoryFs(43, FIRST / 2), memoryFs(42))],
  ['blocking over blocking', () => new BlockingFs(memoryFs(41, FIRST)), () => new BlockingFs(memoryFs(42))],
];

function stat(world: World, path: string): Attributes {
  const inode = world.place(path, false).dentry.inode!;
  const found = world.run(() => inode.attributes(world));
  if (failed(found)) throw new Error(`${path}: ${found}`);
  return found;
}

function fill(world: World): void {
  for (const path of ['/d', '/d/e', '/empty']) world.run(() => mkdir(world, world.cwd, path, 0o755));
  world.put('/d/file', 'lower', 0o640);
  world.put('/d/e/deep', 'deep');
  world.put('/top', 'top');
  world.run(() => symlink(world, 'd/file', world.cwd, '/link'));
}

describe.each(LAYERS)('overlay, %s', (_name, makeUpper, makeLower) => {
  const prepare = () => {
    const lower = makeLower();
    fill(new World(lower));
    const upper = makeUpper();
    const overlay = overlayFs(upper, lower);
    return { lower, upper, overlay, world: new World(overlay) };
  };
  const changes = (world: World, overlay: OverlayFs) => {
    const found = world.run(() => overlay.changes(world));
    if (failed(found)) throw new Error(String(found));
    return found.map(({ path, kind }) => `${kind} ${path}`);
  };

  test('shows the lower layer, and counts no changes', () => {
    const { world, overlay } = prepare();
    expect(world.list('/')).toEqual(['d', 'empty', 'link', 'top']);
    expect(world.text('/link')).toBe('lower');
    expect(changes(world, overlay)).toEqual([]);
  });

  test('writes go to the upper layer only, and are counted', () => {
    const { world, overlay, lower } = prepare();
    world.put('/d/file', 'changed');
    world.put('/d/e/new', 'n');
    world.run(() => unlink(world, world.cwd, '/top'));
    world.run(() => mkdir(world, world.cwd, '/d/made', 0o755));
    expect(world.run(() => rmdir(world, world.cwd, '/empty'))).toBe(0);
    expect(world.text('/link')).toBe('changed');
    expect(world.list('/')).toEqual(['d', 'link']);
    expect(changes(world, overlay)).toEqual([
      'added d/e/new',
      'changed d/file',
      'added d/made',
      'deleted empty',
      'deleted top',
    ]);
    const below = new World(lower);
    expect(below.text('/d/file')).toBe('lower');
    expect(below.list('/')).toEqual(['d', 'empty', 'link', 'top']);
  });

  test('what replaces a deleted name does not show what was there', () => {
    const { world } = prepare();
    world.run(() => unlink(world, world.cwd, '/d/e/deep'));
    world.run(() => rmdir(world, world.cwd, '/d/e'));
    expect(world.run(() => mkdir(world, world.cwd, '/d/e', 0o755))).toBe(0);
    expect(world.list('/d/e')).toEqual([]);
    world.run(() => unlink(world, world.cwd, '/top'));
    world.put('/top', 'again');
    expect(world.text('/top')).toBe('again');
  });

  test('directories move with what is in them', () => {
    const { world } = prepare();
    expect(world.run(() => rename(world, world.cwd, '/d', world.cwd, '/empty'))).toBe(0);
    expect(world.list('/')).toEqual(['empty', 'link', 'top']);
    expect(world.text('/empty/e/deep')).toBe('deep');
    world.put('/empty/e/more', 'm');
    expect(world.run(() => rename(world, world.cwd, '/empty/e', world.cwd, '/f'))).toBe(0);
    expect(world.list('/f')).toEqual(['deep', 'more']);
    expect(world.list('/empty')).toEqual(['file']);
  });

  test('an upper layer outlives its overlay', () => {
    const { world, upper, lower } = prepare();
    const number = stat(world, '/d/file').ino;
    world.put('/d/file', 'changed');
    world.run(() => rename(world, world.cwd, '/d', world.cwd, '/moved'));
    world.run(() => unlink(world, world.cwd, '/top'));
    world.run(() => rmdir(world, world.cwd, '/empty'));
    world.run(() => mkdir(world, world.cwd, '/empty', 0o700));
    const again = new World(new OverlayFs({ device: 50, upper, lower }));
    expect(again.list('/')).toEqual(['empty', 'link', 'moved']);
    expect(again.list('/empty')).toEqual([]);
    expect(again.text('/moved/file')).toBe('changed');
    expect(again.text('/moved/e/deep')).toBe('deep');
    expect(stat(again, '/moved/file').ino).toBe(number);
  });

  test('a copy keeps what the file was', () => {
    const { world } = prepare();
    const before = stat(world, '/d/file');
    const link = stat(world, '/link');
    const place = world.place('/d/file');
    expect(world.run(() => setTimes(world, place, 'omit', 1_000_000_005n))).toBe(0);
    const after = stat(world, '/d/file');
    expect(after).toMatchObject({ ino: before.ino, mode: S_IFREG | 0o640, size: 5, uid: before.uid, nlink: 1 });
    expect(after.mtime).toBe(1_000_000_005n);
    expect(after.atime).toBe(before.atime);
    const symlinkPlace = world.place('/link', false);
    expect(world.run(() => setTimes(world, symlinkPlace, 'omit', 7n))).toBe(0);
    expect(stat(world, '/link')).toMatchObject({ ino: link.ino, mode: link.mode, size: link.size, mtime: 7n });
  });

  test('who has a file open sees the copy', () => {
    const { world } = prepare();
    const reader = world.open('/d/file', O_RDONLY);
    const writer = world.open('/d/file', O_RDWR);
    expect(world.run(() => writer.write(world, new TextEncoder().encode('UPPER')))).toBe(5);
    expect(world.readAll(reader)).toBe('UPPER');
    writer.drop();
    reader.drop();
  });

  test('an open file that is deleted and then written', () => {
    const { world } = prepare();
    const file = world.open('/top', O_RDONLY);
    world.run(() => unlink(world, world.cwd, '/top'));
    const where = file.location!;
    expect(world.run(() => chmod(world, where, 0o600))).toBe(0);
    expect(world.readAll(file)).toBe('top');
    expect(world.list('/')).toEqual(['d', 'empty', 'link']);
    file.drop();
  });

  test('hard links made below stay one file', () => {
    const lower = makeLower();
    const below = new World(lower);
    below.put('/a', 'one');
    const a = below.place('/a');
    below.run(() => link(below, a, below.cwd, '/b'));
    const world = new World(overlayFs(makeUpper(), lower));
    expect(stat(world, '/a').nlink).toBe(2);
    world.put('/b', 'two');
    expect(world.text('/a')).toBe('two');
    expect(stat(world, '/a')).toMatchObject({ nlink: 2, ino: stat(world, '/b').ino });
    world.run(() => unlink(world, world.cwd, '/b'));
    expect(stat(world, '/a').nlink).toBe(1);
    expect(world.text('/a')).toBe('two');
  });

  test('large files are copied whole, or only as far as they are kept', () => {
    const lower = makeLower();
    const content = new Uint8Array(1_000_000).map((_, i) => i * 7);
    new World(lower).put('/big', content);
    const world = new World(overlayFs(makeUpper(), lower));
    const file = world.open('/big', O_RDWR);
    expect(world.run(() => file.writeAt(world, 999_999, Uint8Array.of(1)))).toBe(1);
    const got = new Uint8Array(1_000_000);
    for (let done = 0; done < got.length; ) {
      const count = world.run(() => file.readAt(world, done, got.subarray(done)));
      expect(count).toBeGreaterThan(0);
      done += count;
    }
    content[999_999] = 1;
    expect(Buffer.compare(got, content)).toBe(0);
    file.drop();
  });

  test("the layers' own marks are hidden", () => {
    const { world } = prepare();
    world.run(() => rename(world, world.cwd, '/d', world.cwd, '/moved'));
    const place = world.place('/moved');
    const names = new Uint8Array(100);
    expect(world.run(() => listxattr(world, place, names))).toBe(0);
    const get = () => getxattr(world, place, 'trusted.overlay.redirect', names);
    expect(world.run(get)).toBe(-ENODATA);
    expect(world.run(() => setxattr(world, place, 'trusted.overlay.opaque', names, 0))).toBe(-EPERM);
    expect(world.run(() => mknod(world, world.cwd, '/fake', S_IFCHR | 0o600, 0))).toBe(-EPERM);
  });
});

test('extended attributes come along', () => {
  const lower = memoryFs(42);
  const below = new World(lower);
  below.put('/f', 'x');
  const place = below.place('/f');
  expect(setxattr(below, place, 'user.note', Uint8Array.of(1, 2), 0)).toBe(0);
  const world = new World(overlayFs(memoryFs(41, FIRST), lower));
  world.put('/f', 'y');
  const value = new Uint8Array(10);
  expect(getxattr(world, world.place('/f'), 'user.note', value)).toBe(2);
  expect([...value.subarray(0, 2)]).toEqual([1, 2]);
});
