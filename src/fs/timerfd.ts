/** timerfd_create(2): a timer whose expirations are read as a number. */
import { EAGAIN, ECANCELED, EINVAL, ENOTTY } from '../abi/errno.ts';
import { O_NONBLOCK, O_RDWR } from '../abi/fs.ts';
import { TFD_TIMER_ABSTIME } from '../abi/poll.ts';
import type { Inode } from '../vfs/inode.ts';
import { OpenFile, POLLIN, type UserMemory } from '../vfs/open-file.ts';
import type { Sleeper } from '../wait/wait.ts';
import type { Alarms, Expiring } from './caller.ts';

export const CLOCK_REALTIME = 0;
const CLOCK_REALTIME_ALARM = 8;
const TFD_IOC_SET_TICKS = 0x40085400;

/** it_interval and it_value in nanoseconds. */
export interface TimerSetting {
  interval: number;
  value: number;
}

export interface TimerState {
  clock: number;
  /** Monotonic time of the next expiration; -1: disarmed. */
  next: number;
  interval: number;
  /** Expirations that nobody has read yet. */
  ticks: bigint;
  /** timerfd_settime's flags, for fdinfo. */
  setFlags: number;
}

export class TimerFile extends OpenFile implements Expiring {
  readonly inode: Inode;
  readonly state: TimerState;
  readonly #alarms: Alarms;

  constructor(inode: Inode, alarms: Alarms, state: TimerState, flags = 0) {
    super(O_RDWR | flags);
    this.inode = inode;
    this.state = state;
    this.#alarms = alarms;
    this.#arm();
  }

  describe(): string {
    return 'anon_inode:[timerfd]';
  }

  /** noop_llseek. */
  override seek(): number {
    return this.position;
  }

  override fdinfo(): string {
    const { clock, ticks, setFlags } = this.state;
    const { value, interval } = this.get();
    const time = (ns: number) => `(${Math.floor(ns / 1e9)}, ${Math.floor(ns % 1e9)})`;
    return (
      `clockid: ${clock}\nticks: ${ticks}\nsettime flags: 0${setFlags.toString(8)}\n` +
      `it_value: ${time(value)}\nit_interval: ${time(interval)}\n`
    );
  }

  /** timerfd_settime: answers the old setting. `value` 0 disarms. */
  set(setting: { interval: bigint; value: bigint }, flags: number): TimerSetting {
    const old = this.get();
    const { state } = this;
    state.ticks = 0n;
    state.setFlags = flags;
    state.interval = Number(setting.interval);
    state.next = setting.value === 0n ? -1 : this.#deadline(setting.value, flags);
    this.#arm();
    return old;
  }

  /** timerfd_gettime. */
  get(): TimerSetting {
    this.#count();
    const { next, interval } = this.state;
    return { interval, value: next < 0 ? 0 : Math.max(1, next - this.#alarms.clock.now()) };
  }

  override read(s: Sleeper, into: Uint8Array): number {
    if (into.length < 8) return -EINVAL;
    this.#count();
    const { state } = this;
    if (state.ticks === 0n) return this.flags & O_NONBLOCK ? -EAGAIN : s.block(this.ready);
    new DataView(into.buffer, into.byteOffset).setBigUint64(0, state.ticks, true);
    state.ticks = 0n;
    return 8;
  }

  override poll(): number {
    this.#count();
    return this.state.ticks > 0n ? POLLIN : 0;
  }

  override ioctl(_s: Sleeper, memory: UserMemory, command: number, argument: number): number {
    if (command !== TFD_IOC_SET_TICKS) return -ENOTTY;
    const ticks = memory.view(argument, 8, false);
    if (typeof ticks === 'number') return ticks;
    const value = new DataView(ticks.buffer, ticks.byteOffset).getBigUint64(0, true);
    if (value === 0n) return -EINVAL;
    if (this.state.next < 0) return -ECANCELED;
    this.state.ticks = value;
    this.ready.wake(POLLIN);
    return 0;
  }

  /** The alarm went off. */
  expire(): void {
    this.#count();
    this.#arm();
    if (this.state.ticks > 0n) this.ready.wake(POLLIN);
  }

  override release(): void {
    this.#alarms.timers.remove(this);
  }

  #deadline(value: bigint, flags: number): number {
    const now = this.#alarms.clock.now();
    if ((flags & TFD_TIMER_ABSTIME) === 0) return now + Number(value);
    const { clock } = this.state;
    if (clock !== CLOCK_REALTIME && clock !== CLOCK_REALTIME_ALARM) return Number(value);
    return Math.max(0, now + Number(value - this.#alarms.clock.realtime()));
  }

  /** Counts the expirations that time has brought. */
  #count(): void {
    const { state } = this;
    const late = this.#alarms.clock.now() - state.next;
    if (state.next < 0 || late < 0) return;
    const count = state.interval > 0 ? Math.floor(late / state.interval) + 1 : 1;
    state.ticks += BigInt(count);
    state.next = state.interval > 0 ? state.next + count * state.interval : -1;
  }

  #arm(): void {
    if (this.state.next < 0) this.#alarms.timers.remove(this);
    else this.#alarms.timers.add(this.state.next, this);
  }
}
