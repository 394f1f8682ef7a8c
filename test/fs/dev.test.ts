import { describe, expect, it } from 'vitest';
import { ENOSPC, ENXIO } from '../../src/abi/errno.ts';
import { makeDevice, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY, S_IFCHR, S_IFIFO } from '../../src/abi/fs.ts';
import { installSpecialFiles, populateDev } from '../../src/fs/dev.ts';
import { DevPts } from '../../src/fs/devpts.ts';
import { MemFs } from '../../src/fs/memfs.ts';
import { PipeFile } from '../../src/fs/pipe.ts';
import { TtyFile } from '../../src/fs/tty.ts';
import { mknod } from '../../src/vfs/create.ts';
import { openPath } from '../../src/vfs/open.ts';
import { fakeJobs } from '../support/jobs.ts';
import { World } from '../support/world.ts';

/** A root with the nodes of /dev in it. */
function world() {
  const fs = new MemFs({ device: 1, now: 0n });
  const s = new World(fs);
  expect(populateDev(s, fs.root)).toBe(0);
  const pts = new DevPts({ device: 2, jobs: fakeJobs(), now: () => s.now(), realtime: () => s.realtime() });
  const random = { fill: (into: Uint8Array) => into.fill(0xab) };
  installSpecialFiles(s.namespace, { random, pts, console: null, fifos: new WeakMap() });
  s.namespace.mount(pts, s.place('/pts'));
  const read = (path: string, count: number) => {
    const into = new Uint8Array(count).fill(1);
    const file = s.open(path);
    return [
      ...into.subarray(
        0,
        s.run(() => file.read(s, into)),
      ),
    ];
  };
  return { s, pts, read };
}

describe('/dev', () => {
  it('reads nothing, zeros, and random bytes', () => {
    const { read } = world();
    expect(read('/null', 4)).toEqual([]);
    expect(read('/zero', 4)).toEqual([0, 0, 0, 0]);
    expect(read('/full', 2)).toEqual([0, 0]);
    expect(read('/urandom', 3)).toEqual([0xab, 0xab, 0xab]);
    expect(read('/random', 1)).toEqual([0xab]);
  });

  it('takes everything, or nothing', () => {
    const { s } = world();
    const write = (path: string) => s.run(() => s.open(path, O_WRONLY).write(s, new Uint8Array(7)));
    expect([write('/null'), write('/zero'), write('/full')]).toEqual([7, 7, -ENOSPC]);
  });

  it('knows devices by number, wherever the node is', () => {
    const { s } = world();
    expect(s.run(() => mknod(s, s.cwd, '/mine', S_IFCHR | 0o666, makeDevice(1, 3)))).toBe(0);
    expect(s.run(() => s.open('/mine', O_WRONLY).write(s, new Uint8Array(3)))).toBe(3);
    s.run(() => mknod(s, s.cwd, '/unknown', S_IFCHR | 0o666, makeDevice(99, 1)));
    expect(s.run(() => openPath(s, s.cwd, '/unknown', O_RDONLY))).toBe(-ENXIO);
  });

  it('opens the controlling terminal, if there is one', () => {
    const { s, pts } = world();
    expect(s.run(() => openPath(s, s.cwd, '/tty', O_RDWR))).toBe(-ENXIO);
    const master = s.open('/ptmx', O_RDWR) as TtyFile;
    expect(pts.root.entries(s, 0)).toMatchObject([{ name: 'ptmx' }, { name: '0' }]);
    pts.inodes.get(0)!.tty.attach(s.group.session, s.group.processGroup);
    (pts.inodes.get(0)!.tty as unknown as { state: { locked: boolean } }).state.locked = false;
    const tty = s.open('/tty', O_RDWR) as TtyFile;
    expect(tty).toBeInstanceOf(TtyFile);
    expect(tty.tty).toBe(pts.inodes.get(0)!.tty);
    expect((s.open('/pts/0', O_RDWR) as TtyFile).tty).toBe(tty.tty);
    master.drop();
    expect(s.run(() => openPath(s, s.cwd, '/pts/0', O_RDWR))).toBe(-2);
  });

  it('gives a FIFO one content, however it is opened', () => {
    const { s } = world();
    s.run(() => mknod(s, s.cwd, '/fifo', S_IFIFO | 0o600, 0));
    const reader = s.open('/fifo', O_RDONLY | O_NONBLOCK);
    const writer = s.open('/fifo', O_WRONLY);
    expect(reader).toBeInstanceOf(PipeFile);
    s.run(() => writer.write(s, Uint8Array.of(42)));
    const into = new Uint8Array(1);
    s.run(() => reader.read(s, into));
    expect(into[0]).toBe(42);
  });
});
