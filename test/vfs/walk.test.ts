import { describe, expect, test } from 'vitest';
import { EACCES, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, EXDEV } from '../../src/abi/errno.ts';
import {
  RESOLVE_BENEATH,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
  RESOLVE_NO_XDEV,
  S_IFREG,
} from '../../src/abi/fs.ts';
import { chmod } from '../../src/vfs/attributes.ts';
import { mkdir, symlink } from '../../src/vfs/create.ts';
import { FsContext } from '../../src/vfs/fs-context.ts';
import { walk } from '../../src/vfs/walk.ts';
import { failed } from '../../src/wait/wait.ts';
import { ALL_TREES } from '../support/trees.ts';
import { memoryFs, World } from '../support/world.ts';

function grow(world: World): void {
  for (const path of ['/d', '/d/e', '/d/e/f']) expect(world.run(() => mkdir(world, world.cwd, path, 0o755))).toBe(0);
  world.put('/d/file', 'content');
  const links = {
    '/d/abs': '/d/e',
    '/d/rel': 'e/f',
    '/d/up': '../d/file',
    '/d/slash': 'e/',
    '/loop': 'loop',
    '/d/gone': 'nowhere',
  };
  for (const [path, target] of Object.entries(links)) {
    expect(world.run(() => symlink(world, target, world.cwd, path))).toBe(0);
  }
}

describe.each(ALL_TREES)('walk over %s', (_name, make) => {
  const world = new World(make());
  grow(world);
  const look = (path: string, follow = true, resolve = 0) => {
    const found = world.run(() => walk(world, world.cwd, path, { follow, resolve }));
    return failed(found) ? found : world.namespace.path(found, world.fs.root).text;
  };

  test.each([
    ['/', '/'],
    ['//d///e/', '/d/e'],
    ['/d/./e/../file', '/d/file'],
    ['/../../d', '/d'],
    ['/d/abs', '/d/e'],
    ['/d/abs/f', '/d/e/f'],
    ['/d/rel', '/d/e/f'],
    ['/d/rel/..', '/d/e'],
    ['/d/up', '/d/file'],
    ['/d/slash', '/d/e'],
    ['/d/e/.', '/d/e'],
  ])('%s is %s', (path, expected) => {
    expect(look(path)).toBe(expected);
  });

  test.each([
    ['', -ENOENT],
    ['/nowhere', -ENOENT],
    ['/nowhere/x', -ENOENT],
    ['/d/file/', -ENOTDIR],
    ['/d/file/x', -ENOTDIR],
    ['/d/file/.', -ENOTDIR],
    ['/d/file/..', -ENOTDIR],
    ['/d/up/', -ENOTDIR],
    ['/loop', -ELOOP],
    ['/loop/x', -ELOOP],
    ['/d/gone', -ENOENT],
    [`/${'n'.repeat(256)}`, -ENAMETOOLONG],
    [`/d/${'n'.repeat(256)}/x`, -ENAMETOOLONG],
    [`/${'\u00fc'.repeat(128)}`, -ENAMETOOLONG],
  ])('%s fails with %i', (path, expected) => {
    expect(look(path)).toBe(expected);
  });

  test('a last symlink is not followed where that is asked for, unless a slash follows', () => {
    expect(look('/d/abs', false)).toBe('/d/abs');
    expect(look('/loop', false)).toBe('/loop');
    expect(look('/d/abs/', false)).toBe('/d/e');
  });

  test('forty links are followed, one more is too many', () => {
    world.run(() => symlink(world, 'd', world.cwd, '/chain1'));
    for (let i = 2; i <= 41; i++) world.run(() => symlink(world, `chain${i - 1}`, world.cwd, `/chain${i}`));
    expect(look('/chain40')).toBe('/d');
    expect(look('/chain41')).toBe(-ELOOP);
    expect(look('/chain20/abs/../abs/f')).toBe('/d/e/f');
  });

  test('openat2 restrictions', () => {
    const inside = (path: string, resolve: number) => {
      const start = world.place('/d');
      const found = world.run(() => walk(world, start, path, { resolve }));
      return failed(found) ? found : world.namespace.path(found, world.fs.root).text;
    };
    expect(inside('e/../file', RESOLVE_BENEATH)).toBe('/d/file');
    expect(inside('..', RESOLVE_BENEATH)).toBe(-EXDEV);
    expect(inside('/d', RESOLVE_BENEATH)).toBe(-EXDEV);
    expect(inside('abs', RESOLVE_BENEATH)).toBe(-EXDEV);
    expect(inside('up', RESOLVE_BENEATH)).toBe(-EXDEV);
    expect(inside('rel', RESOLVE_BENEATH)).toBe('/d/e/f');
    expect(inside('../../e', RESOLVE_IN_ROOT)).toBe('/d/e');
    expect(inside('/e', RESOLVE_IN_ROOT)).toBe('/d/e');
    expect(inside('abs', RESOLVE_IN_ROOT)).toBe(-ENOENT);
    expect(inside('rel', RESOLVE_NO_SYMLINKS)).toBe(-ELOOP);
    expect(inside('rel', RESOLVE_NO_MAGICLINKS)).toBe('/d/e/f');
  });

  test('every directory on the way must be searchable', () => {
    const other = world.sibling(1000);
    const closed = world.place('/d/e');
    expect(world.run(() => chmod(world, closed, 0o700))).toBe(0);
    expect(other.run(() => walk(other, other.cwd, '/d/e/f'))).toBe(-EACCES);
    expect(other.run(() => walk(other, other.cwd, '/d/e/..'))).toBe(-EACCES);
    expect(failed(other.run(() => walk(other, other.cwd, '/d/e')))).toBe(false);
    world.run(() => chmod(world, closed, 0o755));
  });

  test('.. and absolute symlinks stay below the root after chroot', () => {
    const jailed = world.sibling();
    const jail = world.place('/d');
    Object.assign(jailed.fs, new FsContext(jail));
    const found = (path: string) => {
      const place = jailed.run(() => walk(jailed, jail, path));
      return failed(place) ? place : jailed.namespace.path(place, jail).text;
    };
    expect(found('../../../file')).toBe('/file');
    expect(found('/..')).toBe('/');
    expect(found('abs')).toBe(-ENOENT);
    expect(found('/e/f/../../..')).toBe('/');
  });
});

describe('mounts', () => {
  const world = new World(memoryFs());
  grow(world);
  const inner = memoryFs(21);
  world.namespace.mount(inner, world.place('/d/e'));
  world.put('/d/e/inside', 'x');
  world.run(() => mkdir(world, world.cwd, '/d/e/sub', 0o755));
  world.run(() => symlink(world, '../file', world.cwd, '/d/e/out'));

  test('cover what was there, in both directions', () => {
    expect(world.list('/d/e')).toEqual(['inside', 'out', 'sub']);
    expect(world.place('/d/e/sub/../..').dentry).toBe(world.place('/d').dentry);
    expect(world.place('/d/abs').mount).toBe(world.place('/d/e').mount);
    expect(world.text('/d/e/out')).toBe('content');
    expect(world.run(() => walk(world, world.cwd, '/d/e/f'))).toBe(-ENOENT);
  });

  test('stack, and come off again', () => {
    const top = memoryFs(22);
    const mount = world.namespace.mount(top, world.place('/d/e'));
    expect(world.list('/d/e')).toEqual([]);
    expect(world.place('/d/e/..').dentry).toBe(world.place('/d').dentry);
    if (failed(mount)) throw new Error(`mount: ${mount}`);
    expect(world.namespace.unmount(mount)).toBe(0);
    expect(world.list('/d/e')).toEqual(['inside', 'out', 'sub']);
  });

  test('of a file on a file', () => {
    const place = world.place('/d/file');
    expect(world.namespace.bind(world.place('/d'), place)).toBe(-ENOTDIR);
    expect(failed(world.namespace.bind(world.place('/d/e/inside'), place))).toBe(false);
    expect(world.text('/d/file')).toBe('x');
    expect(world.place('/d/file').dentry.inode!.type).toBe(S_IFREG);
  });

  test('are not crossed under RESOLVE_NO_XDEV', () => {
    const start = world.place('/d');
    const find = (path: string) => world.run(() => walk(world, start, path, { resolve: RESOLVE_NO_XDEV }));
    expect(find('e')).toBe(-EXDEV);
    expect(failed(find('abs'))).toBe(true);
    const below = world.place('/d/e');
    expect(world.run(() => walk(world, below, '..', { resolve: RESOLVE_NO_XDEV }))).toBe(-EXDEV);
  });

  test('are listed, seen from a root', () => {
    const table = world.namespace.table(world.fs.root);
    expect(table).toContain('tmpfs / tmpfs rw,relatime 0 0\n');
    expect(table).toContain('tmpfs /d/e tmpfs rw,relatime 0 0\n');
    expect(world.namespace.table(world.place('/d'))).not.toContain(' / tmpfs');
  });
});
