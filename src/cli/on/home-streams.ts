/** Home's descriptors 0 to 2 and its terminal, for a program elsewhere. The terminal is raw meanwhile: its modes are there. */
import { EAGAIN } from '../../abi/errno.ts';
import * as TTY from '../../abi/tty.ts';
import { POLLIN, POLLOUT } from '../../host/poll.ts';
import type { Descriptor } from '../../host/stdio.ts';
import type { Terminal } from '../../host/tty.ts';
import type { Channel } from '../../remote/mux.ts';
import type { Stdio } from '../stdio.ts';
import type { StartMessage, StreamPlan, WindowSize } from './messages.ts';

const STANDARD = 3;
const PIECE = 1 << 15;
/** What may lie in a channel before we stop reading. */
const MOST_BACKLOG = 1 << 18;

interface Stream {
  readonly plan: StreamPlan;
  readonly input: Descriptor | null;
  readonly output: Descriptor | null;
}

export class HomeStreams {
  readonly #terminal: Terminal | null;
  readonly #streams: Stream[] = [];
  readonly #writers: Writer[] = [];
  #modes: Uint8Array | null = null;
  #isRaw = false;
  #isOver = false;

  constructor({ descriptors, terminal }: Stdio) {
    this.#terminal = terminal;
    const standard = descriptors.filter(({ fd }) => fd < STANDARD);
    const terminals = terminal === null ? [] : standard.filter(({ host }) => host.kind === 'terminal');
    if (terminals.length > 0) {
      const input = terminals.find(({ fd }) => fd === 0);
      const output = terminals.find(({ fd }) => fd > 0) ?? terminals[0];
      this.#add(terminals, input?.host ?? null, output.host, true);
    }
    const others = standard.filter((one) => !terminals.includes(one));
    const input = others.find(({ fd }) => fd === 0);
    if (input !== undefined) this.#add([input], input.host, null, false);
    const outputs = others.filter(({ fd }) => fd > 0);
    const [first, second] = outputs;
    if (second !== undefined && isSame(first.host, second.host)) this.#add(outputs, null, first.host, false);
    else for (const one of outputs) this.#add([one], null, one.host, false);
  }

  #add(all: { fd: number }[], input: Descriptor | null, output: Descriptor | null, terminal: boolean): void {
    const plan = { fds: all.map(({ fd }) => fd), reads: input !== null && !terminal, terminal };
    this.#streams.push({ plan, input, output });
  }

  get plan(): Pick<StartMessage, 'streams' | 'terminal'> {
    const streams = this.#streams.map(({ plan }) => plan);
    if (!streams.some(({ terminal }) => terminal)) return { streams };
    return { streams, terminal: { modes: [...this.#readModes()], size: this.windowSize()! } };
  }

  #readModes(): Uint8Array {
    const bytes = new Uint8Array(TTY.termios2Layout.size);
    if (this.#terminal!.ioctl(TTY.TCGETS2, bytes) < 0) this.#terminal!.ioctl(TTY.TCGETS, bytes);
    return bytes;
  }

  windowSize(): WindowSize | undefined {
    if (this.#terminal === null) return undefined;
    const bytes = new Uint8Array(TTY.winsizeLayout.size);
    this.#terminal.ioctl(TTY.TIOCGWINSZ, bytes);
    return TTY.winsizeLayout.read(new DataView(bytes.buffer), 0);
  }

  begin(channels: readonly Channel[]): void {
    for (const [i, { plan, input, output }] of this.#streams.entries()) {
      const channel = channels[i];
      const reader = input === null ? null : new Reader(input, channel, plan.terminal);
      const writer = output === null ? null : new Writer(output, channel);
      if (writer !== null) this.#writers.push(writer);
      channel.receive({
        data: (bytes) => writer?.add(bytes),
        closed: () => writer?.end(),
        drained: () => reader?.pump(),
      });
      reader?.pump();
    }
    this.resume();
  }

  /** Resolves when everything that came was written. */
  async flushed(): Promise<void> {
    await Promise.all(this.#writers.map((writer) => writer.written));
  }

  /** The terminal as the other side's line discipline wants it: bytes as they are typed. */
  resume(): void {
    if (this.#terminal === null || this.#isRaw || this.#isOver || this.#streams.every(({ plan }) => !plan.terminal))
      return;
    this.#modes = this.#readModes();
    const raw = this.#modes.slice();
    const view = new DataView(raw.buffer);
    const termios = TTY.termios2Layout.read(view, 0);
    termios.iflag &= ~(
      TTY.IGNBRK |
      TTY.BRKINT |
      TTY.PARMRK |
      TTY.ISTRIP |
      TTY.INLCR |
      TTY.IGNCR |
      TTY.ICRNL |
      TTY.IXON
    );
    termios.oflag &= ~TTY.OPOST;
    termios.lflag &= ~(TTY.ECHO | TTY.ECHONL | TTY.ICANON | TTY.ISIG | TTY.IEXTEN);
    TTY.termios2Layout.write(view, 0, termios);
    raw[CC + TTY.VMIN] = 1;
    raw[CC + TTY.VTIME] = 0;
    this.#isRaw = this.#set(raw) >= 0;
  }

  restore(): void {
    if (!this.#isRaw) return;
    this.#isRaw = false;
    this.#set(this.#modes!);
  }

  end(): void {
    this.#isOver = true;
  }

  #set(modes: Uint8Array): number {
    const answer = this.#terminal!.ioctl(TTY.TCSETSW2, modes);
    return answer >= 0 ? answer : this.#terminal!.ioctl(TTY.TCSETSW, modes.subarray(0, TTY.termiosLayout.size));
  }
}

/** Where the control characters begin in struct termios. */
const CC = 17;

/** Both ends of `2>&1`: what is written to them comes out in its order. */
function isSame(a: Descriptor, b: Descriptor): boolean {
  const [one, other] = [a.stat(), b.stat()];
  return one.dev === other.dev && one.ino === other.ino && a.kind === b.kind;
}

class Reader {
  readonly #from: Descriptor;
  readonly #channel: Channel;
  readonly #isTerminal: boolean;
  readonly #buffer = new Uint8Array(PIECE);
  #waiting = false;
  #ended = false;

  constructor(from: Descriptor, channel: Channel, isTerminal: boolean) {
    this.#from = from;
    this.#channel = channel;
    this.#isTerminal = isTerminal;
  }

  pump(): void {
    while (!this.#ended && !this.#waiting && this.#channel.backlog < MOST_BACKLOG) {
      const count = this.#from.read(this.#buffer);
      if (count === -EAGAIN) {
        this.#waiting = true;
        this.#from.whenReady(POLLIN, () => {
          this.#waiting = false;
          this.pump();
        });
      } else if (count > 0) this.#channel.send(this.#buffer.slice(0, count));
      else {
        this.#ended = true;
        if (!this.#isTerminal) this.#channel.close();
      }
    }
  }
}

class Writer {
  readonly #to: Descriptor;
  readonly #channel: Channel;
  #waiting: Uint8Array[] = [];
  #asleep = false;
  #last = false;
  #resolve = () => {};
  readonly written = new Promise<void>((resolve) => {
    this.#resolve = resolve;
  });

  constructor(to: Descriptor, channel: Channel) {
    this.#to = to;
    this.#channel = channel;
  }

  add(bytes: Uint8Array): void {
    this.#waiting.push(bytes.slice());
    this.#pump();
  }

  end(): void {
    this.#last = true;
    this.#pump();
  }

  #pump(): void {
    while (this.#waiting.length > 0 && !this.#asleep) {
      const [first] = this.#waiting;
      const count = this.#to.write(first);
      if (count === -EAGAIN) {
        this.#asleep = true;
        this.#to.whenReady(POLLOUT, () => {
          this.#asleep = false;
          this.#pump();
        });
        return;
      }
      if (count < 0) return this.#nobodyReads();
      this.#channel.credit(count);
      if (count === first.length) this.#waiting.shift();
      else this.#waiting[0] = first.subarray(count);
    }
    if (this.#last && this.#waiting.length === 0) this.#resolve();
  }

  /** The reader of our pipe has gone: the program hears of it. */
  #nobodyReads(): void {
    this.#waiting = [];
    this.#channel.close();
    this.#resolve();
  }
}
