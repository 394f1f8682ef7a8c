import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EAGAIN, EDEADLK } from '../../src/abi/errno.ts';
import { F_RDLCK, F_UNLCK, F_WRLCK } from '../../src/abi/fs.ts';
import { LockTable } from '../../src/vfs/locks.ts';
import { BLOCKED } from '../../src/wait/wait.ts';
import { FakeCaller } from '../support/sleeper.ts';
import { memoryFs } from '../support/world.ts';

const inode = memoryFs().root;
const other = memoryFs(21).root;
const A = { name: 'a' };
const B = { name: 'b' };
const C = { name: 'c' };
const range = (type: number, start: number, end = Number.POSITIVE_INFINITY) => ({ type, start, end });

describe('record locks', () => {
  const s = new FakeCaller();
  const set = (locks: LockTable, owner: object, wanted: ReturnType<typeof range>, target = inode) =>
    locks.lock(s, target, owner, 1, wanted, false, true);

  test('exclude writers, share readers, and end where their owner closes the file', () => {
    const locks = new LockTable();
    expect(set(locks, A, range(F_RDLCK, 0, 10))).toBe(0);
    expect(set(locks, B, range(F_RDLCK, 5, 20))).toBe(0);
    expect(set(locks, B, range(F_WRLCK, 5, 20))).toBe(-EAGAIN);
    expect(set(locks, B, range(F_WRLCK, 10, 20))).toBe(0);
    expect(set(locks, A, range(F_RDLCK, 15, 16))).toBe(-EAGAIN);
    expect(set(locks, A, range(F_WRLCK, 15, 16), other)).toBe(0);
    expect(locks.conflict(inode, A, range(F_WRLCK, 0))).toMatchObject({ owner: B, start: 5, end: 10, type: F_RDLCK });
    locks.dropOwner(inode, B);
    expect(locks.conflict(inode, A, range(F_WRLCK, 0))).toBeUndefined();
  });

  test('of one owner behave like a painted line', () => {
    const piece = fc.record({
      type: fc.constantFrom(F_RDLCK, F_WRLCK, F_UNLCK),
      start: fc.integer({ min: 0, max: 20 }),
      length: fc.integer({ min: 1, max: 10 }),
    });
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
        const locks = new LockTable();
        const line = new Array<number>(32).fill(F_UNLCK);
        for (const { type, start, length } of pieces) {
          expect(set(locks, A, range(type, start, start + length))).toBe(0);
          line.fill(type, start, start + length);
        }
        const { records } = locks.held(inode);
        const painted = new Array<number>(32).fill(F_UNLCK);
        for (const lock of records) painted.fill(lock.type, lock.start, lock.end);
        expect(painted).toEqual(line);
        for (let i = 1; i < records.length; i++) {
          expect(records[i].start).toBeGreaterThanOrEqual(records[i - 1].end);
          // Neighbours of one kind are one lock.
          if (records[i].start === records[i - 1].end) expect(records[i].type).not.toBe(records[i - 1].type);
        }
      }),
    );
  });

  test('are waited for, and granted when they are free', () => {
    const locks = new LockTable();
    const waiter = new FakeCaller(2);
    expect(set(locks, A, range(F_WRLCK, 0))).toBe(0);
    const wait = () => locks.lock(waiter, inode, B, 2, range(F_WRLCK, 0, 5), true, true);
    expect(waiter.start(wait)).toBe(BLOCKED);
    expect(waiter.asleep).toBe(true);
    expect(set(locks, A, range(F_UNLCK, 0, 5))).toBe(0);
    expect(waiter.asleep).toBe(false);
    expect(waiter.resume()).toBe(0);
    expect(set(locks, A, range(F_RDLCK, 0, 1))).toBe(-EAGAIN);
  });

  test('a circle of waiters is a deadlock, also through a third', () => {
    const locks = new LockTable();
    const [a, b, c] = [new FakeCaller(1), new FakeCaller(2), new FakeCaller(3)];
    const wait = (caller: FakeCaller, owner: object, start: number) =>
      caller.start(() => locks.lock(caller, inode, owner, 1, range(F_WRLCK, start, start + 1), true, true));
    for (const [owner, start] of [
      [A, 0],
      [B, 1],
      [C, 2],
    ] as const) {
      expect(set(locks, owner, range(F_WRLCK, start, start + 1))).toBe(0);
    }
    expect(wait(a, A, 1)).toBe(BLOCKED);
    expect(wait(b, B, 2)).toBe(BLOCKED);
    expect(wait(c, C, 0)).toBe(-EDEADLK);
    locks.dropOwner(inode, C);
    expect(b.resume()).toBe(0);
  });

  test('an interrupted waiter is no part of a circle', () => {
    const locks = new LockTable();
    const [a, b] = [new FakeCaller(1), new FakeCaller(2)];
    set(locks, A, range(F_WRLCK, 0, 1));
    set(locks, B, range(F_WRLCK, 1, 2));
    expect(a.start(() => locks.lock(a, inode, A, 1, range(F_WRLCK, 1, 2), true, true))).toBe(BLOCKED);
    a.interrupted = true;
    expect(a.resume()).toBeLessThan(0);
    expect(b.start(() => locks.lock(b, inode, B, 2, range(F_WRLCK, 0, 1), true, true))).toBe(BLOCKED);
  });
});

describe('flock', () => {
  test('shares, excludes, converts and ends with its description', () => {
    const locks = new LockTable();
    const s = new FakeCaller();
    const flock = (owner: object, exclusive: boolean | null) => locks.flock(s, inode, owner, exclusive, false);
    expect(flock(A, false)).toBe(0);
    expect(flock(B, false)).toBe(0);
    expect(flock(A, true)).toBe(-EAGAIN);
    expect(flock(B, true)).toBe(0);
    expect(flock(A, false)).toBe(-EAGAIN);
    expect(locks.flock(s, inode, A, false, true)).toBe(BLOCKED);
    locks.dropDescription(inode, B);
    expect(flock(A, true)).toBe(0);
    expect(flock(A, null)).toBe(0);
    expect(flock(B, true)).toBe(0);
  });
});
