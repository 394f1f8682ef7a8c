/** The two ends of a recording's events: written frame by frame, read one after the other. */
import { CodecError, Decoder, Encoder } from './codec.ts';
import { type Event, EventDecoder, EventEncoder, type EventKind } from './events.ts';
import { type ByteSource, DamagedRecording, FrameReader, fileHeader, frame, type Packer } from './frames.ts';

/** A frame is written when it has so many bytes, or when the machine pauses and its oldest event is so old. */
const FRAME = 1 << 18;
const FRAME_AGE = 50_000_000;

export class LogWriter {
  readonly #bytes = new Encoder();
  readonly #events = new EventEncoder(this.#bytes);
  readonly #append: (bytes: Uint8Array) => void;
  readonly #packer: Packer;
  #since = 0;

  constructor(append: (bytes: Uint8Array) => void, packer: Packer) {
    this.#append = append;
    this.#packer = packer;
    append(fileHeader());
  }

  write(event: Event): void {
    this.#events.write(event);
    if (this.#bytes.length >= FRAME) this.flush();
  }
  now(time: number): void {
    this.#events.now(time);
    if (this.#bytes.length >= FRAME) this.flush();
  }

  /** The machine pauses; `long`: until something happens. */
  pause(now: number, long: boolean): void {
    if (!long && now - this.#since < FRAME_AGE) return;
    this.#since = now;
    this.flush();
  }

  flush(): void {
    if (this.#bytes.length > 0) this.#append(frame(this.#bytes.take(), this.#packer));
  }
}

export class LogReader {
  readonly #frames: FrameReader;
  readonly #bytes = new Decoder();
  readonly #events = new EventDecoder(this.#bytes);
  #next: Event | undefined;
  /** Events that were taken. */
  count = 0;

  constructor(source: ByteSource, packer: Packer) {
    this.#frames = new FrameReader(source, packer);
  }

  /** The recorded run was killed while it wrote. */
  get isCut(): boolean {
    return this.#frames.isCut;
  }

  /** What comes next, without taking it; undefined at the end. */
  peek(): Event | undefined {
    try {
      while (this.#next === undefined && this.#bytes.isEmpty) {
        const bytes = this.#frames.next();
        if (bytes === undefined) return undefined;
        this.#bytes.feed(bytes);
      }
      this.#next ??= this.#events.read();
    } catch (error) {
      // Whole frames with what no recorder writes.
      if (error instanceof CodecError) throw new DamagedRecording(`its events make no sense: ${error.message}`);
      throw error;
    }
    return this.#next;
  }

  /** Takes it, if it is of this kind. */
  take<K extends EventKind>(kind: K): Extract<Event, { kind: K }> | undefined {
    const event = this.peek();
    if (event?.kind !== kind) return undefined;
    this.#next = undefined;
    this.count++;
    return event as Extract<Event, { kind: K }>;
  }
}
