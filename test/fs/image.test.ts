/** Open files as plain data: what a restored machine finds is what was there. */
import { describe, expect, it } from 'vitest';
import { EPERM } from '../../src/abi/errno.ts';
import { F_ADD_SEALS, O_NONBLOCK, O_RDWR } from '../../src/abi/fs.ts';
import * as S from '../../src/abi/socket.ts';
import { TIOCSPTLCK } from '../../src/abi/tty.ts';
import { AnonymousFileSystems } from '../../src/fs/anonymous.ts';
import { DevPts } from '../../src/fs/devpts.ts';
import { EpollFile } from '../../src/fs/epoll.ts';
import { EventFile } from '../../src/fs/eventfd.ts';
import { readImage, writeImage } from '../../src/fs/image/index.ts';
import { makeSocket, worldFor } from '../../src/fs/make-socket.ts';
import { F_SEAL_WRITE, makeMemfd } from '../../src/fs/memfd.ts';
import { MemFs } from '../../src/fs/memfs.ts';
import { MessageQueue, MessageQueueFile } from '../../src/fs/mqueue.ts';
import { pipePair } from '../../src/fs/pipe.ts';
import { NOTHING, type Received, type Socket } from '../../src/fs/socket.ts';
import { SocketNames } from '../../src/fs/socket-names.ts';
import { TimerFile } from '../../src/fs/timerfd.ts';
import type { TtyFile } from '../../src/fs/tty.ts';
import { MountNamespace } from '../../src/vfs/mounts.ts';
import { type OpenFile, POLLIN } from '../../src/vfs/open-file.ts';
import { BLOCKED, WaitQueue } from '../../src/wait/wait.ts';
import { fakeJobs } from '../support/jobs.ts';
import { FakeMemory } from '../support/memory.ts';
import { FakeCaller } from '../support/sleeper.ts';

const bytes = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));
const unused = () => {
  throw new Error('nothing here has a place');
};
const hooks = { saveInode: unused, loadInode: unused };

/** A machine, as far as open files see it. */
function machine() {
  const s = new FakeCaller(1);
  const pts = new DevPts({ device: 7, jobs: fakeJobs(), now: () => s.now(), realtime: () => s.realtime() });
  const { session } = s.group;
  return {
    ...{ s, pts, sleeper: s, alarms: s.clock, console: null, namespace: new MountNamespace() },
    anonymous: new AnonymousFileSystems(),
    socketNames: new SocketNames(),
    fifos: new WeakMap(),
    queues: new Map<string, MessageQueue>(),
    shm: new MemFs({ device: 1, now: 0n }),
    signals: { arrivals: new WaitQueue(), take: () => undefined, pending: () => false },
    session: (id: number) => (id === session.id ? session : null),
  };
}
type Machine = ReturnType<typeof machine>;

/** Saves the files and loads them into another machine, through what can be cloned: plain data. */
function move<T extends OpenFile[]>(files: [...T]): { to: Machine; files: T } {
  const writer = writeImage(hooks);
  const ids = writer.ids(files);
  const to = machine();
  const reader = readImage(structuredClone(writer.nodes), to, hooks);
  return { to, files: ids.map((id) => reader.object<OpenFile>(id).hold()) as T };
}

const open = <T extends OpenFile>(file: T): T => file.hold();
function read(s: FakeCaller, file: OpenFile, count = 100): string | number {
  const into = new Uint8Array(count);
  const answer = s.start(() => file.read(s, into));
  return answer < 0 ? answer : String.fromCharCode(...into.subarray(0, answer));
}
const write = (s: FakeCaller, file: OpenFile, text: string) => s.start(() => file.write(s, bytes(text)));

describe('images of open files', () => {
  it('keep bytes in pipes, and who shares a pipe', () => {
    const { s, anonymous } = machine();
    const [reader, writer] = pipePair(anonymous.pipes, 5, 6, 0n, 0).map(open);
    write(s, writer, 'in flight');
    read(s, reader, 3);
    const { to, files } = move([reader, writer]);
    expect(read(to.s, files[0])).toBe('flight');
    write(to.s, files[1], 'more');
    expect(read(to.s, files[0])).toBe('more');
    expect(files[0].describe()).toBe(reader.describe());
    files[1].drop();
    expect(read(to.s, files[0])).toBe('');
  });

  it('keep counters, timers and what epoll watches', () => {
    const { s, anonymous, alarms } = machine();
    const event = open(new EventFile(anonymous.anonInode, { count: 3n, semaphore: true }, O_NONBLOCK));
    const timer = open(
      new TimerFile(anonymous.anonInode, alarms, { clock: 1, next: -1, interval: 0, ticks: 0n, setFlags: 0 }),
    );
    timer.set({ value: 1000n, interval: 0n }, 0);
    const set = open(new EpollFile(anonymous.anonInode));
    set.add(4, event, { events: POLLIN, data: 44n });
    set.add(5, timer, { events: POLLIN, data: 55n });
    s.clock.advance(400);
    const { to, files } = move([event, timer, set]);
    to.s.clock.advance(400);
    expect(files[2].collect(10)).toEqual([{ events: POLLIN, data: 44n }]);
    to.s.clock.advance(600);
    expect(files[2].collect(10).map(({ data }) => data)).toEqual([44n, 55n]);
    expect(read(to.s, files[0], 8)).toBe('\x01\0\0\0\0\0\0\0');
    expect(files[0].flags & O_NONBLOCK).toBe(O_NONBLOCK);
  });

  it('keep sockets: peers, messages with descriptors, names, and connections not accepted', () => {
    const { s, anonymous, socketNames } = machine();
    const world = worldFor(s, anonymous.sockets, socketNames);
    const make = (type: number) => open(makeSocket(s, world, S.AF_UNIX, type, 0, 0) as Socket);
    const [x, y, listener, client] = [1, 1, 1, 1].map(make);
    x.pair(s, y);
    const event = open(new EventFile(anonymous.anonInode, { count: 9n, semaphore: false }));
    s.start(() => x.send(s, bytes('with'), 0, null, { rights: [event], credentials: null }));
    listener.bind(s, { family: S.AF_UNIX, name: '\0here' });
    listener.listen(s, 1);
    client.connect(s, { family: S.AF_UNIX, name: '\0here' });
    write(s, client, 'waiting');
    event.drop();
    const { to, files } = move([x, y, listener, client]);
    const received = to.s.start(() => files[1].receive(to.s, new Uint8Array(9), 0)) as Received;
    expect(received.count).toBe(4);
    expect(read(to.s, received.rights[0], 8)).toBe('\x09\0\0\0\0\0\0\0');
    const end = files[2].accept(to.s, 0) as Socket;
    expect(read(to.s, end)).toBe('waiting');
    write(to.s, end, 'answer');
    expect(read(to.s, files[3])).toBe('answer');
    const late = makeSocket(to.s, worldFor(to.s, to.anonymous.sockets, to.socketNames), S.AF_UNIX, 1, 0, 0) as Socket;
    expect(late.connect(to.s, { family: S.AF_UNIX, name: '\0here' })).toBe(0);
    to.s.start(() => files[0].send(to.s, bytes('!'), 0, null, NOTHING));
    expect(read(to.s, files[1])).toBe('!');
  });

  it('keep terminals: settings, half-typed lines, output, session and foreground', () => {
    const { s, pts } = machine();
    const master = open(pts.openMaster(s, pts.ptmx, O_RDWR) as TtyFile);
    master.ioctl(s, new FakeMemory().with(0), TIOCSPTLCK, 0);
    const slave = open(pts.inodes.get(0)!.open(s, O_RDWR) as TtyFile);
    write(s, slave, 'prompt: ');
    write(s, master, 'half a li');
    const named = { ...hooks, saveInode: () => 'ptmx', loadInode: () => pts.ptmx };
    const writer = writeImage(named);
    const ids = writer.ids([master, slave]);
    const to = machine();
    const reader = readImage(structuredClone(writer.nodes), to, named);
    const [m, t] = ids.map((id) => reader.object<TtyFile>(id).hold());
    expect(read(to.s, m)).toBe('prompt: half a li');
    expect(to.s.start(() => t.read(to.s, new Uint8Array(9)))).toBe(BLOCKED);
    write(new FakeCaller(2), m, 'ne\n');
    expect(to.s.resume()).toBe(9);
    expect(to.s.group.session.terminal).toBe(t.tty);
    expect([t.tty.foreground, to.pts.inodes.get(0)?.tty]).toEqual([1, t.tty]);
  });

  it('keep message queues under their names', () => {
    const { s, anonymous } = machine();
    const queue = new MessageQueue('q', anonymous.anonymous.make(0o600, 0, 0, 0n), 3, 16);
    const file = open(new MessageQueueFile(queue, 'q', O_RDWR));
    file.send(s, { priority: 4, bytes: bytes('kept') }, undefined, () => {});
    const { to, files } = move([file]);
    expect(to.queues.get('q')).toBe(files[0].queue);
    expect(files[0].receive(to.s, 16, undefined)).toEqual({ priority: 4, bytes: bytes('kept') });
  });

  it('keep memfds with their seals', () => {
    const { s, shm, namespace } = machine();
    const memfd = open(makeMemfd(s, shm, namespace, 'm', { mode: 0o777, uid: 0, gid: 0, seals: 0 }));
    write(s, memfd, 'sealed');
    memfd.fcntl(s, F_ADD_SEALS, F_SEAL_WRITE);
    const { to, files } = move([memfd]);
    expect(write(to.s, files[0], 'x')).toBe(-EPERM);
    files[0].seek(to.s, 0, 0);
    expect(read(to.s, files[0])).toBe('sealed');
  });
});
