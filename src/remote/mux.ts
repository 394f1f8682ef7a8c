/**
 * Many connections over one: each is a channel with a window of its own, so that a reader that does not read holds up nobody
 * else. A piece is a header of nine bytes (length of the rest, kind, channel; little-endian) and what it carries.
 */
import type { Transport, TransportListener } from './transport.ts';

/** Bytes that may be under way to a channel whose reader has not taken them. */
const WINDOW = 4 << 20;
/** Credit is given back in portions. */
const CREDIT_STEP = 1 << 16;
/** A piece carries at most so much: others have their turn after it. */
const MOST_DATA = 1 << 16;
const MOST_CHANNELS = 1024;
const HEADER = 9;
const DATA = 0,
  OPEN = 1,
  CLOSE = 2,
  CREDIT = 3;

export class Mux {
  readonly #transport: Transport;
  readonly #channels = new Map<number, Channel>();
  /** The other side opens a channel. */
  onOpen: ((channel: Channel) => void) | null = null;
  /** The connection below has ended. */
  onClosed: ((error: string | undefined) => void) | null = null;
  #next: number;
  #rest: Uint8Array;
  #isClosed = false;

  /** @param first one side numbers its channels from 1, the other from 2. */
  constructor(transport: Transport, first: 1 | 2, early: Uint8Array = new Uint8Array(0)) {
    this.#transport = transport;
    this.#next = first;
    this.#rest = early;
  }

  /** Begins to listen, after onOpen and onClosed are set. */
  start(): void {
    this.#transport.receive({
      data: (bytes) => this.#data(bytes),
      closed: (error) => {
        for (const channel of [...this.#channels.values()]) channel.ended(error);
        this.onClosed?.(error);
      },
      drained: () => {
        for (const channel of [...this.#channels.values()]) channel.drained();
      },
    });
    this.#data(new Uint8Array(0));
  }

  get backlog(): number {
    return this.#transport.backlog;
  }

  /** @param manual the reader gives credit itself, when it has taken what came. */
  open(manual = false): Channel {
    const channel = new Channel(this, this.#next, manual);
    this.#next += 2;
    this.#channels.set(channel.id, channel);
    this.piece(OPEN, channel.id, Uint8Array.of(manual ? 1 : 0));
    return channel;
  }

  close(): void {
    this.#isClosed = true;
    this.#transport.close();
  }

  piece(kind: number, channel: number, payload: Uint8Array): void {
    const bytes = new Uint8Array(HEADER + payload.length);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, payload.length, true);
    bytes[4] = kind;
    view.setUint32(5, channel, true);
    bytes.set(payload, HEADER);
    this.#transport.send(bytes);
  }

  forget(channel: Channel): void {
    this.#channels.delete(channel.id);
  }

  #data(bytes: Uint8Array): void {
    let all = bytes;
    if (this.#rest.length > 0) {
      all = new Uint8Array(this.#rest.length + bytes.length);
      all.set(this.#rest);
      all.set(bytes, this.#rest.length);
    }
    const view = new DataView(all.buffer, all.byteOffset, all.byteLength);
    let at = 0;
    while (all.length - at >= HEADER && !this.#isClosed) {
      const length = view.getUint32(at, true);
      if (length > MOST_DATA) return this.close();
      if (all.length - at < HEADER + length) break;
      this.#piece(all[at + 4], view.getUint32(at + 5, true), all.subarray(at + HEADER, at + HEADER + length));
      at += HEADER + length;
    }
    this.#rest = all.slice(at);
  }

  #piece(kind: number, id: number, payload: Uint8Array): void {
    if (kind === OPEN) {
      const taken = this.#channels.has(id) || id % 2 === this.#next % 2;
      if (taken || this.#channels.size >= MOST_CHANNELS) return this.close();
      const channel = new Channel(this, id, payload[0] === 1);
      this.#channels.set(id, channel);
      this.onOpen?.(channel);
      return;
    }
    const channel = this.#channels.get(id);
    if (channel === undefined) return; // closed here meanwhile
    if (kind === DATA && channel.arrived(payload)) return;
    if (kind === CREDIT && payload.length === 4) {
      return channel.credited(new DataView(payload.buffer, payload.byteOffset).getUint32(0, true));
    }
    if (kind === CLOSE) return channel.ended(undefined);
    this.close();
  }
}

export class Channel implements Transport {
  readonly id: number;
  readonly #mux: Mux;
  readonly #manual: boolean;
  #listener: TransportListener | null = null;
  #early: Uint8Array[] = [];
  #window = WINDOW;
  #waiting: Uint8Array[] = [];
  #waitingLength = 0;
  /** Taken by the reader, and not told yet. */
  #owed = 0;
  /** What the other side may believe to be still here. */
  #untaken = 0;
  #closing = false;
  #ended = false;
  #error: string | undefined;

  constructor(mux: Mux, id: number, manual: boolean) {
    this.#mux = mux;
    this.id = id;
    this.#manual = manual;
  }

  get backlog(): number {
    return this.#waitingLength + this.#mux.backlog;
  }

  send(bytes: Uint8Array): void {
    if (this.#ended || this.#closing || bytes.length === 0) return;
    this.#waiting.push(bytes);
    this.#waitingLength += bytes.length;
    this.#pass();
  }

  receive(listener: TransportListener): void {
    this.#listener = listener;
    for (const bytes of this.#early.splice(0)) this.#deliver(bytes);
    if (this.#ended) listener.closed(this.#error);
  }

  /** What was sent still goes; the other side hears of the end after it. */
  close(): void {
    this.#closing = true;
    this.#pass();
  }

  /** The reader has taken so much: as much again may come. */
  credit(count: number): void {
    this.#owed += count;
    if (this.#owed < CREDIT_STEP || this.#ended) return;
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, this.#owed, true);
    this.#untaken -= this.#owed;
    this.#owed = 0;
    this.#mux.piece(CREDIT, this.id, bytes);
  }

  #pass(): void {
    while (this.#waiting.length > 0 && this.#window > 0) {
      const [first] = this.#waiting;
      const count = Math.min(first.length, this.#window, MOST_DATA);
      this.#mux.piece(DATA, this.id, first.subarray(0, count));
      this.#window -= count;
      this.#waitingLength -= count;
      if (count === first.length) this.#waiting.shift();
      else this.#waiting[0] = first.subarray(count);
    }
    if (!this.#closing || this.#waiting.length > 0 || this.#ended) return;
    this.#mux.piece(CLOSE, this.id, new Uint8Array(0));
    this.ended(undefined);
  }

  /** False: more than we have given room for. */
  arrived(bytes: Uint8Array): boolean {
    this.#untaken += bytes.length;
    if (this.#untaken > WINDOW) return false;
    if (this.#listener === null) this.#early.push(bytes.slice());
    else this.#deliver(bytes);
    return true;
  }

  #deliver(bytes: Uint8Array): void {
    this.#listener!.data(bytes);
    if (!this.#manual) this.credit(bytes.length);
  }

  credited(count: number): void {
    this.#window += count;
    this.#pass();
    this.drained();
  }

  drained(): void {
    if (this.backlog === 0) this.#listener?.drained?.();
  }

  ended(error: string | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#mux.forget(this);
    this.#listener?.closed(error);
  }
}
