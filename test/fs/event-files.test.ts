import { describe, expect, it } from 'vitest';
import { EAGAIN, EINVAL } from '../../src/abi/errno.ts';
import { O_NONBLOCK } from '../../src/abi/fs.ts';
import { TFD_TIMER_ABSTIME } from '../../src/abi/poll.ts';
import { SIGCHLD, SIGKILL, SIGUSR1, setOf } from '../../src/abi/signal.ts';
import { AnonymousFileSystems } from '../../src/fs/anonymous.ts';
import { EventFile } from '../../src/fs/eventfd.ts';
import { SignalFile, type SignalSource, signalfdLayout, type TakenSignal } from '../../src/fs/signalfd.ts';
import { TimerFile } from '../../src/fs/timerfd.ts';
import { POLLIN, POLLOUT } from '../../src/vfs/open-file.ts';
import { BLOCKED, WaitQueue } from '../../src/wait/wait.ts';
import { FakeCaller } from '../support/sleeper.ts';

const inode = new AnonymousFileSystems().anonymous.make(0o600, 0, 0, 0n);
const word = (value: bigint) => new Uint8Array(BigUint64Array.of(value).buffer);
const read = (s: FakeCaller, file: { read(s: FakeCaller, into: Uint8Array): number }) => {
  const into = new Uint8Array(8);
  const answer = s.start(() => file.read(s, into));
  return answer === 8 ? new DataView(into.buffer).getBigUint64(0, true) : answer;
};

describe('eventfd', () => {
  it('adds up and is read at once', () => {
    const s = new FakeCaller();
    const file = new EventFile(inode, { count: 3n, semaphore: false }, O_NONBLOCK);
    expect(file.write(s, word(4n))).toBe(8);
    expect(file.poll()).toBe(POLLIN | POLLOUT);
    expect(read(s, file)).toBe(7n);
    expect(read(s, file)).toBe(-EAGAIN);
    expect(file.write(s, word(0xffff_ffff_ffff_ffffn))).toBe(-EINVAL);
    expect(file.write(s, word(0xffff_ffff_ffff_fffen))).toBe(8);
    expect(file.poll()).toBe(POLLIN);
    expect(file.write(s, word(1n))).toBe(-EAGAIN);
    expect(file.read(s, new Uint8Array(7))).toBe(-EINVAL);
  });

  it('counts down as a semaphore and wakes a sleeping reader', () => {
    const [a, b] = [new FakeCaller(1), new FakeCaller(2)];
    const file = new EventFile(inode, { count: 0n, semaphore: true });
    expect(a.start(() => file.read(a, new Uint8Array(8)))).toBe(BLOCKED);
    file.write(b, word(2n));
    expect(a.resume()).toBe(8);
    expect(read(b, file)).toBe(1n);
    expect(file.fdinfo()).toBe('eventfd-count:                0\n');
  });
});

describe('timerfd', () => {
  const timer = (s: FakeCaller, clock: number, flags = O_NONBLOCK) =>
    new TimerFile(inode, s.clock, { clock, next: -1, interval: 0, ticks: 0n, setFlags: 0 }, flags);

  it('expires once, or every interval', () => {
    const s = new FakeCaller();
    const file = timer(s, 1);
    file.set({ value: 500n, interval: 100n }, 0);
    s.clock.advance(499);
    expect(file.poll()).toBe(0);
    expect(file.get()).toEqual({ value: 1, interval: 100 });
    s.clock.advance(250);
    expect(file.poll()).toBe(POLLIN);
    expect(read(s, file)).toBe(3n);
    expect(read(s, file)).toBe(-EAGAIN);
    expect(file.set({ value: 0n, interval: 0n }, 0)).toEqual({ value: 51, interval: 100 });
    s.clock.advance(1000);
    expect(file.poll()).toBe(0);
  });

  it('takes absolute times of either clock and wakes its reader', () => {
    const s = new FakeCaller();
    for (const clock of [0, 1]) {
      const file = timer(s, clock, 0);
      const now = clock === 0 ? s.realtime() : BigInt(s.now());
      file.set({ value: now + 1000n, interval: 0n }, TFD_TIMER_ABSTIME);
      expect(s.start(() => file.read(s, new Uint8Array(8)))).toBe(BLOCKED);
      s.clock.advance(1000);
      expect(s.asleep).toBe(false);
      expect(s.resume()).toBe(8);
    }
  });
});

describe('signalfd', () => {
  it('reads pending signals of its mask', () => {
    const s = new FakeCaller();
    const queue: TakenSignal[] = [];
    const matches = (set: bigint) => (signal: TakenSignal) => (set & setOf(signal.signo)) !== 0n;
    const source: SignalSource = {
      arrivals: new WaitQueue(),
      pending: (set) => queue.some(matches(set)),
      take(set) {
        const index = queue.findIndex(matches(set));
        return index < 0 ? undefined : queue.splice(index, 1)[0];
      },
    };
    const file = new SignalFile(inode, source, setOf(SIGUSR1, SIGKILL));
    expect(file.fdinfo()).toBe('sigmask:\t0000000000000200\n');
    const into = new Uint8Array(300);
    expect(signalfdLayout.size).toBe(128);
    expect(s.start(() => file.read(s, new Uint8Array(127)))).toBe(-EINVAL);
    queue.push({ signo: SIGCHLD, code: 1 });
    expect(s.start(() => file.read(s, into))).toBe(BLOCKED);
    queue.push({ signo: SIGUSR1, code: -1, pid: 12, uid: 34, value: 56 });
    source.arrivals.wake();
    expect(file.poll()).toBe(POLLIN);
    expect(s.resume()).toBe(128);
    const record = signalfdLayout.read(new DataView(into.buffer), 0);
    expect(record).toMatchObject({ signo: SIGUSR1, code: -1, pid: 12, uid: 34, int: 56, ptr: 56n });
  });
});
