/** --io session: what was changed in a view of served files comes home, or nothing does and it is said why. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { OverlayFs } from '../../src/fs/overlay.ts';
import { bringHome, type Failure } from '../../src/remote/homecoming/homecoming.ts';
import { RequestTask } from '../../src/remote/request-task.ts';
import type { FileSystem } from '../../src/vfs/inode.ts';
import type { Sleeper } from '../../src/wait/wait.ts';
import { remoteFs } from '../support/loopback.ts';
import { contents, Ours, type Step, steps, worldOn } from '../support/random-steps.ts';
import { hostFs } from '../support/trees.ts';
import { memoryFs, type World } from '../support/world.ts';

const ask = <T>(operation: (s: Sleeper) => T) =>
  new Promise<T>((resolve) => {
    const clock = { now: () => 0, realtime: () => 1n };
    new RequestTask(clock, operation, (answer) => resolve(answer as T)).run();
  });

function view(home: FileSystem): OverlayFs {
  return new OverlayFs({ device: 40, upper: memoryFs(41, 2 ** 31), lower: home, bases: new Map() });
}

function perform(world: World, all: readonly Step[]): void {
  const ours = new Ours(world, world.place('/p/q/r'));
  for (const [, run] of all) {
    world.clock.advance(1_000_000);
    run(ours);
  }
}

test.each([
  ['memory', () => memoryFs(50)],
  ['a host directory', () => hostFs()],
])('home in %s gets what random operations have made', async (name, make) => {
  await fc.assert(
    fc.asyncProperty(steps(0, 25), steps(1, 40), async (before, after) => {
      const [home, other] = [make(), make()];
      for (const tree of [home, other]) perform(worldOn(tree, true), before);
      const session = view(remoteFs(home, 'session'));
      perform(worldOn(session, false), after);
      perform(worldOn(other, false), after);
      expect(await bringHome(session, ask, 'mark')).toBe(null);
      expect(contents(worldOn(home, false), '/')).toBe(contents(worldOn(other, false), '/'));
    }),
    { numRuns: name === 'memory' ? 150 : 40 },
  );
});

interface Case {
  readonly home: World;
  readonly there: World;
  /** The program's changes go home. */
  end(): Promise<Failure | null>;
}

function begin(files: Readonly<Record<string, string>>): Case {
  const tree = memoryFs(50);
  const home = worldOn(tree, true);
  for (const [path, text] of Object.entries(files)) home.put(path, text);
  const session = view(remoteFs(tree, 'session'));
  return { home, there: worldOn(session, false), end: () => bringHome(session, ask, 'mark') };
}

test('a file that was changed at home meanwhile is not written over, and nothing else is sent', async () => {
  const { home, there, end } = begin({ '/p/a': 'old', '/p/b': 'old' });
  there.put('/p/a', 'by the program');
  there.put('/p/b', 'by the program');
  home.clock.advance(1000);
  home.put('/p/a', 'by others');
  expect(await end()).toEqual({ reason: '/p/a was changed there meanwhile', partly: false });
  expect([home.text('/p/a'), home.text('/p/b'), home.list('/p')]).toEqual(['by others', 'old', ['a', 'b', 'q']]);
});
