/** Sockets at home of programs elsewhere: bytes and connections wait here until they are asked for. */
import type { Server, Socket } from 'node:net';
import { EINVAL, EPIPE } from '../abi/errno.ts';
import { errnoOf } from './files.ts';

/** What a waiting call looks at again. */
abstract class Waiting {
  #waiting: (() => void)[] = [];

  protected changed(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  protected change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

export class HomeConnection extends Waiting {
  readonly #socket: Socket;
  #error: number | null = null;
  #ended = false;

  constructor(socket: Socket) {
    super();
    this.#socket = socket;
    socket.on('readable', () => this.changed());
    socket.on('end', () => this.#end());
    socket.on('close', () => this.#end());
    socket.on('error', (error) => {
      this.#error = errnoOf(error);
      this.changed();
    });
  }

  #end(): void {
    this.#ended = true;
    this.changed();
  }

  /** No bytes: the other side has ended. */
  async receive(most: number): Promise<Uint8Array | number> {
    for (;;) {
      const length = Math.min(most, this.#socket.readableLength);
      // Also with nothing there: that is what makes Node ask for more.
      const bytes: Buffer | null = length > 0 ? this.#socket.read(length) : this.#socket.read();
      if (bytes !== null) return bytes;
      if (this.#error !== null) return this.#error;
      if (this.#ended) return new Uint8Array();
      await this.change();
    }
  }

  /** Answers when the system has taken them. */
  send(bytes: Uint8Array): Promise<number> {
    return new Promise((resolve) => {
      if (this.#error !== null) resolve(this.#error);
      else if (!this.#socket.writable) resolve(-EPIPE);
      else this.#socket.write(bytes, (error) => resolve(error ? errnoOf(error) : bytes.length));
    });
  }

  shutdown(): void {
    this.#socket.end();
  }

  close(): void {
    this.#socket.destroySoon();
    this.changed();
  }
}

export class HomeListener extends Waiting {
  readonly #server: Server;
  readonly #sockets: Socket[] = [];
  #closed = false;

  constructor(server: Server) {
    super();
    this.#server = server;
    server.on('connection', (socket) => {
      socket.on('error', () => {});
      this.#sockets.push(socket);
      this.changed();
    });
  }

  async accept(): Promise<Socket | number> {
    for (;;) {
      const socket = this.#sockets.shift();
      if (socket !== undefined) return socket;
      if (this.#closed) return -EINVAL;
      await this.change();
    }
  }

  close(): void {
    this.#closed = true;
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    this.changed();
  }
}
