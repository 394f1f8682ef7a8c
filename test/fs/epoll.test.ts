import { beforeEach, describe, expect, it } from 'vitest';
import { EEXIST, EINVAL, ELOOP, ENOENT } from '../../src/abi/errno.ts';
import { EPOLLET, EPOLLONESHOT } from '../../src/abi/poll.ts';
import { AnonymousFileSystems } from '../../src/fs/anonymous.ts';
import { EpollFile } from '../../src/fs/epoll.ts';
import { EventFile } from '../../src/fs/eventfd.ts';
import { pipePair } from '../../src/fs/pipe.ts';
import { type OpenFile, POLLHUP, POLLIN, POLLOUT } from '../../src/vfs/open-file.ts';
import { BLOCKED } from '../../src/wait/wait.ts';
import { FakeCaller } from '../support/sleeper.ts';

const inodes = new AnonymousFileSystems();
const inode = inodes.anonymous.make(0o600, 0, 0, 0n);
const open = <T extends OpenFile>(file: T): T => {
  file.references = 1;
  return file;
};
const epoll = () => open(new EpollFile(inode));
const event = () => open(new EventFile(inode, { count: 0n, semaphore: false }));
const one = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0);
let s: FakeCaller;
beforeEach(() => {
  s = new FakeCaller();
});

describe('epoll', () => {
  it('reports level-triggered files as long as they are ready', () => {
    const [set, file] = [epoll(), event()];
    expect(set.add(3, file, { events: POLLIN, data: 7n })).toBe(0);
    expect(set.collect(10)).toEqual([]);
    file.write(s, one);
    expect(set.collect(10)).toEqual([{ events: POLLIN, data: 7n }]);
    expect(set.collect(10)).toEqual([{ events: POLLIN, data: 7n }]);
    file.read(s, new Uint8Array(8));
    expect(set.collect(10)).toEqual([]);
  });

  it('reports edge-triggered files once per event that was asked for', () => {
    const set = epoll();
    const [reader, writer] = pipePair(inodes.pipes, 0, 0, 0n, 0).map(open);
    set.add(3, reader, { events: POLLIN | EPOLLET, data: 1n });
    writer.write(s, one);
    expect(set.collect(10)).toHaveLength(1);
    expect(set.collect(10)).toHaveLength(0);
    reader.read(s, new Uint8Array(1));
    expect(set.collect(10)).toHaveLength(0);
    s.start(() => writer.write(s, one));
    expect(set.collect(10)).toHaveLength(1);
  });

  it('disables one-shot items until they are modified', () => {
    const [set, file] = [epoll(), event()];
    const asked = { events: POLLIN | EPOLLONESHOT, data: 1n };
    set.add(3, file, asked);
    file.write(s, one);
    expect(set.collect(10)).toHaveLength(1);
    file.write(s, one);
    expect(set.collect(10)).toHaveLength(0);
    set.modify(3, file, asked);
    expect(set.collect(10)).toHaveLength(1);
  });

  it('lets a waiter sleep until something is ready or time is up', () => {
    const [set, file] = [epoll(), event()];
    set.add(3, file, { events: POLLIN, data: 1n });
    const deadline = s.now() + 1000;
    expect(s.start(() => set.wait(s, 10, deadline))).toBe(BLOCKED);
    file.write(new FakeCaller(2), one);
    expect(s.asleep).toBe(false);
    expect(s.resume()).toEqual([{ events: POLLIN, data: 1n }]);
    file.read(s, new Uint8Array(8));
    s.clock.advance(1000);
    expect(s.start(() => set.wait(s, 10, deadline))).toEqual([]);
  });

  it('takes turns when there are more ready files than wanted', () => {
    const set = epoll();
    for (let fd = 0; fd < 3; fd++) {
      const file = event();
      file.write(s, one);
      set.add(fd, file, { events: POLLIN, data: BigInt(fd) });
    }
    expect(set.collect(2).map(({ data }) => data)).toEqual([0n, 1n]);
    expect(set.collect(2).map(({ data }) => data)).toEqual([2n, 0n]);
  });

  it('forgets files that were closed', () => {
    const set = epoll();
    const [reader, writer] = pipePair(inodes.pipes, 0, 0, 0n, 0).map(open);
    set.add(3, reader, { events: POLLIN, data: 1n });
    reader.references = 0;
    reader.release();
    expect(set.watched).toEqual([]);
    const other = event();
    set.add(4, other, { events: POLLIN, data: 1n });
    other.write(s, one);
    other.references = 0;
    expect(set.collect(10)).toEqual([]);
    expect(writer.pipe.state.readers).toBe(0);
  });

  it('nests, but not in circles', () => {
    const [outer, inner, file] = [epoll(), epoll(), event()];
    expect(outer.add(3, inner, { events: POLLIN, data: 1n })).toBe(0);
    expect(inner.add(4, file, { events: POLLIN, data: 2n })).toBe(0);
    expect(outer.poll()).toBe(0);
    file.write(s, one);
    expect(outer.collect(10)).toEqual([{ events: POLLIN, data: 1n }]);
    expect(inner.add(5, outer, { events: POLLIN, data: 1n })).toBe(-ELOOP);
    expect(outer.add(6, outer, { events: POLLIN, data: 1n })).toBe(-EINVAL);
  });

  it('knows its items by descriptor and file', () => {
    const [set, file] = [epoll(), event()];
    const asked = { events: POLLOUT, data: 1n };
    expect(set.remove(3, file)).toBe(-ENOENT);
    expect(set.modify(3, file, asked)).toBe(-ENOENT);
    set.add(3, file, asked);
    expect(set.add(3, file, asked)).toBe(-EEXIST);
    expect(set.add(4, file, asked)).toBe(0);
    expect(set.collect(10)).toHaveLength(2);
    expect(set.remove(3, file)).toBe(0);
    expect(set.watched.map(({ fd }) => fd)).toEqual([4]);
  });

  it('reports hang-ups without being asked', () => {
    const set = epoll();
    const [reader, writer] = pipePair(inodes.pipes, 0, 0, 0n, 0).map(open);
    set.add(3, reader, { events: 0, data: 1n });
    writer.release();
    expect(set.collect(10)).toEqual([{ events: POLLHUP, data: 1n }]);
  });
});
