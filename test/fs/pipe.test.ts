import { describe, expect, it } from 'vitest';
import { EAGAIN, EBUSY, EPIPE } from '../../src/abi/errno.ts';
import { O_DIRECT, O_NONBLOCK } from '../../src/abi/fs.ts';
import { SIGPIPE } from '../../src/abi/signal.ts';
import { AnonymousFileSystems } from '../../src/fs/anonymous.ts';
import { pipePair } from '../../src/fs/pipe.ts';
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../../src/vfs/open-file.ts';
import { BLOCKED, ERESTARTSYS } from '../../src/wait/wait.ts';
import { FakeCaller } from '../support/sleeper.ts';

function pipe(flags = 0) {
  const ends = pipePair(new AnonymousFileSystems().pipes, 0, 0, 0n, flags);
  return { reader: ends[0], writer: ends[1], a: new FakeCaller(1), b: new FakeCaller(2) };
}
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (content: string) => new TextEncoder().encode(content);
const IN = POLLIN | POLLRDNORM;
const OUT = POLLOUT | POLLWRNORM;

describe('pipe', () => {
  it('hands bytes over in order and ends when the writer has gone', () => {
    const { reader, writer, a, b } = pipe();
    const into = new Uint8Array(10);
    expect(b.start(() => writer.write(b, bytes('hello ')))).toBe(6);
    expect(b.start(() => writer.write(b, bytes('world')))).toBe(5);
    expect(reader.poll()).toBe(IN);
    expect(a.start(() => reader.read(a, into))).toBe(10);
    expect(text(into)).toBe('hello worl');
    writer.release();
    expect(reader.poll()).toBe(IN | POLLHUP);
    expect(a.start(() => reader.read(a, into))).toBe(1);
    expect(a.start(() => reader.read(a, into))).toBe(0);
    expect(reader.poll()).toBe(POLLHUP);
  });

  it('lets a reader sleep until there is something', () => {
    const { reader, writer, a, b } = pipe();
    const into = new Uint8Array(10);
    expect(a.start(() => reader.read(a, into))).toBe(BLOCKED);
    b.start(() => writer.write(b, bytes('x')));
    expect(a.asleep).toBe(false);
    expect(a.resume()).toBe(1);
    a.start(() => reader.read(a, into));
    writer.release();
    expect(a.resume()).toBe(0);
  });

  it('blocks a large write until all is in, in pieces', () => {
    const { reader, writer, a, b } = pipe();
    const content = Uint8Array.from({ length: 100000 }, (_, i) => i % 251);
    const got: number[] = [];
    const into = new Uint8Array(5000);
    expect(b.start(() => writer.write(b, content))).toBe(BLOCKED);
    let result: number = BLOCKED;
    while (got.length < content.length) {
      const count = a.start(() => reader.read(a, into));
      got.push(...into.subarray(0, count));
      if (!b.asleep && result === BLOCKED) result = b.resume();
    }
    expect(result).toBe(100000);
    expect(got).toEqual([...content]);
  });

  it('has room again only after a whole page was read, as Linux', () => {
    const { reader, writer, a, b } = pipe(O_NONBLOCK);
    expect(b.start(() => writer.write(b, new Uint8Array(70000)))).toBe(65536);
    expect(b.start(() => writer.write(b, bytes('x')))).toBe(-EAGAIN);
    a.start(() => reader.read(a, new Uint8Array(4095)));
    expect(writer.poll()).toBe(0);
    a.start(() => reader.read(a, new Uint8Array(1)));
    expect(writer.poll()).toBe(OUT);
    expect(b.start(() => writer.write(b, new Uint8Array(5000)))).toBe(4096);
  });

  it('answers the bytes already moved when a signal interrupts', () => {
    const { writer, b } = pipe();
    b.start(() => writer.write(b, new Uint8Array(70000)));
    b.interrupted = true;
    expect(b.resume()).toBe(65536);
    expect(b.start(() => writer.write(b, new Uint8Array(1)))).toBe(-ERESTARTSYS);
  });

  it('raises SIGPIPE without readers', () => {
    const { reader, writer, b } = pipe();
    reader.release();
    expect(writer.poll()).toBe(OUT | POLLERR);
    expect(b.start(() => writer.write(b, bytes('x')))).toBe(-EPIPE);
    expect(b.raised).toEqual([SIGPIPE]);
  });

  it('keeps packets apart in O_DIRECT mode', () => {
    const { reader, writer, a, b } = pipe(O_DIRECT);
    b.start(() => writer.write(b, bytes('one')));
    b.start(() => writer.write(b, bytes('two')));
    const into = new Uint8Array(2);
    expect(a.start(() => reader.read(a, into))).toBe(2);
    expect(a.start(() => reader.read(a, into))).toBe(2);
    expect(text(into)).toBe('tw');
  });

  it('resizes to powers of two, never below its content', () => {
    const { writer, b } = pipe();
    expect(writer.pipe.resize(b, 5000)).toBe(8192);
    b.start(() => writer.write(b, new Uint8Array(8192)));
    expect(writer.pipe.resize(b, 100)).toBe(-EBUSY);
    expect(writer.pipe.resize(b, 100000)).toBe(131072);
    expect(writer.poll()).toBe(OUT);
  });
});
