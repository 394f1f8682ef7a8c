import { expect, test } from 'vitest';
import { ENOENT } from '../../src/abi/errno.ts';
import { S_IFDIR } from '../../src/abi/fs.ts';
import { Inode } from '../../src/vfs/inode.ts';
import { callInode, INODE_OPERATIONS } from '../../src/vfs/operations.ts';
import { failed } from '../../src/wait/wait.ts';
import { memoryFs, World } from '../support/world.ts';

test('every operation of an inode is declared, with as many parameters as it takes', () => {
  const methods = Object.getOwnPropertyNames(Inode.prototype).filter((name) => name !== 'constructor');
  // Those that answer objects of this process only: they do not travel.
  const local = ['open', 'closed', 'flush'];
  const declared = Object.keys(INODE_OPERATIONS).filter((name) => name !== 'attributes');
  expect(methods.filter((name) => !local.includes(name)).sort()).toEqual(declared.sort());
  for (const name of declared) {
    const { parameters } = INODE_OPERATIONS[name as keyof typeof INODE_OPERATIONS];
    const method = Inode.prototype[name as 'lookup'] as (...values: unknown[]) => unknown;
    expect(method.length, name).toBe(parameters.length + 1);
  }
});

test('operations can be called by their names', () => {
  const world = new World(memoryFs());
  const { root } = world.namespace.root.mount.fs;
  const made = callInode(root, 'mkdir', world, ['d', { mode: S_IFDIR | 0o755, uid: 0, gid: 0 }]);
  if (failed(made)) throw new Error(String(made));
  expect(callInode(root, 'lookup', world, ['d'])).toBe(made);
  expect(callInode(root, 'rename', world, ['d', root, 'e', 0])).toBe(0);
  expect(callInode(root, 'lookup', world, ['d'])).toBe(-ENOENT);
});
