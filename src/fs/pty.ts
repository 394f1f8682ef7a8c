/** Pseudoterminals (pty(7)): a slave with a line discipline, and a master that is its keyboard and screen. */
import { EAGAIN, EIO } from '../abi/errno.ts';
import { makeDevice } from '../abi/fs.ts';
import { i32 } from '../abi/struct.ts';
import * as TTY from '../abi/tty.ts';
import type { Attributes } from '../vfs/inode.ts';
import { POLLHUP, POLLIN, POLLOUT, POLLPRI, POLLRDNORM, POLLWRNORM, type UserMemory } from '../vfs/open-file.ts';
import { BLOCKED, type Sleeper } from '../wait/wait.ts';
import { ByteQueue } from './byte-queue.ts';
import type { Jobs } from './caller.ts';
import { NTty, type NTtyState, newNTtyState } from './n-tty.ts';
import { Tty, type TtyFile, type When } from './tty.ts';
import { getUser, putUser } from './user.ts';

const IN = POLLIN | POLLRDNORM;
const OUT = POLLOUT | POLLWRNORM;
/** Output that the master has not read yet. */
const OUTPUT_LIMIT = 8192;
const DECISECOND = 100_000_000;

export interface PtyState {
  index: number;
  discipline: NTtyState;
  windowSize: TTY.WindowSize;
  /** Written by the slave, not read by the master. */
  output: Uint8Array[];
  locked: boolean;
  /** Packet mode of the master, and the control bits it has not read. */
  packets: boolean;
  control: number;
  slaveOpened: boolean;
}

export function newPtyState(index: number): PtyState {
  return {
    index,
    discipline: newNTtyState(TTY.initialTermios()),
    windowSize: { row: 0, col: 0, xpixel: 0, ypixel: 0 },
    ...{ output: [], locked: true, packets: false, control: 0, slaveOpened: false },
  };
}

export class PtySlave extends Tty {
  readonly state: PtyState;
  readonly discipline: NTty;
  readonly output: ByteQueue;
  master!: PtyMaster;
  /** Of its node in /dev/pts. */
  stat: Attributes | null = null;

  constructor(state: PtyState, jobs: Jobs) {
    super(makeDevice(136 + (state.index >> 8), state.index & 0xff), `/dev/pts/${state.index}`, jobs);
    this.state = state;
    this.output = new ByteQueue(state.output);
    const sink = {
      room: () => Math.max(0, OUTPUT_LIMIT - this.output.length),
      put: (bytes: Uint8Array) => {
        this.output.push(bytes);
        this.master.changed.wake(IN);
      },
      flush: () => this.#flushOutput(),
    };
    this.discipline = new NTty(state.discipline, sink, {
      signal: (signal) => {
        if (this.foreground > 0) jobs.signalGroup(this.foreground, signal);
      },
      inputReady: () => this.changed.wake(IN),
      outputStarted: () => {
        this.changed.wake(OUT);
        this.#tell(TTY.TIOCPKT_START, TTY.TIOCPKT_STOP);
      },
      outputStopped: () => this.#tell(TTY.TIOCPKT_STOP, TTY.TIOCPKT_START),
      inputFlushed: () => this.#tell(TTY.TIOCPKT_FLUSHREAD, 0),
    });
  }

  get termios(): TTY.Termios {
    return this.state.discipline.termios;
  }

  setTermios(_s: Sleeper, termios: TTY.Termios, when: When): number {
    if (when === 'flushed') this.discipline.flushInput();
    const old = flowControlled(this.termios);
    this.discipline.setTermios(termios);
    const now = flowControlled(termios);
    if (old !== now) {
      const [on, off] = [TTY.TIOCPKT_DOSTOP, TTY.TIOCPKT_NOSTOP];
      this.#tell(now ? on : off, now ? off : on);
    }
    this.changed.wake(IN | OUT);
    return 0;
  }

  get windowSize(): TTY.WindowSize {
    return this.state.windowSize;
  }

  changeWindowSize(size: TTY.WindowSize): boolean {
    const old = this.state.windowSize;
    this.state.windowSize = size;
    return old.row !== size.row || old.col !== size.col || old.xpixel !== size.xpixel || old.ypixel !== size.ypixel;
  }

  read(s: Sleeper, file: TtyFile, into: Uint8Array): number {
    if (into.length === 0) return 0;
    const { discipline } = this;
    const { cc, lflag } = this.termios;
    const raw = (lflag & TTY.ICANON) === 0;
    const waiting = discipline.state.input.length;
    if (discipline.ready(into.length, false) || (raw && waiting > 0 && file.nonBlocking)) return this.#take(into);
    const time = raw ? cc[TTY.VTIME] * DECISECOND : 0;
    const minimum = raw ? cc[TTY.VMIN] : 1;
    if (minimum === 0 && time === 0) return 0;
    if (file.nonBlocking) return -EAGAIN;
    const answer = s.block(this.changed, this.#deadline(s, minimum, time));
    return answer === 0 ? this.#take(into) : answer;
  }

  /** VTIME counts from the start where VMIN is 0, and otherwise from the last byte on. */
  #deadline(s: Sleeper, minimum: number, time: number): number | undefined {
    if (time === 0) return undefined;
    if (minimum === 0) return s.once(() => s.now() + time);
    const { input, lastInput } = this.discipline.state;
    return input.length > 0 ? lastInput + time : undefined;
  }

  #take(into: Uint8Array): number {
    const count = this.discipline.take(into);
    this.master.changed.wake(OUT);
    return count;
  }

  write(s: Sleeper, file: TtyFile, from: Uint8Array): number {
    s.progress += this.discipline.output.write(from.subarray(s.progress));
    if (s.progress === from.length) return s.progress;
    if (file.nonBlocking) return s.progress || -EAGAIN;
    const answer = s.block(this.changed);
    return answer === BLOCKED ? BLOCKED : s.progress || answer;
  }

  poll(): number {
    return (this.discipline.ready(1, true) ? IN : 0) | (this.discipline.output.open ? OUT : 0);
  }

  get inputLength(): number {
    return this.discipline.available;
  }

  flush(queue: number): void {
    if (queue !== TTY.TCOFLUSH) {
      this.discipline.flushInput();
      this.master.changed.wake(OUT);
      this.#tell(TTY.TIOCPKT_FLUSHREAD, 0);
    }
    if (queue !== TTY.TCIFLUSH) this.#flushOutput();
  }

  flow(action: number): number {
    if (action === TTY.TCOOFF) this.discipline.stop(true);
    else if (action === TTY.TCOON) this.discipline.start(true);
    else {
      const char = this.termios.cc[action === TTY.TCIOFF ? TTY.VSTOP : TTY.VSTART];
      if (char !== TTY.DISABLED_CHAR) this.discipline.output.sink.put(Uint8Array.of(char));
    }
    return 0;
  }

  insert(char: number): number {
    this.discipline.receive(Uint8Array.of(char), this.discipline.state.lastInput);
    return 0;
  }

  drain(): number {
    return 0;
  }

  override countOpens(by: number): void {
    super.countOpens(by);
    this.state.slaveOpened = true;
    if (this.opens === 0) this.master.changed.wake();
  }

  /** The master has read: there is room for output again. */
  outputTaken(): void {
    this.discipline.output.flushEchoes();
    if (this.discipline.output.open) this.changed.wake(OUT);
  }

  #flushOutput(): void {
    this.output.clear();
    this.changed.wake(OUT);
    this.#tell(TTY.TIOCPKT_FLUSHWRITE, 0);
  }

  /** Packet mode: the master is told of a change. */
  #tell(bits: number, instead: number): void {
    if (!this.state.packets) return;
    this.state.control = (this.state.control & ~instead) | bits;
    this.master.changed.wake(POLLPRI);
  }
}

export interface MasterHooks {
  now(): number;
  /** The last file of the master has gone. */
  closed(): void;
  /** Opens the slave: TIOCGPTPEER. */
  openSlave(s: Sleeper, flags: number): TtyFile | number;
}

export class PtyMaster extends Tty {
  readonly slave: PtySlave;
  readonly #hooks: MasterHooks;

  constructor(slave: PtySlave, hooks: MasterHooks) {
    super(makeDevice(5, 2), '/dev/ptmx', slave.jobs);
    this.slave = slave;
    this.#hooks = hooks;
    slave.master = this;
  }

  override get line(): Tty {
    return this.slave;
  }
  get termios(): TTY.Termios {
    return RAW;
  }
  setTermios(s: Sleeper, termios: TTY.Termios, when: When): number {
    return this.slave.setTermios(s, termios, when);
  }
  get windowSize(): TTY.WindowSize {
    return this.slave.windowSize;
  }
  changeWindowSize(size: TTY.WindowSize): boolean {
    return this.slave.changeWindowSize(size);
  }

  /** All files of the slave were closed, after there had been some. */
  get #slaveGone(): boolean {
    return this.slave.state.slaveOpened && this.slave.opens === 0;
  }

  read(s: Sleeper, file: TtyFile, into: Uint8Array): number {
    if (into.length === 0) return 0;
    const { state, output } = this.slave;
    if (state.packets && state.control !== 0) {
      into[0] = state.control;
      state.control = 0;
      return 1;
    }
    if (output.length > 0) {
      const prefix = state.packets ? 1 : 0;
      if (prefix === 1) into[0] = 0;
      const count = output.take(into.subarray(prefix));
      this.slave.outputTaken();
      return prefix + count;
    }
    if (this.#slaveGone) return -EIO;
    return file.nonBlocking ? -EAGAIN : s.block(this.changed);
  }

  write(s: Sleeper, file: TtyFile, from: Uint8Array): number {
    s.progress += this.slave.discipline.receive(from.subarray(s.progress), this.#hooks.now());
    if (s.progress === from.length) return s.progress;
    if (file.nonBlocking) return s.progress || -EAGAIN;
    const answer = s.block(this.changed);
    return answer === BLOCKED ? BLOCKED : s.progress || answer;
  }

  poll(): number {
    const { state, output, discipline } = this.slave;
    const full = !discipline.canonical && discipline.state.input.length >= 4095;
    let events = full ? 0 : OUT;
    if (output.length > 0) events |= IN;
    if (state.packets && state.control !== 0) events |= IN | POLLPRI;
    return this.#slaveGone ? events | POLLHUP : events;
  }

  get inputLength(): number {
    return this.slave.output.length;
  }

  flush(queue: number): void {
    if (queue !== TTY.TCOFLUSH) this.slave.output.clear();
    if (queue !== TTY.TCIFLUSH) this.slave.discipline.flushInput();
  }

  flow(): number {
    return 0;
  }

  insert(char: number): number {
    this.slave.output.push(Uint8Array.of(char));
    this.changed.wake(IN);
    return 0;
  }

  drain(): number {
    return 0;
  }

  override extraIoctl(_s: Sleeper, memory: UserMemory, command: number, argument: number): number | null {
    const { state } = this.slave;
    const set = (apply: (value: boolean) => void) => {
      const value = getUser(memory, argument, i32);
      if (value !== undefined) apply(value !== 0);
      return value === undefined ? -14 : 0;
    };
    switch (command) {
      case TTY.TIOCGPTN:
        return putUser(memory, argument, i32, state.index);
      case TTY.TIOCGPTLCK:
        return putUser(memory, argument, i32, state.locked ? 1 : 0);
      case TTY.TIOCGPKT:
        return putUser(memory, argument, i32, state.packets ? 1 : 0);
      case TTY.TIOCSPTLCK:
        return set((locked) => {
          state.locked = locked;
        });
      case TTY.TIOCPKT:
        return set((packets) => {
          state.packets = packets;
          state.control = 0;
        });
      default:
        return null;
    }
  }

  openPeer(s: Sleeper, flags: number): TtyFile | number {
    return this.#hooks.openSlave(s, flags);
  }

  override countOpens(by: number): void {
    super.countOpens(by);
    if (this.opens > 0) return;
    this.slave.hangUp();
    this.#hooks.closed();
  }
}

/** What the master's own files follow: no processing, no stop of background writers. */
const RAW: TTY.Termios = { ...TTY.initialTermios(), iflag: 0, oflag: 0, lflag: 0 };

/** ^S and ^Q stop and start output: what packet mode reports as DOSTOP. */
function flowControlled({ iflag, cc }: TTY.Termios): boolean {
  return (iflag & TTY.IXON) !== 0 && cc[TTY.VSTOP] === 19 && cc[TTY.VSTART] === 17;
}
