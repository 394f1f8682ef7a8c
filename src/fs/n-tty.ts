/**
 * N_TTY, the standard line discipline (termios(3), drivers/tty/n_tty.c): what becomes of typed bytes before read(2) sees
 * them, and what read(2) takes.
 */
import { SIGINT, SIGQUIT, SIGTSTP } from '../abi/signal.ts';
import {
  DISABLED_CHAR,
  ECHO,
  ECHOCTL,
  ECHONL,
  EXTPROC,
  ICANON,
  ICRNL,
  IEXTEN,
  IGNCR,
  INLCR,
  ISIG,
  ISTRIP,
  IUCLC,
  IXANY,
  IXON,
  NOFLSH,
  PARMRK,
  type Termios,
  VEOF,
  VEOL,
  VEOL2,
  VERASE,
  VINTR,
  VKILL,
  VLNEXT,
  VMIN,
  VQUIT,
  VREPRINT,
  VSTART,
  VSTOP,
  VSUSP,
  VTIME,
  VWERASE,
} from '../abi/tty.ts';
import { erase, finishErasing } from './n-tty-erase.ts';
import { newOutputState, type OutputState, type Sink, TtyOutput } from './n-tty-output.ts';

/** N_TTY_BUF_SIZE, less the place that Linux keeps free. */
const CAPACITY = 4095;
const BS = 8;
const NL = 10;
const CR = 13;
/** A byte that ends a line carries this; with DISABLED_CHAR it is an end of file. */
const DELIMITER = 0x100;

/** All that a discipline knows. */
export interface NTtyState {
  termios: Termios;
  /** What read() may take. In canonical mode whole lines, their last byte flagged DELIMITER. */
  input: number[];
  /** The line that is being edited (canonical mode). */
  line: number[];
  /** The last flagged byte was put there by a switch to canonical mode: it is data. */
  pushed: boolean;
  literalNext: boolean;
  /** Within a \...\/ sequence of ECHOPRT. */
  erasing: boolean;
  /** Monotonic time of the last input, for VTIME. */
  lastInput: number;
  output: OutputState;
}

export function newNTtyState(termios: Termios): NTtyState {
  return {
    ...{ termios, input: [], line: [], pushed: false, literalNext: false, erasing: false, lastInput: 0 },
    output: newOutputState(),
  };
}

/** What a discipline tells its terminal. */
export interface NTtyEvents {
  /** To the foreground process group. */
  signal(signal: number): void;
  /** There is more to read. */
  inputReady(): void;
  /** Output goes on after STOP. */
  outputStarted(): void;
  outputStopped(): void;
  /** ISIG without NOFLSH dropped what was typed. */
  inputFlushed(): void;
}

export class NTty {
  readonly state: NTtyState;
  readonly output: TtyOutput;
  readonly #events: NTtyEvents;

  constructor(state: NTtyState, sink: Sink, events: NTtyEvents) {
    this.state = state;
    this.output = new TtyOutput(state.output, sink, () => this.state.termios);
    this.#events = events;
  }

  #has(lflag: number): boolean {
    return (this.state.termios.lflag & lflag) !== 0;
  }
  get canonical(): boolean {
    return this.#has(ICANON);
  }

  /** TCSETS*: a change of ICANON makes what was typed readable at once, or one line. */
  setTermios(termios: Termios): void {
    const { state } = this;
    const old = state.termios;
    state.termios = termios;
    if (((old.lflag ^ termios.lflag) & (ICANON | EXTPROC)) !== 0) {
      const typed = [...state.input, ...state.line].map((char) => char & 0xff);
      state.line = [];
      state.pushed = (termios.lflag & ICANON) !== 0 && typed.length > 0;
      if (state.pushed) typed[typed.length - 1] |= DELIMITER;
      state.input = typed;
      state.erasing = state.literalNext = false;
      if (typed.length > 0) this.#events.inputReady();
    }
    if ((termios.iflag & IXON) === 0 && (old.iflag & IXON) !== 0 && !state.output.stoppedByFlow) this.start();
  }

  /** Bytes came in. Answers how many were taken: the rest must wait until something has been read. */
  receive(bytes: Uint8Array, now: number): number {
    const { state } = this;
    let taken = 0;
    while (taken < bytes.length) {
      let room = CAPACITY - state.input.length - state.line.length;
      if (room <= 0 && this.canonical && state.input.length === 0) {
        // A line without end: from one byte more on, later bytes replace the last one, so that its end still comes in.
        state.line.length = CAPACITY;
        room = 1;
      }
      if (room <= 0) break;
      this.#receive(bytes[taken++]);
    }
    this.output.flushEchoes();
    if (taken > 0) {
      state.lastInput = now;
      if (!this.canonical && state.input.length > 0) this.#events.inputReady();
    }
    return taken;
  }

  #receive(typed: number): void {
    const { state } = this;
    const { iflag } = state.termios;
    let char = iflag & ISTRIP ? typed & 0x7f : typed;
    if (iflag & IUCLC && this.#has(IEXTEN) && char >= 0x41 && char <= 0x5a) char += 32;
    if (this.#has(EXTPROC)) this.#put(char);
    else if (state.literalNext) {
      state.literalNext = false;
      this.#ordinary(char);
    } else if (!this.#control(char)) {
      const mapped = mapNewline(char, iflag);
      if (mapped >= 0 && !(this.canonical && this.#edit(mapped))) this.#ordinary(mapped);
    }
  }

  /** START, STOP and the characters that send signals. */
  #control(char: number): boolean {
    const { cc, iflag } = this.state.termios;
    const is = (index: number) => char === cc[index] && char !== DISABLED_CHAR;
    if (iflag & IXON && is(VSTART)) {
      this.start();
      return true;
    }
    if (iflag & IXON && is(VSTOP)) {
      this.stop();
      return true;
    }
    if (this.#has(ISIG)) {
      const signal = is(VINTR) ? SIGINT : is(VQUIT) ? SIGQUIT : is(VSUSP) ? SIGTSTP : 0;
      if (signal !== 0) {
        this.#signal(signal, char);
        return true;
      }
    }
    const { output } = this.state;
    if (output.stopped && !output.stoppedByFlow && iflag & IXON && iflag & IXANY) this.start();
    return false;
  }

  #signal(signal: number, char: number): void {
    this.#events.signal(signal);
    if (!this.#has(NOFLSH)) {
      this.state.output.echoes = [];
      this.output.sink.flush();
      this.flushInput();
      this.#events.inputFlushed();
    }
    if (this.state.termios.iflag & IXON) this.start();
    if (this.#has(ECHO)) this.output.echo(char);
  }

  /** The characters of canonical mode; false: an ordinary one. */
  #edit(char: number): boolean {
    const { state, output } = this;
    const { cc } = state.termios;
    const is = (index: number, extended: boolean) =>
      char === cc[index] && char !== DISABLED_CHAR && (!extended || this.#has(IEXTEN));
    if (is(VERASE, false)) return erase(state, output, 'character');
    if (is(VKILL, false)) return erase(state, output, 'line');
    if (is(VWERASE, true)) return erase(state, output, 'word');
    if (is(VLNEXT, true)) {
      state.literalNext = true;
      if (this.#has(ECHO)) {
        finishErasing(state, output);
        if (this.#has(ECHOCTL)) for (const echoed of [0x5e, BS]) output.echoRaw(echoed);
      }
      return true;
    }
    if (is(VREPRINT, true) && this.#has(ECHO)) {
      finishErasing(state, output);
      output.echo(char);
      output.echoRaw(NL);
      for (const typed of state.line) output.echo(typed);
      return true;
    }
    if (char === NL) {
      if (this.#has(ECHO | ECHONL)) output.echoRaw(NL);
      return this.#endLine(NL);
    }
    if (is(VEOF, false)) return this.#endLine(DISABLED_CHAR);
    if (is(VEOL, false) || is(VEOL2, true)) {
      if (this.#has(ECHO)) this.#echoTyped(char);
      return this.#endLine(char);
    }
    return false;
  }

  #endLine(char: number): true {
    const { state } = this;
    state.input.push(...state.line, char | DELIMITER);
    state.line = [];
    this.#events.inputReady();
    return true;
  }

  #ordinary(char: number): void {
    if (this.#has(ECHO)) {
      finishErasing(this.state, this.output);
      if (char === NL) this.output.echoRaw(NL);
      else this.#echoTyped(char);
    }
    if (char === 0xff && this.state.termios.iflag & PARMRK) this.#put(char);
    this.#put(char);
  }

  #echoTyped(char: number): void {
    if (this.state.line.length === 0) this.output.markLineStart();
    this.output.echo(char);
  }

  #put(char: number): void {
    (this.canonical ? this.state.line : this.state.input).push(char);
  }

  /** Takes what may be read now: at most one line in canonical mode. */
  take(into: Uint8Array): number {
    const { input } = this.state;
    if (!this.canonical) {
      const taken = input.splice(0, into.length);
      for (let i = 0; i < taken.length; i++) into[i] = taken[i];
      return taken.length;
    }
    let count = 0;
    while (count < into.length && input.length > 0) {
      const char = input.shift()!;
      const ends = char >= DELIMITER;
      const pushed = ends && this.state.pushed;
      if (pushed) this.state.pushed = false;
      if (ends && !pushed && (char & 0xff) === DISABLED_CHAR) return count;
      into[count++] = char & 0xff;
      if (ends) return count;
    }
    // An end of file right behind bytes that filled the buffer is not a second answer.
    if (count > 0 && input[0] === (DISABLED_CHAR | DELIMITER) && !this.state.pushed) input.shift();
    return count;
  }

  /** Bytes that FIONREAD tells of. */
  get available(): number {
    const { input } = this.state;
    if (!this.canonical) return input.length;
    return input.filter((char) => char !== (DISABLED_CHAR | DELIMITER)).length;
  }

  /** Whether a read of `wanted` bytes can be answered; `poll`: whether poll(2) says so. */
  ready(wanted: number, poll: boolean): boolean {
    const { input, termios } = this.state;
    if (this.canonical && !this.#has(EXTPROC)) return input.length > 0;
    const minimum = termios.cc[VMIN];
    if (poll) return input.length >= (termios.cc[VTIME] > 0 ? 1 : Math.max(1, minimum));
    return input.length >= Math.max(1, Math.min(minimum, wanted));
  }

  flushInput(): void {
    this.state.input = [];
    this.state.line = [];
    this.state.pushed = this.state.erasing = this.state.literalNext = false;
  }

  stop(byFlow = false): void {
    const { output } = this.state;
    if (!output.stopped) this.#events.outputStopped();
    output.stopped = true;
    if (byFlow) output.stoppedByFlow = true;
  }

  start(byFlow = false): void {
    const { output } = this.state;
    if (!output.stopped || (output.stoppedByFlow && !byFlow)) return;
    output.stopped = output.stoppedByFlow = false;
    this.output.flushEchoes();
    this.#events.outputStarted();
  }
}

/** ICRNL, IGNCR, INLCR; -1: the character is dropped. */
function mapNewline(char: number, iflag: number): number {
  if (char === CR) return iflag & IGNCR ? -1 : iflag & ICRNL ? NL : CR;
  return char === NL && iflag & INLCR ? CR : char;
}
