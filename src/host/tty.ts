/**
 * The terminal that Tallship was started on. Its modes are the host's own: what the guest sets is set there, so that the
 * host's line discipline edits, echoes and turns Ctrl-C into signals, as it does for a program that runs directly.
 */
import { libc } from './libc.ts';

const TCGETS = 0x5401;
const TCSETS = 0x5402;
const TCSBRK = 0x5409;
const TCXONC = 0x540a;
const TCFLSH = 0x540b;
const TIOCGWINSZ = 0x5413;
const TCSBRKP = 0x5425;
const ENOTTY = 25;
/** IGNBRK, BRKINT, PARMRK, ISTRIP, INLCR, IGNCR, ICRNL, IXON. */
const RAW_IFLAG = 0o2753;
const OPOST = 1;
const [CSIZE, CS8, PARENB] = [0o60, 0o60, 0o400];
/** ECHO, ECHONL, ICANON, ISIG, IEXTEN. */
const RAW_LFLAG = 0o100113;

/** struct termios as the kernel's ioctls have it: four flag words, the line, 19 control characters. */
export const TERMIOS_SIZE = 36;
const CONTROL_CHARACTERS = 17;
const NCCS = 19;

export class HostTerminal {
  readonly fd: number;
  #initial: Uint8Array | undefined;

  constructor(fd: number) {
    this.fd = fd;
  }

  /** An ioctl whose argument is a structure; Linux's generic numbers and layouts are i386's. */
  ioctl(command: number, argument: Uint8Array): number {
    const c = libc();
    if (c !== null) {
      if (isSetting(command)) this.remember();
      return c.ioctl(this.fd, command, argument);
    }
    if (command === TCGETS) return readByStty(this.fd, argument);
    if (isSetting(command)) return this.#setByStty(argument);
    return command === TIOCGWINSZ ? windowSize(this.fd, argument) : -ENOTTY;
  }

  /** Those whose argument is a number: flow control, flushing, breaks. */
  control(command: number, argument: number): number {
    const c = libc();
    if (c === null) return -ENOTTY;
    if (command === TCFLSH) return c.tcflush(this.fd, argument);
    if (command === TCXONC) return c.tcflow(this.fd, argument);
    if (command === TCSBRK) return argument === 0 ? c.tcsendbreak(this.fd, 0) : c.tcdrain(this.fd);
    return command === TCSBRKP ? c.tcsendbreak(this.fd, argument) : -ENOTTY;
  }

  /** Keeps the modes as they are before the guest's first change. */
  remember(): void {
    if (this.#initial !== undefined) return;
    const modes = new Uint8Array(TERMIOS_SIZE);
    if (this.ioctl(TCGETS, modes) >= 0) this.#initial = modes;
  }

  /** Puts the modes back: for a guest that could not do it itself (killed, timed out, or we failed). */
  restore(): void {
    if (this.#initial !== undefined) this.ioctl(TCSETS, this.#initial);
  }

  /** Every byte as it comes and goes, as cfmakeraw(3) sets it. Node's raw mode leaves output processing on. */
  setRaw(): void {
    const modes = new Uint8Array(TERMIOS_SIZE);
    if (this.ioctl(TCGETS, modes) < 0) return;
    const flags = new Uint32Array(modes.buffer, 0, 4);
    flags[0] &= ~RAW_IFLAG;
    flags[1] &= ~OPOST;
    flags[2] = (flags[2] & ~(CSIZE | PARENB)) | CS8;
    flags[3] &= ~RAW_LFLAG;
    this.ioctl(TCSETS, modes);
  }

  #setByStty(modes: Uint8Array): number {
    this.remember();
    const view = new DataView(modes.buffer, modes.byteOffset);
    const words = [0, 4, 8, 12].map((at) => view.getUint32(at, true).toString(16));
    const known = stty(this.fd, '-g')?.trim().split(':').slice(4) ?? [];
    const characters = known.map((old, i) => (i < NCCS ? modes[CONTROL_CHARACTERS + i].toString(16) : old));
    return stty(this.fd, [...words, ...characters].join(':')) === undefined ? -ENOTTY : 0;
  }
}

/** The same, whoever answers. */
export type Terminal = Pick<HostTerminal, keyof HostTerminal>;

/** TCSETS, TCSETSW, TCSETSF; TCSETA, TCSETAW, TCSETAF; TCSETS2 and its like. */
function isSetting(command: number): boolean {
  const plain = (command >= 0x5402 && command <= 0x5404) || (command >= 0x5406 && command <= 0x5408);
  return plain || (command >= 0x402c542b && command <= 0x402c542d);
}

/** Without koffi stty(1) is what can set all modes: `stty -g` prints them, and takes them back. */
function stty(fd: number, argument: string): string | undefined {
  try {
    const { execFileSync } = process.getBuiltinModule('node:child_process');
    return execFileSync('stty', [argument], { stdio: [fd, 'pipe', 'ignore'], encoding: 'utf8' });
  } catch {
    return undefined;
  }
}

function readByStty(fd: number, into: Uint8Array): number {
  const fields = stty(fd, '-g')?.trim().split(':');
  if (fields === undefined || fields.length < 4 + NCCS - 2) return -ENOTTY;
  const values = fields.map((field) => Number.parseInt(field, 16));
  const view = new DataView(into.buffer, into.byteOffset);
  for (let i = 0; i < 4; i++) view.setUint32(i * 4, values[i], true);
  into[16] = 0;
  for (let i = 0; i < NCCS; i++) into[CONTROL_CHARACTERS + i] = values[4 + i] ?? 0;
  return 0;
}

function windowSize(fd: number, into: Uint8Array): number {
  const { WriteStream } = process.getBuiltinModule('node:tty');
  const stream = new WriteStream(fd);
  new Uint16Array(into.buffer, into.byteOffset, 4).set([stream.rows ?? 0, stream.columns ?? 0, 0, 0]);
  return 0;
}
