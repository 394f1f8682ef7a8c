/** A pair of Node's streams as a connection: sockets, and the standard input and output of processes. */
import type { Readable, Writable } from 'node:stream';
import type { Transport, TransportListener } from '../../remote/transport.ts';

/** What comes before someone listens is kept up to here; then the other side has to wait. */
const MOST_EARLY = 1 << 20;

export interface StreamOptions {
  /** What the end means, where the streams do not say it: the last words of a process, for one. */
  readonly explain?: (error: string | undefined) => Promise<string | undefined> | string | undefined;
  /** Ends what is behind the streams. */
  readonly end?: () => void;
}

export class StreamTransport implements Transport {
  readonly #input: Readable;
  readonly #output: Writable;
  readonly #options: StreamOptions;
  #listener: TransportListener | null = null;
  #early: Uint8Array[] = [];
  #earlyLength = 0;
  #ended = false;
  #error: string | undefined;
  /** The end is there, with its reason. */
  #told = false;

  constructor(input: Readable, output: Writable, options: StreamOptions = {}) {
    this.#input = input;
    this.#output = output;
    this.#options = options;
    input.on('data', (bytes: Buffer) => this.#data(bytes));
    input.on('end', () => this.#end(undefined));
    input.on('close', () => this.#end(undefined));
    input.on('error', (error) => this.#end(error.message));
    output.on('error', (error) => this.#end(error.message));
    output.on('drain', () => this.#listener?.drained?.());
  }

  get backlog(): number {
    return this.#output.writableLength;
  }

  send(bytes: Uint8Array): void {
    if (!this.#ended && this.#output.writable) this.#output.write(bytes);
  }

  receive(listener: TransportListener): void {
    this.#listener = listener;
    const early = this.#early;
    this.#early = [];
    for (const bytes of early) listener.data(bytes);
    this.#input.resume();
    if (this.#told) listener.closed(this.#error);
  }

  /** Ends our direction: the other side may still have something to say. */
  finish(): void {
    this.#output.end();
  }

  close(): void {
    if (this.#ended) return;
    this.#output.end();
    this.#end(undefined);
  }

  #data(bytes: Uint8Array): void {
    if (this.#ended) return;
    if (this.#listener !== null) return this.#listener.data(bytes);
    this.#early.push(bytes);
    this.#earlyLength += bytes.length;
    if (this.#earlyLength > MOST_EARLY) this.#input.pause();
  }

  #end(error: string | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    if (!this.#output.writableEnded) this.#output.end();
    this.#options.end?.();
    Promise.resolve(this.#options.explain?.(error) ?? error).then((reason) => {
      this.#error = reason;
      this.#told = true;
      this.#listener?.closed(reason);
    });
  }
}
