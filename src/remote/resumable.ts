/**
 * One connection over several, one after the other: what was lost with one is sent again over the next. Each begins with how
 * many bytes its side has received; then come pieces, a byte (data, or an acknowledgement) and a length before each.
 */
import type { Transport, TransportListener } from './transport.ts';

const DATA = 0,
  TAKEN = 1;
const HEADER = 5;
const COUNT = 8;
/** Bytes received until the other side is told that it may forget them. */
const TELL_AFTER = 1 << 16;
const MOST_DATA = 1 << 20;

export class Resumable implements Transport {
  /** A connection has ended: the owner makes another one, or ends this. */
  onLost: (reason: string | undefined) => void = () => {};
  #under: Transport | null = null;
  #listener: TransportListener | null = null;
  #early: Uint8Array[] = [];
  /** Of this connection, what has not made up a piece. */
  #rest = new Uint8Array(0);
  #greeted = false;
  #received = 0;
  #told = 0;
  /** Sent, and perhaps not received: from byte `#forgotten` of all on. */
  #kept: Uint8Array[] = [];
  #keptLength = 0;
  #forgotten = 0;
  #ended = false;
  #error: string | undefined;

  get isConnected(): boolean {
    return this.#under !== null && this.#greeted;
  }

  /** Goes on over this connection. @param early what has come over it already. */
  attach(under: Transport, early: Uint8Array = new Uint8Array(0)): void {
    if (this.#ended) return under.close();
    const before = this.#under;
    this.#under = under;
    before?.close();
    this.#rest = new Uint8Array(0);
    this.#greeted = false;
    const count = new Uint8Array(COUNT);
    new DataView(count.buffer).setBigUint64(0, BigInt(this.#received), true);
    under.send(count);
    under.receive({
      data: (bytes) => {
        if (this.#under === under) this.#data(bytes);
      },
      closed: (error) => {
        if (this.#under !== under) return;
        this.#under = null;
        if (!this.#ended) this.onLost(error);
      },
      drained: () => this.#listener?.drained?.(),
    });
    if (early.length > 0) this.#data(early);
  }

  get backlog(): number {
    return this.isConnected ? this.#under!.backlog : this.#keptLength;
  }

  send(bytes: Uint8Array): void {
    if (this.#ended || bytes.length === 0) return;
    for (let at = 0; at < bytes.length; at += MOST_DATA) {
      const part = bytes.slice(at, at + MOST_DATA);
      this.#kept.push(part);
      this.#keptLength += part.length;
      if (this.isConnected) this.#piece(DATA, part);
    }
  }

  receive(listener: TransportListener): void {
    this.#listener = listener;
    for (const bytes of this.#early.splice(0)) listener.data(bytes);
    if (this.#ended) listener.closed(this.#error);
  }

  /** Ends in order: the other side hears of it by the end of the connection. */
  close(): void {
    this.end(undefined);
  }

  end(error: string | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#under?.close();
    this.#under = null;
    this.#listener?.closed(error);
  }

  #piece(kind: number, payload: Uint8Array): void {
    const bytes = new Uint8Array(HEADER + payload.length);
    bytes[0] = kind;
    new DataView(bytes.buffer).setUint32(1, payload.length, true);
    bytes.set(payload, HEADER);
    this.#under?.send(bytes);
  }

  #data(bytes: Uint8Array): void {
    const all = new Uint8Array(this.#rest.length + bytes.length);
    all.set(this.#rest);
    all.set(bytes, this.#rest.length);
    const view = new DataView(all.buffer);
    let at = 0;
    if (!this.#greeted) {
      if (all.length < COUNT) {
        this.#rest = all;
        return;
      }
      this.#greeted = true;
      this.#goOnFrom(Number(view.getBigUint64(0, true)));
      at = COUNT;
    }
    while (all.length - at >= HEADER) {
      const length = view.getUint32(at + 1, true);
      if (length > MOST_DATA) return this.end('what comes is not what was sent');
      if (all.length - at < HEADER + length) break;
      const payload = all.subarray(at + HEADER, at + HEADER + length);
      at += HEADER + length;
      if (all[at - HEADER - length] === TAKEN) this.#forget(Number(view.getBigUint64(at - length, true)));
      else this.#take(payload);
    }
    this.#rest = all.slice(at);
  }

  #take(payload: Uint8Array): void {
    this.#received += payload.length;
    if (this.#received - this.#told >= TELL_AFTER) {
      this.#told = this.#received;
      const count = new Uint8Array(COUNT);
      new DataView(count.buffer).setBigUint64(0, BigInt(this.#received), true);
      this.#piece(TAKEN, count);
    }
    if (this.#listener === null) this.#early.push(payload.slice());
    else this.#listener.data(payload);
  }

  /** The other side has everything up to there: the rest is sent again. */
  #goOnFrom(received: number): void {
    this.#forget(received);
    let skip = received - this.#forgotten;
    for (const part of this.#kept) {
      if (skip < part.length) this.#piece(DATA, part.subarray(Math.max(0, skip)));
      skip -= part.length;
    }
    this.#listener?.drained?.();
  }

  #forget(received: number): void {
    while (this.#kept.length > 0 && this.#forgotten + this.#kept[0].length <= received) {
      const { length } = this.#kept.shift()!;
      this.#forgotten += length;
      this.#keptLength -= length;
    }
  }
}
