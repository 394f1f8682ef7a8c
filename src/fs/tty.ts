/** Terminals: what all kinds have in common (tty(4)): sessions, the foreground group, hang-up, open files. */
import { EIO } from '../abi/errno.ts';
import { O_ACCMODE, O_NOCTTY, O_NONBLOCK, O_WRONLY } from '../abi/fs.ts';
import { SIGCONT, SIGHUP, SIGTTIN, SIGTTOU, SIGWINCH } from '../abi/signal.ts';
import { type Termios, TOSTOP, type WindowSize } from '../abi/tty.ts';
import type { Inode } from '../vfs/inode.ts';
import {
  OpenFile,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLRDNORM,
  POLLWRNORM,
  type UserMemory,
} from '../vfs/open-file.ts';
import { ERESTARTSYS, type Sleeper, WaitQueue } from '../wait/wait.ts';
import { blocksOrIgnores, type ControllingTerminal, callerOf, type Jobs, type Session } from './caller.ts';
import { ttyIoctl } from './tty-ioctl.ts';

export type When = 'now' | 'drained' | 'flushed';

export abstract class Tty implements ControllingTerminal {
  readonly device: number;
  readonly jobs: Jobs;
  /** 'pts0': for messages. */
  readonly name: string;
  /** Whose controlling terminal this is. */
  session: Session | null = null;
  foreground = 0;
  hungUp = false;
  /** TIOCEXCL. */
  exclusive = false;
  /** Open file descriptions. */
  opens = 0;
  /** Woken with POLL* bits on every change that readers, writers and pollers look at. */
  readonly changed = new WaitQueue();

  constructor(device: number, name: string, jobs: Jobs) {
    this.device = device;
    this.name = name;
    this.jobs = jobs;
  }

  abstract readonly termios: Termios;
  abstract setTermios(s: Sleeper, termios: Termios, when: When): number;
  abstract readonly windowSize: WindowSize;
  /** Sets the size; true when it has changed. */
  abstract changeWindowSize(size: WindowSize): boolean;
  abstract read(s: Sleeper, file: TtyFile, into: Uint8Array): number;
  abstract write(s: Sleeper, file: TtyFile, from: Uint8Array): number;
  /** POLLIN, POLLOUT and their kin, while not hung up. */
  abstract poll(): number;
  abstract readonly inputLength: number;
  /** tcflush: TCIFLUSH, TCOFLUSH, TCIOFLUSH. */
  abstract flush(queue: number): void;
  /** tcflow: TCOOFF, TCOON, TCIOFF, TCION. */
  abstract flow(action: number): number;
  /** TIOCSTI: as if typed. */
  abstract insert(char: number): number;
  /** tcdrain. */
  abstract drain(s: Sleeper): number;
  /** ioctls of this kind alone; null: no such. */
  extraIoctl(_s: Sleeper, _memory: UserMemory, _command: number, _argument: number): number | null {
    return null;
  }
  /** An open file was added (1) or released (-1). */
  countOpens(by: number): void {
    this.opens += by;
  }
  /** Whose settings, size and session ioctls mean: a pty's master answers for its slave. */
  get line(): Tty {
    return this;
  }

  resize(size: WindowSize): void {
    if (!this.changeWindowSize(size)) return;
    if (this.foreground > 0) this.jobs.signalGroup(this.foreground, SIGWINCH);
  }

  /** TIOCSCTTY, and open(2) without O_NOCTTY. */
  attach(session: Session, group: number): void {
    if (this.session !== null) this.session.terminal = null;
    this.session = session;
    session.terminal = this;
    this.foreground = group;
  }

  leaderExited(): void {
    const group = this.foreground;
    this.detach();
    if (group > 0) for (const signal of [SIGHUP, SIGCONT]) this.jobs.signalGroup(group, signal);
  }

  detach(): void {
    if (this.session !== null) this.session.terminal = null;
    this.session = null;
    this.foreground = 0;
  }

  /** The line is gone: files that are open stay dead, the session leader is told. */
  hangUp(): void {
    const leader = this.session?.id;
    this.hungUp = true;
    this.detach();
    if (leader !== undefined) for (const signal of [SIGHUP, SIGCONT]) this.jobs.signalProcess(leader, signal);
    this.changed.wake();
  }

  /**
   * Whether a process may touch its terminal (tty_check_change): 0, or what its call answers after a background group
   * has got SIGTTIN or SIGTTOU.
   */
  checkForeground(s: Sleeper, signal: number): number {
    const caller = callerOf(s);
    const { group } = caller;
    if (group.session.terminal !== this || this.foreground === 0 || group.processGroup === this.foreground) return 0;
    if (blocksOrIgnores(caller, signal)) return signal === SIGTTIN ? -EIO : 0;
    if (this.jobs.isOrphaned(group.processGroup)) return -EIO;
    this.jobs.signalGroup(group.processGroup, signal);
    return -ERESTARTSYS;
  }
}

const HUNG_UP = POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDNORM | POLLWRNORM;

/** An open terminal. */
export class TtyFile extends OpenFile {
  readonly tty: Tty;
  readonly inode: Inode;
  override readonly ready: WaitQueue;
  /** It was open when the terminal was hung up. */
  dead = false;

  constructor(tty: Tty, inode: Inode, flags: number) {
    super(flags & ~O_NOCTTY);
    this.tty = tty;
    this.inode = inode;
    this.ready = tty.changed;
    tty.countOpens(1);
  }

  get hungUp(): boolean {
    return (this.dead ||= this.tty.hungUp);
  }
  get nonBlocking(): boolean {
    return (this.flags & O_NONBLOCK) !== 0;
  }

  describe(): string {
    return this.tty.name;
  }

  override read(s: Sleeper, into: Uint8Array): number {
    if (this.hungUp) return 0;
    const allowed = this.tty.checkForeground(s, SIGTTIN);
    return allowed < 0 ? allowed : this.tty.read(s, this, into);
  }

  override write(s: Sleeper, from: Uint8Array): number {
    if (this.hungUp) return s.progress || -EIO;
    if (this.tty.termios.lflag & TOSTOP) {
      const allowed = this.tty.checkForeground(s, SIGTTOU);
      if (allowed < 0) return allowed;
    }
    return this.tty.write(s, this, from);
  }

  override poll(): number {
    return this.hungUp ? HUNG_UP : this.tty.poll();
  }

  override ioctl(s: Sleeper, memory: UserMemory, command: number, argument: number): number {
    if (this.hungUp) return -EIO;
    return ttyIoctl(this, s, memory, command, argument);
  }

  override release(): void {
    this.tty.countOpens(-1);
  }
}

/** open(2) of a terminal; without O_NOCTTY it may become the controlling one of a session leader's. */
export function openTty(s: Sleeper, tty: Tty, inode: Inode, flags: number): TtyFile {
  const { group } = callerOf(s);
  const mayControl = (flags & O_NOCTTY) === 0 && (flags & O_ACCMODE) !== O_WRONLY;
  if (mayControl && group.id === group.session.id && group.session.terminal === null && tty.session === null) {
    tty.attach(group.session, group.processGroup);
  }
  return new TtyFile(tty, inode, flags);
}
