import { execFileSync } from 'node:child_process';
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { POLLIN, POLLOUT } from '../../src/host/poll.ts';
import { HostDescriptor } from '../../src/host/stdio.ts';

const EAGAIN = -11;
const EPIPE = -32;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tallship-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Both ends of a pipe with a name: what the shell's `|` passes on, opened as a caller would. */
function pipe(): { read: number; write: number } {
  const path = join(directory, 'pipe');
  execFileSync('mkfifo', [path]);
  const both = openSync(path, constants.O_RDWR);
  const read = openSync(path, constants.O_RDONLY);
  const write = openSync(path, constants.O_WRONLY);
  closeSync(both);
  return { read, write };
}

function ready(descriptor: HostDescriptor, events: number): Promise<number | undefined> {
  return new Promise((resolve) => descriptor.whenReady(events, resolve));
}

function flagsOf(fd: number): number {
  return Number.parseInt(/flags:\s*(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))![1], 8);
}

describe('HostDescriptor on a pipe', () => {
  it('reads what was asked for and no more', () => {
    const ends = pipe();
    const input = new HostDescriptor(ends.read);
    writeSync(ends.write, 'hello world');
    const bytes = new Uint8Array(5);
    expect(input.read(bytes)).toBe(5);
    expect(Buffer.from(bytes).toString()).toBe('hello');
    const rest = Buffer.alloc(100);
    expect(readSync(ends.read, rest)).toBe(6);
    input.close();
    closeSync(ends.write);
  });

  it('does not wait, and tells when there is something', async () => {
    const ends = pipe();
    const input = new HostDescriptor(ends.read);
    expect(input.read(new Uint8Array(1))).toBe(EAGAIN);
    const woken = ready(input, POLLIN);
    setTimeout(() => writeSync(ends.write, 'x'), 20);
    expect(((await woken) ?? POLLIN) & POLLIN).toBe(POLLIN);
    expect(input.read(new Uint8Array(1))).toBe(1);
    closeSync(ends.write);
    expect(input.read(new Uint8Array(1))).toBe(0);
    input.close();
  });

  it('leaves the flags that it shares with others as they are', () => {
    const ends = pipe();
    const before = flagsOf(ends.read);
    const input = new HostDescriptor(ends.read);
    expect(flagsOf(ends.read)).toBe(before);
    input.close();
    closeSync(ends.write);
  });

  it('fills the pipe, waits for room, and goes on', async () => {
    const ends = pipe();
    const output = new HostDescriptor(ends.write);
    const block = new Uint8Array(65536);
    let written = 0;
    for (let n = output.write(block); n !== EAGAIN; n = output.write(block)) written += n;
    expect(written).toBeGreaterThan(0);
    const woken = ready(output, POLLOUT);
    readSync(ends.read, Buffer.alloc(written));
    await woken;
    expect(output.write(new Uint8Array(4))).toBe(4);
    output.close();
    closeSync(ends.read);
  });

  it('answers EPIPE when nobody reads', () => {
    const ends = pipe();
    const output = new HostDescriptor(ends.write);
    closeSync(ends.read);
    expect(output.write(new Uint8Array(1))).toBe(EPIPE);
    output.close();
  });

  it('wakes several waiters of several descriptors', async () => {
    const ends = pipe();
    const input = new HostDescriptor(ends.read);
    const output = new HostDescriptor(ends.write);
    const both = [ready(input, POLLIN), ready(input, POLLIN), ready(output, POLLOUT)];
    await both[2];
    output.write(Buffer.from('x'));
    await Promise.all(both);
    input.close();
    output.close();
  });
});

describe('HostDescriptor on a regular file', () => {
  it('shares its offset with whoever passed it on', () => {
    const path = join(directory, 'file');
    writeFileSync(path, 'one two three');
    const fd = openSync(path, 'r');
    const file = new HostDescriptor(fd);
    file.read(new Uint8Array(4));
    const rest = Buffer.alloc(3);
    readSync(fd, rest, 0, 3, null);
    expect(rest.toString()).toBe('two');
    expect(file.seek(0, 1)).toBe(7);
    expect(file.seek(1, 0)).toBe(1);
    expect(file.readAt(8, rest)).toBe(3);
    expect(rest.toString()).toBe('thr');
    file.close();
  });
});
