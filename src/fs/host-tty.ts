/**
 * The terminal Tallship was started on, as the guest's. Line editing, echo and Ctrl-C stay with the host's line discipline;
 * sessions, the foreground group and job control are the guest's own (tty.ts), as the host knows only Tallship.
 */
import { EAGAIN, EIO } from '../abi/errno.ts';
import * as TTY from '../abi/tty.ts';
import type { Descriptor } from '../host/stdio.ts';
import type { Terminal } from '../host/tty.ts';
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../vfs/open-file.ts';
import { BLOCKED, type Sleeper } from '../wait/wait.ts';
import type { Jobs } from './caller.ts';
import { Tty, type TtyFile, type When } from './tty.ts';

const DECISECOND = 100_000_000;
const SET = { now: TTY.TCSETS, drained: TTY.TCSETSW, flushed: TTY.TCSETSF } as const;
const SET2 = { now: TTY.TCSETS2, drained: TTY.TCSETSW2, flushed: TTY.TCSETSF2 } as const;

export class HostTty extends Tty {
  readonly #host: Descriptor;
  readonly #terminal: Terminal;

  constructor(host: Descriptor, terminal: Terminal, device: number, name: string, jobs: Jobs) {
    super(device, name, jobs);
    this.#host = host;
    this.#terminal = terminal;
  }

  get termios(): TTY.Termios {
    const bytes = new Uint8Array(TTY.termios2Layout.size);
    const view = new DataView(bytes.buffer);
    if (this.#terminal.ioctl(TTY.TCGETS2, bytes) >= 0) return TTY.termios2Layout.read(view, 0);
    if (this.#terminal.ioctl(TTY.TCGETS, bytes) < 0) return TTY.initialTermios();
    return { ...TTY.termiosLayout.read(view, 0), ispeed: 38400, ospeed: 38400 };
  }

  setTermios(_s: Sleeper, termios: TTY.Termios, when: When): number {
    const bytes = new Uint8Array(TTY.termios2Layout.size);
    TTY.termios2Layout.write(new DataView(bytes.buffer), 0, termios);
    if (this.#terminal.ioctl(SET2[when], bytes) >= 0) return 0;
    return this.#terminal.ioctl(SET[when], bytes.subarray(0, TTY.termiosLayout.size));
  }

  get windowSize(): TTY.WindowSize {
    const bytes = new Uint8Array(TTY.winsizeLayout.size);
    this.#terminal.ioctl(TTY.TIOCGWINSZ, bytes);
    return TTY.winsizeLayout.read(new DataView(bytes.buffer), 0);
  }

  /** The host tells us of the change by SIGWINCH, so nothing more is to be done. */
  changeWindowSize(size: TTY.WindowSize): boolean {
    const bytes = new Uint8Array(TTY.winsizeLayout.size);
    TTY.winsizeLayout.write(new DataView(bytes.buffer), 0, size);
    this.#terminal.ioctl(TTY.TIOCSWINSZ, bytes);
    return false;
  }

  read(s: Sleeper, file: TtyFile, into: Uint8Array): number {
    if (into.length === 0) return 0;
    const count = this.#host.read(into);
    if (count !== -EAGAIN || file.nonBlocking) return count;
    this.#arm(POLLIN);
    return s.block(this.changed, this.#deadline(s));
  }

  /** Our description does not wait, so a raw read that ends after VTIME without a byte is timed here. */
  #deadline(s: Sleeper): number | undefined {
    const { lflag, cc } = this.termios;
    const timed = (lflag & TTY.ICANON) === 0 && cc[TTY.VMIN] === 0 && cc[TTY.VTIME] > 0;
    return timed ? s.once(() => s.now() + cc[TTY.VTIME] * DECISECOND) : undefined;
  }

  write(s: Sleeper, file: TtyFile, from: Uint8Array): number {
    while (s.progress < from.length) {
      const count = this.#host.write(from.subarray(s.progress));
      if (count === -EAGAIN) {
        if (file.nonBlocking) return s.progress || -EAGAIN;
        this.#arm(POLLOUT);
        const answer = s.block(this.changed);
        return answer === BLOCKED ? BLOCKED : s.progress || answer;
      }
      if (count < 0) return s.progress || count;
      s.progress += count;
    }
    return s.progress;
  }

  poll(): number {
    const wanted = POLLIN | POLLOUT;
    const held = this.#host.poll(wanted) & (wanted | POLLHUP | POLLERR);
    if ((held & wanted) !== wanted) this.#arm(wanted & ~held);
    return held | (held & POLLIN ? POLLRDNORM : 0) | (held & POLLOUT ? POLLWRNORM : 0);
  }

  #arm(events: number): void {
    this.#host.whenReady(events, this.#wake);
  }
  readonly #wake = (events?: number) => this.changed.wake(events);

  get inputLength(): number {
    const bytes = new Uint8Array(4);
    this.#terminal.ioctl(TTY.FIONREAD, bytes);
    return new DataView(bytes.buffer).getInt32(0, true);
  }

  flush(queue: number): void {
    this.#terminal.control(TTY.TCFLSH, queue);
  }
  flow(action: number): number {
    return this.#terminal.control(TTY.TCXONC, action);
  }
  /** Typing into the caller's terminal would run commands there once we have ended. */
  insert(): number {
    return -EIO;
  }
  drain(): number {
    return this.#terminal.control(TTY.TCSBRK, 1);
  }
}
