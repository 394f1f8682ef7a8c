/** signalfd(2): pending signals of whoever reads, as records. */
import { EAGAIN, EINVAL } from '../abi/errno.ts';
import { O_NONBLOCK, O_RDWR } from '../abi/fs.ts';
import { SIGKILL, SIGSTOP, setOf } from '../abi/signal.ts';
import { bytes, i32, pad, struct, u16, u32, u64 } from '../abi/struct.ts';
import type { Inode } from '../vfs/inode.ts';
import { OpenFile, POLLIN } from '../vfs/open-file.ts';
import type { Sleeper, WaitQueue } from '../wait/wait.ts';

/** struct signalfd_siginfo (linux/signalfd.h): 128 bytes. */
export const signalfdLayout = struct({
  signo: u32,
  errno: i32,
  code: i32,
  pid: u32,
  uid: u32,
  fd: i32,
  tid: u32,
  band: u32,
  overrun: u32,
  trapno: u32,
  status: i32,
  int: i32,
  ptr: u64,
  utime: u64,
  stime: u64,
  addr: u64,
  addrLsb: u16,
  pad2: pad(2),
  syscall: i32,
  callAddr: u64,
  arch: u32,
  rest: bytes(28),
});

/** One signal that was taken: what its siginfo held; absent fields are 0. */
export interface TakenSignal {
  signo: number;
  code: number;
  errno?: number;
  pid?: number;
  uid?: number;
  fd?: number;
  timer?: number;
  band?: number;
  overrun?: number;
  status?: number;
  value?: number;
  utime?: number;
  stime?: number;
  addr?: number;
  trapno?: number;
}

/** The pending signals of tasks: the kernel implements it. */
export interface SignalSource {
  /** Woken when a signal becomes pending for anyone. */
  readonly arrivals: WaitQueue;
  /** Takes a signal of the set that is pending for the task that runs now, the thread's own first. */
  take(set: bigint): TakenSignal | undefined;
  /** Whether one is pending for the task that runs now. */
  pending(set: bigint): boolean;
}

export class SignalFile extends OpenFile {
  readonly inode: Inode;
  override readonly ready: WaitQueue;
  /** Signals it answers: plain data, all its state. */
  mask: bigint;
  readonly #source: SignalSource;

  constructor(inode: Inode, source: SignalSource, mask: bigint, flags = 0) {
    super(O_RDWR | flags);
    this.inode = inode;
    this.#source = source;
    this.ready = source.arrivals;
    this.mask = deliverable(mask);
  }

  /** signalfd(2) on an open one. */
  setMask(mask: bigint): void {
    this.mask = deliverable(mask);
    this.ready.wake(POLLIN);
  }

  describe(): string {
    return 'anon_inode:[signalfd]';
  }

  /** noop_llseek. */
  override seek(): number {
    return this.position;
  }

  override fdinfo(): string {
    return `sigmask:\t${this.mask.toString(16).padStart(16, '0')}\n`;
  }

  override read(s: Sleeper, into: Uint8Array): number {
    const { size } = signalfdLayout;
    const room = Math.floor(into.length / size);
    if (room === 0) return -EINVAL;
    const view = new DataView(into.buffer, into.byteOffset, into.byteLength);
    let count = 0;
    for (; count < room; count++) {
      const signal = this.#source.take(this.mask);
      if (signal === undefined) break;
      signalfdLayout.write(view, count * size, record(signal));
    }
    if (count > 0) return count * size;
    return this.flags & O_NONBLOCK ? -EAGAIN : s.block(this.ready);
  }

  override poll(): number {
    return this.#source.pending(this.mask) ? POLLIN : 0;
  }
}

function deliverable(mask: bigint): bigint {
  return mask & ~setOf(SIGKILL, SIGSTOP);
}

function record(signal: TakenSignal) {
  const { signo, code, errno = 0, pid = 0, uid = 0, fd = 0, timer = 0, band = 0, overrun = 0 } = signal;
  const { trapno = 0, status = 0, value = 0, utime = 0, stime = 0, addr = 0 } = signal;
  return {
    ...{ signo, errno, code, pid, uid, fd, tid: timer, band, overrun, trapno, status, int: value },
    ptr: BigInt(value >>> 0),
    utime: BigInt(utime),
    stime: BigInt(stime),
    addr: BigInt(addr >>> 0),
    ...{ addrLsb: 0, syscall: 0, callAddr: 0n, arch: 0, rest: new Uint8Array(28) },
  };
}
