import { describe, expect, it } from 'vitest';
import { ENXIO } from '../../src/abi/errno.ts';
import { O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } from '../../src/abi/fs.ts';
import { AnonymousFileSystems } from '../../src/fs/anonymous.ts';
import { openFifo } from '../../src/fs/fifo.ts';
import { Pipe, PipeFile } from '../../src/fs/pipe.ts';
import { POLLHUP } from '../../src/vfs/open-file.ts';
import { BLOCKED, ERESTARTSYS } from '../../src/wait/wait.ts';
import { FakeCaller } from '../support/sleeper.ts';

const inode = new AnonymousFileSystems().pipes.make(0o10600, 0, 0, 0n);
function fifo() {
  const pipe = new Pipe();
  const open = (s: FakeCaller, flags: number) => s.start(() => openFifo(s, pipe, inode, flags, '/f'));
  return { pipe, open, a: new FakeCaller(1), b: new FakeCaller(2) };
}

describe('opening a FIFO', () => {
  it('waits for the other end', () => {
    const { pipe, open, a, b } = fifo();
    expect(open(a, O_RDONLY)).toBe(BLOCKED);
    const writer = open(b, O_WRONLY) as PipeFile;
    expect(writer).toBeInstanceOf(PipeFile);
    expect(a.asleep).toBe(false);
    writer.release();
    const reader = a.resume<PipeFile>();
    expect(reader).toBeInstanceOf(PipeFile);
    expect(reader.poll()).toBe(POLLHUP);
    expect([pipe.state.readers, pipe.state.writers]).toEqual([1, 0]);
  });

  it('takes its end back when interrupted', () => {
    const { pipe, open, a, b } = fifo();
    expect(open(a, O_WRONLY)).toBe(BLOCKED);
    a.interrupted = true;
    expect(a.resume()).toBe(-ERESTARTSYS);
    expect(pipe.state.writers).toBe(0);
    expect(open(b, O_RDONLY | O_NONBLOCK)).toBeInstanceOf(PipeFile);
  });

  it('lets several wait, and finds them all', () => {
    const { pipe, open, a, b } = fifo();
    const c = new FakeCaller(3);
    expect(open(a, O_RDONLY)).toBe(BLOCKED);
    expect(open(c, O_RDONLY)).toBe(BLOCKED);
    const writer = open(b, O_WRONLY) as PipeFile;
    expect(b.start(() => writer.write(b, Uint8Array.of(1)))).toBe(1);
    expect(a.resume()).toBeInstanceOf(PipeFile);
    expect(c.resume()).toBeInstanceOf(PipeFile);
    expect([pipe.state.readers, pipe.state.writers, pipe.state.readerTickets]).toEqual([2, 1, 0]);
  });

  it('does not wait with O_NONBLOCK or O_RDWR', () => {
    const { open, a, b } = fifo();
    expect(open(a, O_WRONLY | O_NONBLOCK)).toBe(-ENXIO);
    const reader = open(a, O_RDONLY | O_NONBLOCK) as PipeFile;
    expect(reader.poll()).toBe(0);
    const writer = open(b, O_WRONLY | O_NONBLOCK) as PipeFile;
    writer.release();
    expect(reader.poll()).toBe(POLLHUP);
    expect(open(a, O_RDWR)).toBeInstanceOf(PipeFile);
  });
});
