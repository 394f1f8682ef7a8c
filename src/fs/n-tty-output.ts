/** The output half of the line discipline (drivers/tty/n_tty.c): post-processing, and the echo of what is typed. */
import { ECHOCTL, OCRNL, OLCUC, ONLCR, ONLRET, ONOCR, OPOST, TABDLY, type Termios, XTABS } from '../abi/tty.ts';

const BS = 8;
const TAB = 9;
const NL = 10;
const CR = 13;
const SPACE = 32;
/** Echoes that find no room are kept up to this many bytes. */
const MAX_ECHOES = 4096;

/** Where output goes: the other side of a pty. */
export interface Sink {
  /** Bytes that can be taken now. */
  room(): number;
  put(bytes: Uint8Array): void;
  /** Drops what the other side has not read. */
  flush(): void;
}

export interface OutputState {
  /** Where the cursor is, as far as the discipline can tell. */
  column: number;
  /** Where it was when the line that is being typed began. */
  lineColumn: number;
  /** Stopped by STOP (^S) or by tcflow(TCOOFF). */
  stopped: boolean;
  stoppedByFlow: boolean;
  /** Echoes that wait for room. */
  echoes: number[];
}

export function newOutputState(): OutputState {
  return { column: 0, lineColumn: 0, stopped: false, stoppedByFlow: false, echoes: [] };
}

export class TtyOutput {
  readonly state: OutputState;
  readonly sink: Sink;
  readonly #termios: () => Termios;

  constructor(state: OutputState, sink: Sink, termios: () => Termios) {
    this.state = state;
    this.sink = sink;
    this.#termios = termios;
  }

  /** Writes what there is room for; answers how many bytes of the input that was. */
  write(from: Uint8Array): number {
    this.flushEchoes();
    if (this.state.stopped || this.state.echoes.length > 0) return 0;
    const room = this.sink.room();
    if ((this.#termios().oflag & OPOST) === 0) {
      const part = from.subarray(0, room);
      if (part.length > 0) this.sink.put(part);
      return part.length;
    }
    const out: number[] = [];
    let used = 0;
    for (; used < from.length; used++) {
      const { column, lineColumn } = this.state;
      const before = out.length;
      this.#process(from[used], out);
      if (out.length <= room) continue;
      out.length = before;
      Object.assign(this.state, { column, lineColumn });
      break;
    }
    if (out.length > 0) this.sink.put(Uint8Array.from(out));
    return used;
  }

  /** Writes are taken now. */
  get open(): boolean {
    return !this.state.stopped && this.state.echoes.length === 0 && this.sink.room() > 0;
  }

  /** Echoes one byte as it is, but for post-processing. */
  echoRaw(char: number): void {
    if (this.state.echoes.length > MAX_ECHOES) return;
    if (this.#termios().oflag & OPOST) this.#process(char, this.state.echoes);
    else this.state.echoes.push(char);
  }

  /** Echoes a typed character: control characters as ^X under ECHOCTL. */
  echo(char: number): void {
    if ((this.#termios().lflag & ECHOCTL) === 0 || !isControl(char) || char === TAB) {
      this.echoRaw(char);
      return;
    }
    this.state.echoes.push(0x5e, char ^ 0x40);
    this.state.column += 2;
  }

  /** Goes back over a tab. `width`: columns that the characters before it take, since a tab or the line's start. */
  eraseTab(width: number, afterTab: boolean): void {
    const columns = afterTab ? width : width + this.state.lineColumn;
    for (let count = 8 - (columns & 7); count > 0; count--) {
      this.state.echoes.push(BS);
      if (this.state.column > 0) this.state.column--;
    }
  }

  eraseColumn(): void {
    for (const char of [BS, SPACE, BS]) this.echoRaw(char);
  }

  markLineStart(): void {
    this.state.lineColumn = this.state.column;
  }

  flushEchoes(): void {
    const { echoes } = this.state;
    if (this.state.stopped || echoes.length === 0) return;
    const part = echoes.splice(0, this.sink.room());
    if (part.length > 0) this.sink.put(Uint8Array.from(part));
  }

  /** OPOST: appends what one byte becomes. */
  #process(char: number, out: number[]): void {
    const { state } = this;
    const { oflag, iflag } = this.#termios();
    switch (char) {
      case NL:
        if (oflag & ONLRET) state.column = 0;
        if (oflag & ONLCR) {
          state.column = 0;
          out.push(CR);
        }
        state.lineColumn = state.column;
        out.push(NL);
        return;
      case CR:
        if (oflag & ONOCR && state.column === 0) return;
        if (oflag & OCRNL) {
          if (oflag & ONLRET) state.lineColumn = state.column = 0;
          out.push(NL);
          return;
        }
        state.lineColumn = state.column = 0;
        out.push(CR);
        return;
      case TAB: {
        const spaces = 8 - (state.column & 7);
        state.column += spaces;
        if ((oflag & TABDLY) === XTABS) out.push(...new Array<number>(spaces).fill(SPACE));
        else out.push(TAB);
        return;
      }
      case BS:
        if (state.column > 0) state.column--;
        out.push(BS);
        return;
      default:
        if (!isControl(char) && !isContinuation(char, iflag)) state.column++;
        out.push(oflag & OLCUC && char >= 0x61 && char <= 0x7a ? char - 32 : char);
    }
  }
}

export function isControl(char: number): boolean {
  return char < SPACE || char === 127;
}

/** IUTF8: bytes after the first of a character. */
export function isContinuation(char: number, iflag: number): boolean {
  return (iflag & 0o40000) !== 0 && (char & 0xc0) === 0x80;
}
