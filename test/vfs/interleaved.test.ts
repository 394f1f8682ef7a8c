/** Several tasks at once on file systems that sleep: calls meet each other half done, and the tree stays a tree. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { O_CREAT, O_RDWR, O_TRUNC, S_IFDIR } from '../../src/abi/fs.ts';
import { chmod, truncate } from '../../src/vfs/attributes.ts';
import { link, mkdir, symlink } from '../../src/vfs/create.ts';
import type { FileSystem } from '../../src/vfs/inode.ts';
import { openPath } from '../../src/vfs/open.ts';
import { rmdir, unlink } from '../../src/vfs/remove.ts';
import { rename } from '../../src/vfs/rename.ts';
import { walk } from '../../src/vfs/walk.ts';
import { BLOCKED, failed } from '../../src/wait/wait.ts';
import { ALL_TREES } from '../support/trees.ts';
import { World } from '../support/world.ts';

type Operation = (task: World) => number;

const path = fc
  .array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 })
  .map((parts) => `/${parts.join('/')}`);
const at = (task: World, name: string, use: (place: ReturnType<World['place']>) => number) => {
  const place = walk(task, task.cwd, name);
  return failed(place) ? place : use(place);
};
const operation: fc.Arbitrary<Operation> = fc.oneof(
  path.map(
    (p): Operation =>
      (t) =>
        mkdir(t, t.cwd, p, 0o755),
  ),
  path.map(
    (p): Operation =>
      (t) =>
        mkdir(t, t.cwd, p, 0o755),
  ),
  path.map(
    (p): Operation =>
      (t) =>
        rmdir(t, t.cwd, p),
  ),
  path.map(
    (p): Operation =>
      (t) =>
        unlink(t, t.cwd, p),
  ),
  fc.tuple(path, path).map(
    ([a, b]): Operation =>
      (t) =>
        rename(t, t.cwd, a, t.cwd, b),
  ),
  fc.tuple(path, path).map(
    ([a, b]): Operation =>
      (t) =>
        at(t, a, (place) => link(t, place, t.cwd, b)),
  ),
  path.map(
    (p): Operation =>
      (t) =>
        symlink(t, 'a', t.cwd, p),
  ),
  path.map(
    (p): Operation =>
      (t) =>
        at(t, p, (place) => chmod(t, place, 0o700)),
  ),
  path.map(
    (p): Operation =>
      (t) =>
        at(t, p, (place) => truncate(t, place, 100)),
  ),
  path.map(
    (p): Operation =>
      (t) => {
        const file = openPath(t, t.cwd, p, O_RDWR | O_CREAT | O_TRUNC, 0o644);
        if (failed(file)) return file;
        file.hold().drop();
        return 0;
      },
  ),
);

/** Runs each task's operations in order, whoever's turn it is by `turns`. */
function interleave(tasks: readonly World[], work: readonly (readonly Operation[])[], turns: readonly number[]): void {
  const next = tasks.map(() => 0);
  const asleep = tasks.map(() => false);
  for (let turn = 0; turn < 20_000; turn++) {
    const left = tasks.map((_, i) => i).filter((i) => next[i] < work[i].length);
    if (left.length === 0) return;
    const i = left[turns[turn % turns.length] % left.length];
    const task = tasks[i];
    const run = work[i][next[i]];
    const answer = asleep[i] ? task.resume<number>() : task.start(() => run(task));
    expect(answer).toBeGreaterThanOrEqual(BLOCKED);
    expect(answer).toBeLessThanOrEqual(0);
    asleep[i] = answer === BLOCKED;
    if (!asleep[i]) next[i]++;
  }
  throw new Error('never done');
}

/** Every name leads to an inode, every directory can be listed, and nothing contains itself. */
function check(world: World, directory: string, depth = 0): void {
  expect(depth).toBeLessThan(20);
  for (const name of world.list(directory)) {
    const below = `${directory}${name}`;
    const inode = world.place(below, false).dentry.inode!;
    const found = world.run(() => inode.attributes(world));
    if (failed(found)) throw new Error(`${below}: ${found}`);
    expect(found.nlink, below).toBeGreaterThan(0);
    if (inode.type === S_IFDIR) check(world, `${below}/`, depth + 1);
  }
}

describe.each(ALL_TREES)('tasks at once over %s', (_name, make) => {
  test('leave a sound tree', () => {
    const work = fc.array(fc.array(operation, { minLength: 1, maxLength: 12 }), { minLength: 3, maxLength: 3 });
    const turns = fc.array(fc.nat({ max: 10 }), { minLength: 1, maxLength: 50 });
    fc.assert(
      fc.property(work, turns, (lists, order) => {
        const tree: FileSystem = make();
        const world = new World(tree);
        interleave([world, world.sibling(), world.sibling()], lists, order);
        check(new World(tree), '/');
      }),
      { numRuns: 60 },
    );
  });
});
