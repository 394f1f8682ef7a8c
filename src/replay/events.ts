/** What a recording consists of, in the order in which it happened. */
import type { Decoder, Encoder, Value } from './codec.ts';
import { CodecError } from './codec.ts';

/** How the first process ended, or what ended the machine. */
export interface End {
  readonly status?: number;
  readonly signal?: number;
  readonly core?: boolean;
  /** --timeout or --max-insns have ended it. */
  readonly stopped: boolean;
}

export type Event =
  /** A look at a clock. */
  | { readonly kind: 'now'; readonly time: number }
  | { readonly kind: 'realtime'; readonly time: bigint }
  /** The host was asked for something. `filled`: what stands in the caller's buffer afterwards. */
  | {
      readonly kind: 'call';
      readonly port: string;
      readonly method: string;
      readonly args: readonly Value[];
      readonly answer: Value;
      readonly filled: Uint8Array | undefined;
    }
  /** A system call has its answer; instructions are those of the whole machine. */
  | {
      readonly kind: 'syscall';
      readonly tid: number;
      readonly nr: number;
      readonly answer: number;
      readonly instructions: number;
    }
  /** While the machine paused: a descriptor became ready, someone outside sent a signal. */
  | { readonly kind: 'ready'; readonly port: string; readonly waker: number; readonly happened: number | undefined }
  | { readonly kind: 'signal'; readonly target: 'process' | 'group'; readonly id: number; readonly info: Value }
  /** The pause is over. */
  | { readonly kind: 'resume'; readonly instructions: number }
  | { readonly kind: 'end'; readonly end: End; readonly instructions: number };

export type EventKind = Event['kind'];
const KINDS = ['now', 'realtime', 'call', 'syscall', 'ready', 'signal', 'resume', 'end'] as const;

/** What both sides know: times and counts are written as differences. */
class Known {
  now = 0;
  realtime = 0n;
  instructions = 0;
}

export class EventEncoder {
  readonly #out: Encoder;
  readonly #known = new Known();

  constructor(out: Encoder) {
    this.#out = out;
  }

  write(event: Event): void {
    const out = this.#out;
    out.byte(KINDS.indexOf(event.kind));
    switch (event.kind) {
      case 'now':
        return this.#now(event.time);
      case 'realtime':
        out.value(event.time - this.#known.realtime);
        this.#known.realtime = event.time;
        return;
      case 'call':
        for (const part of [event.port, event.method, event.args, event.answer, event.filled]) out.value(part);
        return;
      case 'syscall':
        out.natural(event.tid);
        out.natural(event.nr >>> 0);
        out.integer(event.answer);
        return this.#instructions(event.instructions);
      case 'ready':
        out.value(event.port);
        out.natural(event.waker);
        return out.value(event.happened);
      case 'signal':
        for (const part of [event.target, event.id, event.info]) out.value(part);
        return;
      case 'resume':
        return this.#instructions(event.instructions);
      case 'end':
        out.value({ ...event.end });
        return this.#instructions(event.instructions);
    }
  }

  /** Apart, and first: the most frequent one. */
  now(time: number): void {
    this.#out.byte(0);
    this.#now(time);
  }
  #now(time: number): void {
    this.#out.integer(time - this.#known.now);
    this.#known.now = time;
  }
  #instructions(count: number): void {
    this.#out.natural(count - this.#known.instructions);
    this.#known.instructions = count;
  }
}

export class EventDecoder {
  readonly #in: Decoder;
  readonly #known = new Known();

  constructor(from: Decoder) {
    this.#in = from;
  }

  read(): Event {
    const from = this.#in;
    const kind = KINDS[from.byte()];
    switch (kind) {
      case 'now':
        this.#known.now += from.integer();
        return { kind, time: this.#known.now };
      case 'realtime':
        this.#known.realtime += from.value() as bigint;
        return { kind, time: this.#known.realtime };
      case 'call': {
        const [port, method, args, answer, filled] = Array.from({ length: 5 }, () => from.value());
        return {
          ...{ kind, port: port as string, method: method as string, args: args as Value[] },
          ...{ answer, filled: filled as Uint8Array | undefined },
        };
      }
      case 'syscall': {
        const [tid, nr, answer] = [from.natural(), from.natural() | 0, from.integer()];
        return { kind, tid, nr, answer, instructions: this.#instructions() };
      }
      case 'ready': {
        const port = from.value() as string;
        return { kind, port, waker: from.natural(), happened: from.value() as number | undefined };
      }
      case 'signal': {
        const [target, id, info] = Array.from({ length: 3 }, () => from.value());
        return { kind, target: target as 'process' | 'group', id: id as number, info };
      }
      case 'resume':
        return { kind, instructions: this.#instructions() };
      case 'end': {
        const end = from.value() as unknown as End;
        return { kind, end, instructions: this.#instructions() };
      }
      default:
        throw new CodecError('there is no such event');
    }
  }

  #instructions(): number {
    this.#known.instructions += this.#in.natural();
    return this.#known.instructions;
  }
}
