/** The other side: finds a machine and asks it. */
import { createConnection, type Socket } from 'node:net';
import { CliError, EXIT } from '../error.ts';
import { isAlive, type Registered, readEntries, removeEntry, socketOf } from './entry.ts';
import { type Hello, Lines, PROTOCOL, type Reply } from './protocol.ts';

/** A machine answers between slices, within some ms; one that is stopped does not. */
const HELLO_MS = 3000;

/** A connection to a machine; one request at a time. */
export class Control {
  readonly #lines: Lines;
  readonly #received: (Hello | Reply)[] = [];
  #failure: Error | undefined;
  #changed: () => void = () => {};

  private constructor(socket: Socket) {
    this.#lines = new Lines(socket, (line) => {
      const message: Hello | Reply = JSON.parse(line);
      this.#received.push(message);
      this.#changed();
      // A command that takes the connection over sends what it likes after its result.
      return 'result' in message;
    });
    const fail = (error: Error) => {
      this.#failure ??= error;
      this.#changed();
    };
    socket.on('error', fail);
    socket.on('close', () => fail(new CliError(EXIT.failure, 'the machine has ended')));
  }

  /** Rejects with ECONNREFUSED or ENOENT where nobody listens. */
  static async connect(base: string): Promise<Control> {
    const socket = createConnection(socketOf(base));
    const control = new Control(socket);
    const silent = setTimeout(
      () => socket.destroy(new CliError(EXIT.failure, 'the machine does not answer; is it stopped?')),
      HELLO_MS,
    );
    try {
      const hello = (await control.#next()) as Hello;
      if (hello.tallship !== PROTOCOL)
        throw new CliError(EXIT.failure, `the machine speaks version ${hello.tallship} of the control protocol`);
      return control;
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      clearTimeout(silent);
    }
  }

  /** Resolves with the command's result; errors of the machine's reject. */
  async request(command: string, argument: object = {}, onEvent?: (event: never) => void): Promise<unknown> {
    this.#lines.send({ command, arguments: argument as Record<string, unknown> });
    for (;;) {
      const reply = (await this.#next()) as Reply;
      if ('event' in reply) onEvent?.(reply.event as never);
      else if ('error' in reply) throw new CliError(EXIT.failure, reply.error);
      else return reply.result;
    }
  }

  /** After a command that takes the connection over. */
  release(): Socket {
    return this.#lines.release();
  }

  close(): void {
    this.#lines.socket.destroy();
  }

  async #next(): Promise<Hello | Reply> {
    while (this.#received.length === 0) {
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
    return this.#received.shift()!;
  }
}

/** A machine of the list: connected, or why not. */
export interface Found {
  readonly entry: Registered;
  readonly control: Control | null;
  readonly failure?: string;
}

/** Connects to machines; entries whose process is gone are removed. */
export async function connectAll(entries = readEntries()): Promise<Found[]> {
  const tried = await Promise.all(entries.map(tryEntry));
  return tried.filter((found) => found !== undefined);
}

async function tryEntry(entry: Registered): Promise<Found | undefined> {
  try {
    return { entry, control: await Control.connect(entry.base) };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const nobody = code === 'ECONNREFUSED' || code === 'ENOENT';
    if (!nobody || isAlive(entry)) return { entry, control: null, failure: message };
    removeEntry(entry.base);
    return undefined;
  }
}

/** The machine that PID or NAME means, connected. */
export async function findMachine(word: string): Promise<Found> {
  const meant = readEntries().filter(({ pid, name }) => name === word || String(pid) === word);
  const found = await connectAll(meant);
  if (found.length === 0)
    throw new CliError(EXIT.failure, `${word}: no such machine; tallship ps lists those that run`);
  if (found.length > 1) {
    for (const { control } of found) control?.close();
    const pids = found.map(({ entry }) => entry.pid).join(', ');
    throw new CliError(EXIT.failure, `${word}: there are ${found.length} of this name; give a PID: ${pids}`);
  }
  return found[0];
}

/** One request to one machine. */
export async function ask(word: string, command: string, argument?: object, onEvent?: (event: never) => void) {
  const { control, failure } = await findMachine(word);
  if (control === null) throw new CliError(EXIT.failure, `${word}: ${failure}`);
  try {
    return await control.request(command, argument, onEvent);
  } finally {
    control.close();
  }
}
