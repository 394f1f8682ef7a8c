import { bit, SIGRTMIN } from '../abi/signal.ts';

/** What siginfo_t tells of one signal. Plain data; fields that a kind of signal does not have are absent. */
export interface SignalInfo {
  signo: number;
  code: number;
  errno?: number;
  pid?: number;
  uid?: number;
  value?: number;
  addr?: number;
  status?: number;
  utime?: number;
  stime?: number;
  band?: number;
  fd?: number;
  timer?: number;
  overrun?: number;
  /** Bytes 12 to 128, as rt_sigqueueinfo gave them. */
  raw?: Uint8Array;
  /** Of a fault: what the sigcontext shows. */
  trapno?: number;
  err?: number;
  cr2?: number;
  /** Sent by the machine for a fault of the instruction: fatal when blocked or ignored. */
  forced?: boolean;
}

/** Pending signals of a task or of a thread group: standard ones once, realtime ones queued in order. */
export class SignalQueue {
  set = 0n;
  readonly entries: SignalInfo[] = [];

  /** True when it was queued; false when that standard signal was pending already. */
  add(info: SignalInfo): boolean {
    const mask = bit(info.signo);
    if (info.signo < SIGRTMIN && (this.set & mask) !== 0n) return false;
    this.set |= mask;
    this.entries.push(info);
    return true;
  }

  /** Takes the first pending signal of a set. */
  take(signal: number): SignalInfo | undefined {
    const index = this.entries.findIndex((entry) => entry.signo === signal);
    if (index < 0) return undefined;
    const [info] = this.entries.splice(index, 1);
    if (!this.entries.some((entry) => entry.signo === signal)) this.set &= ~bit(signal);
    return info;
  }

  /** Drops all pending signals of a set: SIGCONT drops stops, and the reverse; SIG_IGN drops what it ignores. */
  flush(set: bigint): void {
    if ((this.set & set) === 0n) return;
    this.set &= ~set;
    for (let i = this.entries.length; i-- > 0; ) {
      if ((bit(this.entries[i].signo) & set) !== 0n) this.entries.splice(i, 1);
    }
  }
}

/** The lowest signal of a set, as Linux delivers them; 0 for the empty set. */
export function lowest(set: bigint): number {
  if (set === 0n) return 0;
  const low = Number(set & 0xffffffffn);
  if (low !== 0) return 32 - Math.clz32(low & -low);
  const high = Number((set >> 32n) & 0xffffffffn);
  return 64 - Math.clz32(high & -high);
}
