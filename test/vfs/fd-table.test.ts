import { describe, expect, test } from 'vitest';
import { EBADF, EMFILE } from '../../src/abi/errno.ts';
import { F_WRLCK } from '../../src/abi/fs.ts';
import { FdTable } from '../../src/vfs/fd-table.ts';
import { openPath } from '../../src/vfs/open.ts';
import type { OpenFile } from '../../src/vfs/open-file.ts';
import { failed } from '../../src/wait/wait.ts';
import { memoryFs, World } from '../support/world.ts';

describe('descriptors', () => {
  const world = new World(memoryFs());
  world.put('/f', 'content');
  const { locks } = world.namespace;
  const open = (): OpenFile => {
    const file = openPath(world, world.cwd, '/f', 0);
    if (failed(file)) throw new Error(String(file));
    return file;
  };

  test('are the lowest that are free', () => {
    const table = new FdTable();
    expect([open(), open(), open()].map((file) => table.install(file))).toEqual([0, 1, 2]);
    expect(table.close(world, 1, locks)).toBe(0);
    expect(table.close(world, 1, locks)).toBe(-EBADF);
    expect(table.install(open(), { from: 2 })).toBe(3);
    expect(table.install(open())).toBe(1);
    expect(table.install(open())).toBe(4);
    expect(table.close(world, 0, locks)).toBe(0);
    expect(table.install(open(), { from: 10 })).toBe(10);
    expect(table.install(open())).toBe(0);
    expect(table.get(-1)).toBeUndefined();
  });

  test('end at the limit, and what finds no room is closed', () => {
    const table = new FdTable();
    table.limit = 2;
    expect(table.install(open())).toBe(0);
    expect(table.hasRoom()).toBe(true);
    expect(table.install(open())).toBe(1);
    expect(table.hasRoom()).toBe(false);
    const file = open();
    expect(table.install(file)).toBe(-EMFILE);
    expect(file.references).toBe(0);
    expect(table.replace(world, 2, open(), false, locks)).toBe(-EBADF);
  });

  test('count references over dup, fork and close-on-exec', () => {
    const table = new FdTable();
    const file = open();
    table.install(file);
    expect(table.replace(world, 5, file, true, locks)).toBe(5);
    expect(file.references).toBe(2);
    const child = table.clone();
    expect(file.references).toBe(4);
    expect(child.isCloseOnExec(5)).toBe(true);
    child.closeMarked(locks);
    expect(child.get(5)).toBeUndefined();
    expect(child.get(0)).toBe(file);
    expect(file.references).toBe(3);
    child.closeAll(locks);
    table.closeAll(locks);
    expect(file.references).toBe(0);
  });

  test('dup2 closes what was there', () => {
    const table = new FdTable();
    const [a, b] = [open(), open()];
    table.install(a);
    table.install(b);
    expect(table.replace(world, 1, a, false, locks)).toBe(1);
    expect(b.references).toBe(0);
    expect(table.replace(world, 300, a, false, locks)).toBe(300);
    expect([...table.entries()].map(([fd]) => fd)).toEqual([0, 1, 300]);
  });

  test('closing any descriptor of a file ends the record locks of the table on it', () => {
    const table = new FdTable();
    const [a, b] = [open(), open()];
    table.install(a);
    table.install(b);
    const range = { type: F_WRLCK, start: 0, end: 1 };
    expect(locks.lock(world, a.inode, table, 1, range, false, true)).toBe(0);
    expect(locks.conflict(a.inode, {}, range)).toBeDefined();
    table.close(world, 1, locks);
    expect(locks.conflict(a.inode, {}, range)).toBeUndefined();
  });
});
