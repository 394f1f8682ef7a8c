/** The machine's side: its entry and its socket. */
import { chmodSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { peerUid } from '../../host/peer.ts';
import { CONTROL_COMMANDS, type Running } from './commands.ts';
import { type Entry, ownBase, removeEntry, socketOf, writeEntry } from './entry.ts';
import { Lines, PROTOCOL, type Request } from './protocol.ts';

/** A client, as commands see it. */
export interface Connection {
  /** Before the result: progress, output. */
  send(event: unknown): void;
  /** After the command's result, the socket is the caller's: for `attach` and its like. Call it before answering. */
  takeOver(use: (socket: Socket) => void): void;
  /** Called when the client goes away before it has its result. */
  onClose(listener: () => void): void;
}

/** Listens, then writes the entry: whoever reads it can connect. Answers how to withdraw both, or undefined. */
export async function register(running: Running, entry: Entry): Promise<(() => void) | undefined> {
  const base = ownBase();
  if (base === undefined) return undefined;
  const server = createServer((socket) => serve(socket, running));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socketOf(base), resolve);
  });
  // The machine's own end decides when Node ends.
  server.unref();
  chmodSync(socketOf(base), 0o600);
  writeEntry(base, entry);
  return () => removeEntry(base);
}

function serve(socket: Socket, running: Running): void {
  socket.unref();
  socket.on('error', () => {}); // a client that is gone has nobody to tell
  // The directory keeps others out; this holds even where someone has opened it.
  const uid = peerUid(socket);
  if (uid !== undefined && uid !== 0 && uid !== process.getuid?.()) return void socket.destroy();
  let last: Promise<void> = Promise.resolve();
  const lines = new Lines(socket, (line) => {
    last = last.then(() => answer(lines, line, running));
    return false;
  });
  lines.send({ tallship: PROTOCOL, pid: process.pid });
}

async function answer(lines: Lines, line: string, running: Running): Promise<void> {
  let taker: ((socket: Socket) => void) | undefined;
  try {
    const request: Request = JSON.parse(line);
    const load = Object.hasOwn(CONTROL_COMMANDS, request.command) ? CONTROL_COMMANDS[request.command] : undefined;
    if (load === undefined) throw new Error(`this machine's Tallship knows no command ${request.command}`);
    const command = await load();
    const connection: Connection = {
      send: (event) => lines.send({ event }),
      takeOver: (use) => {
        taker = use;
      },
      onClose: (listener) => lines.socket.once('close', listener),
    };
    const result = await command(running, request.arguments ?? {}, connection);
    lines.send({ result: result ?? null });
  } catch (error) {
    lines.send({ error: error instanceof Error ? error.message.split('\n')[0] : String(error) });
    return;
  }
  taker?.(lines.release());
}
