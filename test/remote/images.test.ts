/** Machines on files of other machines become images: a restore connects, and finds what was open. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ESTALE } from '../../src/abi/errno.ts';
import { O_CREAT, O_LARGEFILE, O_RDWR } from '../../src/abi/fs.ts';
import { askFiles } from '../../src/cli/ask-files.ts';
import { NodeHost } from '../../src/host/node.ts';
import { Machine } from '../../src/machine.ts';
import { restore } from '../../src/node.ts';
import { openPath } from '../../src/vfs/open.ts';
import { failed } from '../../src/wait/wait.ts';
import { remoteFs } from '../support/loopback.ts';
import { fixture, runGuest } from '../support/machine.ts';
import { MemoryImage } from '../support/memory-image.ts';
import { memoryFs, World } from '../support/world.ts';

const ORIGIN = { kind: 'remote', source: 'tcp://home:7000/dir', readOnly: false } as const;
/** Lines, work for each, and milliseconds after each. */
const ARGS = ['70', '20000', '20'];

/** A machine whose program and its output are home's, stopped with some of it written. */
async function savedHalfway(io: 'cached' | 'direct') {
  const home = memoryFs(70);
  const world = new World(home);
  world.put('/counter', readFileSync(fixture('counter')), 0o755);
  world.put('/output', '');
  const tree = remoteFs(home, io, 50, ORIGIN);
  const machine = new Machine({ host: new NodeHost(), mounts: [{ path: '/', fs: memoryFs(60) }] });
  machine.mount({ path: '/home', fs: tree });
  const file = await askFiles(machine, (ctx) =>
    openPath(ctx, ctx.fs.root, '/home/output', O_RDWR | O_CREAT | O_LARGEFILE),
  );
  if (failed(file)) throw new Error(`/home/output: ${file}`);
  machine.spawn({ path: '/home/counter', argv: ['counter', ...ARGS], cwd: '/home', fds: [null, file] });
  const running = machine.run();
  while (world.text('/output').length < 100) await new Promise((resolve) => setTimeout(resolve, 5));
  const image = new MemoryImage();
  await machine.checkpoint(image, { stop: true });
  await running;
  machine.close();
  return { home, world, image };
}

describe('an image of a machine on files of another machine', () => {
  it.each(['cached', 'direct'] as const)('goes on there: %s', async (io) => {
    const expected = (await runGuest('counter', ARGS)).output;
    const { home, world, image } = await savedHalfway(io);
    // Everything that the program had written when it was saved is at home.
    const before = world.text('/output');
    expect(expected.startsWith(before)).toBe(true);
    const asked: unknown[] = [];
    const machine = await restore(image, {
      trees: { [ORIGIN.source]: 'tcp://elsewhere:1/dir' },
      async connect(origin, device) {
        asked.push(origin);
        return remoteFs(home, io, device, origin);
      },
    });
    expect(asked).toEqual([{ ...ORIGIN, source: 'tcp://elsewhere:1/dir' }]);
    expect(await machine.run()).toEqual({ status: 0 });
    expect(world.text('/output')).toBe(expected);
  });

  it('has ESTALE for what has been replaced', async () => {
    const { home, world, image } = await savedHalfway('cached');
    home.root.unlink(world, 'output');
    const now = new World(home);
    now.put('/output', 'another one\n');
    const lines: string[] = [];
    const machine = await restore(image, {
      trees: { [ORIGIN.source]: ORIGIN.source },
      connect: async (origin, device) => remoteFs(home, 'cached', device, origin),
      warn: (line) => lines.push(line),
    });
    const [task] = machine.kernel.tasks.values();
    expect(task.files.get(1)!.write(task, Uint8Array.of(1))).toBe(-ESTALE);
    await machine.run();
    expect(lines).toEqual([`output was replaced or removed at ${ORIGIN.source}: it gives ESTALE`]);
    expect(now.text('/output')).toBe('another one\n');
  });

  it('connects to nothing that it names itself, when it was made elsewhere', async () => {
    const { image } = await savedHalfway('cached');
    await expect(restore(image, { connect: async () => memoryFs(1) })).rejects.toThrow(
      'it was made elsewhere and wants',
    );
  });
});
