import { describe, expect, it } from 'vitest';
import { EAGAIN, EBADF, EINVAL, EPIPE } from '../../src/abi/errno.ts';
import { O_CREAT, O_NONBLOCK, O_RDWR } from '../../src/abi/fs.ts';
import { AnonymousFileSystems } from '../../src/fs/anonymous.ts';
import { MemFs } from '../../src/fs/memfs.ts';
import { pipePair } from '../../src/fs/pipe.ts';
import { splice, tee } from '../../src/fs/splice.ts';
import { BLOCKED } from '../../src/wait/wait.ts';
import { FakeCaller } from '../support/sleeper.ts';
import { World } from '../support/world.ts';

const { pipes } = new AnonymousFileSystems();
const bytes = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));
const side = (file: Parameters<typeof splice>[1]['file'], offset: number | null = null) => ({ file, offset });

function setup() {
  const s = new World(new MemFs({ device: 1, now: 0n }));
  const file = s.open('/f', O_CREAT | O_RDWR);
  s.run(() => file.write(s, bytes('0123456789')));
  const [r, w] = pipePair(pipes, 0, 0, 0n, 0);
  const text = (source = r) => {
    const into = new Uint8Array(100);
    return String.fromCharCode(
      ...into.subarray(
        0,
        s.run(() => source.read(s, into)),
      ),
    );
  };
  return { s, file, r, w, text };
}

describe('splice', () => {
  it('moves from a file into a pipe, at a position of its own or the file’s', () => {
    const { s, file, w, text } = setup();
    const at = side(file, 7);
    expect(s.start(() => splice(s, at, side(w), 100, false))).toBe(3);
    expect(at.offset).toBe(10);
    s.run(() => file.seek(s, 2, 0));
    expect(s.start(() => splice(s, side(file), side(w), 2, false))).toBe(2);
    expect([text(), file.position]).toEqual(['78923', 4]);
  });

  it('moves from a pipe into a file, and what was not taken stays', () => {
    const { s, file, r, w, text } = setup();
    s.run(() => w.write(s, bytes('abcdef')));
    const to = side(file, 4);
    expect(s.start(() => splice(s, side(r), to, 4, false))).toBe(4);
    expect([to.offset, text()]).toEqual([8, 'ef']);
  });

  it('waits for content, for room, and not when told so', () => {
    const { s, r, w } = setup();
    const [, target] = pipePair(pipes, 0, 0, 0n, 0);
    expect(s.start(() => splice(s, side(r), side(target), 9, true))).toBe(-EAGAIN);
    expect(s.start(() => splice(s, side(r), side(target), 9, false))).toBe(BLOCKED);
    new FakeCaller(2).start(() => w.write(s, bytes('hello')));
    expect(s.resume()).toBe(5);
    w.release();
    expect(s.start(() => splice(s, side(r), side(target), 9, false))).toBe(0);
  });

  it('refuses what is no pipe, the wrong ends, and pipes without reader', () => {
    const { s, file, r, w } = setup();
    expect(splice(s, side(file), side(file), 1, false)).toBe(-EINVAL);
    expect(splice(s, side(w), side(r), 1, false)).toBe(-EBADF);
    r.release();
    expect(s.start(() => splice(s, side(file, 0), side(w), 1, false))).toBe(-EPIPE);
  });
});

describe('tee', () => {
  it('copies and leaves the bytes where they are', () => {
    const { s, r, w, text } = setup();
    const [copy, target] = pipePair(pipes, 0, 0, 0n, O_NONBLOCK);
    s.run(() => w.write(s, bytes('twice')));
    expect(s.start(() => tee(s, r, target, 100, false))).toBe(5);
    expect([text(copy), text()]).toEqual(['twice', 'twice']);
    expect(tee(s, r, w, 1, false)).toBe(-EINVAL);
  });
});
