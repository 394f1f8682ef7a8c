/**
 * What is spoken on a machine's control socket: lines of JSON.
 *
 *   machine:  {"tallship":1,"pid":4711}                          as soon as one connects
 *   client:   {"command":"kill","arguments":{"signal":15}}       one request at a time
 *   machine:  {"event":...}                                      any number: progress, output
 *   machine:  {"result":...}  or  {"error":"one line"}           ends the request
 *
 * A command may take the connection over (`attach`, `migrate`): after its result the two sides exchange what they like. The
 * version changes when an older client could misunderstand; commands, arguments and fields may be added.
 */
import type { Socket } from 'node:net';

export const PROTOCOL = 1;

/** Longer lines are nobody's request. */
const LINE_MAX = 16 << 20;
const NEWLINE = 10;

export interface Hello {
  readonly tallship: number;
  readonly pid: number;
}
export interface Request {
  readonly command: string;
  readonly arguments?: Readonly<Record<string, unknown>>;
}
export type Reply = { readonly event: unknown } | { readonly result: unknown } | { readonly error: string };

/** Lines from a socket and to it, until someone takes the bytes themselves. */
export class Lines {
  readonly socket: Socket;
  #parts: Buffer[] = [];
  #size = 0;
  readonly #receive: (line: string) => boolean;
  #held = false;
  readonly #listener = (data: Buffer) => this.#data(data);

  /** @param receive true: what follows stays bytes until the next send() or release(). */
  constructor(socket: Socket, receive: (line: string) => boolean) {
    this.socket = socket;
    this.#receive = receive;
    socket.on('data', this.#listener);
  }

  send(message: Hello | Request | Reply): void {
    this.socket.write(`${JSON.stringify(message)}\n`);
    if (!this.#held) return;
    this.#held = false;
    this.#split();
  }

  /** From now on the socket's bytes are the caller's, those that have come already first. */
  release(): Socket {
    const { socket } = this;
    socket.off('data', this.#listener);
    socket.pause();
    if (this.#size > 0) socket.unshift(Buffer.concat(this.#parts));
    this.#parts = [];
    this.#size = 0;
    return socket;
  }

  #data(data: Buffer): void {
    this.#parts.push(data);
    this.#size += data.length;
    if (!data.includes(NEWLINE)) {
      if (this.#size > LINE_MAX) this.socket.destroy(new Error('a line of the control protocol is too long'));
      return;
    }
    this.#split();
  }

  #split(): void {
    while (!this.#held) {
      const all = Buffer.concat(this.#parts);
      const end = all.indexOf(NEWLINE);
      if (end < 0) return;
      const rest = all.subarray(end + 1);
      this.#parts = [rest];
      this.#size = rest.length;
      this.#held = this.#receive(all.toString('utf8', 0, end));
      if (this.#size === 0) return;
    }
  }
}
