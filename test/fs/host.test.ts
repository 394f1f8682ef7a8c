/** Host directories: nothing leads out of them, whatever others do to them meanwhile. */
import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ENODATA, ENOENT, EOPNOTSUPP, EPERM, EROFS, ESTALE } from '../../src/abi/errno.ts';
import { O_CREAT, O_RDONLY, O_RDWR, O_WRONLY, RENAME_EXCHANGE, RENAME_NOREPLACE, S_IFCHR } from '../../src/abi/fs.ts';
import { decodePath } from '../../src/abi/path.ts';
import { HostFs } from '../../src/fs/host.ts';
import { HostFiles, hostIds } from '../../src/host/files.ts';
import { chmod, setTimes } from '../../src/vfs/attributes.ts';
import { mkdir, mknod, symlink } from '../../src/vfs/create.ts';
import { openPath } from '../../src/vfs/open.ts';
import { rename } from '../../src/vfs/rename.ts';
import { walk } from '../../src/vfs/walk.ts';
import { getxattr, listxattr, removexattr, setxattr } from '../../src/vfs/xattr.ts';
import { failed } from '../../src/wait/wait.ts';
import { hostDirectory, hostFs } from '../support/trees.ts';
import { memoryFs, World } from '../support/world.ts';

/** A directory with something next to it that must stay out of reach. */
function jail() {
  const outside = hostDirectory();
  fs.writeFileSync(`${outside}/secret`, 'secret');
  const inside = `${outside}/inside`;
  fs.mkdirSync(inside);
  fs.mkdirSync(`${inside}/d`);
  fs.writeFileSync(`${inside}/d/file`, 'inside');
  const fileSystem = hostFs(inside);
  const world = new World(memoryFs());
  world.run(() => mkdir(world, world.cwd, '/mnt', 0o755));
  world.namespace.mount(fileSystem, world.place('/mnt'));
  const open = (path: string, flags: number = O_RDONLY) => {
    const file = world.run(() => openPath(world, world.cwd, path, flags, 0o644));
    if (failed(file)) return file;
    file.hold();
    const text = (flags & 3) === O_RDONLY ? world.readAll(file) : '';
    file.drop();
    return text;
  };
  return { outside, inside, world, open };
}

describe('confinement', () => {
  test('absolute symlinks mean the guest, relative ones cannot climb out', () => {
    const { outside, inside, world, open } = jail();
    fs.symlinkSync(`${outside}/secret`, `${inside}/absolute`);
    fs.symlinkSync('../secret', `${inside}/relative`);
    fs.symlinkSync('d/../../secret', `${inside}/d-relative`);
    fs.symlinkSync(outside, `${inside}/up`);
    fs.symlinkSync('/proc/self/root', `${inside}/magic`);
    for (const path of ['absolute', 'relative', 'd-relative', 'up/secret', 'magic/etc/passwd', 'd/../../secret']) {
      expect(open(`/mnt/${path}`), path).toBe(-ENOENT);
    }
    // What the link means in the guest.
    world.put('/secret', 'of the guest');
    expect(open('/mnt/relative')).toBe('of the guest');
    expect(open('/mnt/absolute', O_WRONLY | O_CREAT)).toBe(-ENOENT);
    expect(fs.readFileSync(`${outside}/secret`, 'utf8')).toBe('secret');
  });

  test('a directory that others replace by a symlink is not followed', () => {
    const { outside, inside, world, open } = jail();
    expect(open('/mnt/d/file')).toBe('inside');
    fs.mkdirSync(`${outside}/other`);
    fs.writeFileSync(`${outside}/other/file`, 'outside');
    fs.renameSync(`${inside}/d`, `${inside}/was-d`);
    fs.symlinkSync(`${outside}/other`, `${inside}/d`);
    // What was found in the same millisecond is not looked up again, and stays what it was.
    expect(open('/mnt/d/file')).toBe('inside');
    world.clock.advance(2_000_000);
    expect(open('/mnt/d/file')).toBe(-ENOENT);
    expect(open('/mnt/was-d/file')).toBe('inside');
  });

  test('a directory that others move away stays where it is for those who stand in it', () => {
    const { outside, inside, world, open } = jail();
    world.fs.cwd = world.place('/mnt/d');
    expect(open('file')).toBe('inside');
    fs.renameSync(`${inside}/d`, `${outside}/moved`);
    expect(open('file')).toBe('inside');
    // Its parent is the one that it had.
    expect(open('../../secret')).toBe(-ENOENT);
    expect(open('../../../../../secret')).toBe(-ENOENT);
  });

  test('a file that others replace by a symlink between look and open is not followed', () => {
    const { outside, inside, world } = jail();
    const place = world.place('/mnt/d/file');
    fs.unlinkSync(`${inside}/d/file`);
    fs.symlinkSync(`${outside}/secret`, `${inside}/d/file`);
    const inode = place.dentry.inode!;
    const into = new Uint8Array(10);
    expect(inode.read(world, 0, into)).toBeLessThan(0);
    expect(inode.write(world, 0, into)).toBeLessThan(0);
    expect(inode.change(world, { size: 0 })).toBeLessThan(0);
    expect(inode.change(world, { mode: 0o777 })).toBe(-ESTALE);
    expect(fs.readFileSync(`${outside}/secret`, 'utf8')).toBe('secret');
    expect(fs.statSync(`${outside}/secret`).mode & 0o777).not.toBe(0o777);
  });

  test('names cannot carry slashes or dots past the walk', () => {
    const { world, open } = jail();
    const { root } = world.place('/mnt').mount.fs;
    expect(root.lookup(world, 'd/file')).toBeLessThan(0);
    expect(root.lookup(world, '..')).toBeLessThan(0);
    expect(root.create(world, '../made', { mode: 0o100644, uid: 0, gid: 0 })).toBeLessThan(0);
    expect(open('/mnt/d/file')).toBe('inside');
  });

  test('no set-id programs and no devices are made for the host', () => {
    const { inside, world } = jail();
    const place = world.place('/mnt/d/file');
    expect(world.run(() => chmod(world, place, 0o6755))).toBe(0);
    expect(fs.statSync(`${inside}/d/file`).mode & 0o7777).toBe(0o755);
    world.open('/mnt/new', O_RDWR | O_CREAT, 0o4755).drop();
    expect(fs.statSync(`${inside}/new`).mode & 0o7777).toBe(0o755);
    expect(world.run(() => mknod(world, world.cwd, '/mnt/null', S_IFCHR | 0o666, 0x103))).toBe(-EPERM);
  });

  test('read-only means read-only', () => {
    const directory = hostDirectory();
    fs.writeFileSync(`${directory}/f`, 'x');
    const world = new World(hostFs(directory, true));
    expect(world.run(() => openPath(world, world.cwd, '/f', O_WRONLY))).toBe(-EROFS);
    expect(world.run(() => mkdir(world, world.cwd, '/d', 0o755))).toBe(-EROFS);
    expect(world.run(() => rename(world, world.cwd, '/f', world.cwd, '/g'))).toBe(-EROFS);
  });
});

describe('the host is seen as it is', () => {
  test('changes by others show at once', () => {
    const { inside, world, open } = jail();
    expect(open('/mnt/later')).toBe(-ENOENT);
    fs.writeFileSync(`${inside}/later`, 'now');
    expect(open('/mnt/later')).toBe('now');
    const file = world.open('/mnt/later');
    fs.unlinkSync(`${inside}/later`);
    expect(world.readAll(file)).toBe('now');
    file.drop();
    expect(world.run(() => walk(world, world.cwd, '/mnt/later'))).toBe(-ENOENT);
  });

  test('names that are not UTF-8', () => {
    const { inside, world, open } = jail();
    const raw = Buffer.concat([Buffer.from(`${inside}/`), Buffer.from([0xff, 0x41, 0xc3])]);
    fs.writeFileSync(raw, 'bytes');
    const name = decodePath(Uint8Array.of(0xff, 0x41, 0xc3));
    expect(world.list('/mnt')).toContain(name);
    expect(open(`/mnt/${name}`)).toBe('bytes');
    expect(world.run(() => rename(world, world.cwd, `/mnt/${name}`, world.cwd, `/mnt/${name}2`))).toBe(0);
    const place = world.place(`/mnt/${name}2`);
    expect(world.run(() => setTimes(world, place, 5n, 1_234_567_891_234_567_891n))).toBe(0);
    const moved = Buffer.concat([raw, Buffer.from('2')]);
    expect(fs.statSync(moved, { bigint: true }).mtimeNs).toBe(1_234_567_891_234_567_891n);
    expect(world.run(() => symlink(world, name, world.cwd, '/mnt/to-bytes'))).toBe(0);
    expect(fs.readlinkSync(`${inside}/to-bytes`, 'buffer')).toEqual(raw.subarray(inside.length + 1));
  });

  test('rename flags', () => {
    const { inside, world } = jail();
    fs.writeFileSync(`${inside}/a`, 'a');
    fs.writeFileSync(`${inside}/b`, 'b');
    const move = (flags: number) => world.run(() => rename(world, world.cwd, '/mnt/a', world.cwd, '/mnt/b', flags));
    expect(move(RENAME_NOREPLACE)).toBeLessThan(0);
    expect(move(RENAME_EXCHANGE)).toBe(0);
    expect(fs.readFileSync(`${inside}/a`, 'utf8')).toBe('b');
    expect(world.text('/mnt/a')).toBe('b');
  });

  test('extended attributes, where the host has them', () => {
    const { inside, world } = jail();
    const place = world.place('/mnt/d/file');
    const value = new Uint8Array(20);
    const set = world.run(() => setxattr(world, place, 'user.note', Uint8Array.of(1, 2, 3), 0));
    if (set === -EOPNOTSUPP) return expect(world.run(() => listxattr(world, place, value))).toBe(0);
    expect(set).toBe(0);
    expect(world.run(() => getxattr(world, place, 'user.note', value))).toBe(3);
    expect([...value.subarray(0, 3)]).toEqual([1, 2, 3]);
    expect(world.run(() => listxattr(world, place, value))).toBe(10);
    // Links are looked at themselves: they have none, and what they lead to is not touched.
    fs.symlinkSync('d/file', `${inside}/link`);
    const link = world.place('/mnt/link', false);
    expect(link.dentry.inode!.getxattr(world, 'user.note')).toBe(-ENODATA);
    expect(world.run(() => removexattr(world, place, 'user.note'))).toBe(0);
    expect(world.run(() => getxattr(world, place, 'user.note', value))).toBe(-ENODATA);
  });

  test('one file alone', () => {
    const directory = hostDirectory();
    fs.writeFileSync(`${directory}/alone`, 'alone');
    const options = { files: new HostFiles(), device: 31, readOnly: true, ...hostIds() };
    const fileSystem = HostFs.open({ ...options, path: `${directory}/alone` });
    if (failed(fileSystem)) throw new Error(String(fileSystem));
    const world = new World(memoryFs());
    world.put('/target', '');
    expect(failed(world.namespace.mount(fileSystem, world.place('/target')))).toBe(false);
    expect(world.text('/target')).toBe('alone');
    expect(HostFs.open({ ...options, path: `${directory}/none` })).toBe(-ENOENT);
  });

  test('more directories than handles are kept for', () => {
    const { inside, world, open } = jail();
    for (let i = 0; i < 300; i++) {
      fs.mkdirSync(`${inside}/many/${i}`, { recursive: true });
      fs.writeFileSync(`${inside}/many/${i}/f`, String(i));
    }
    for (const round of [0, 1]) {
      for (let i = round; i < 300; i += 2) expect(open(`/mnt/many/${i}/f`)).toBe(String(i));
    }
    expect(world.list('/mnt/many')).toHaveLength(300);
  });
});
