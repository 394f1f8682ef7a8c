/**
 * The other side of tallship migrate: a process that becomes the machine, or one that leads back to it when its connection was
 * lost. Where a migration stands is a file that is written once.
 */
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { exitAtOnce } from '../../host/signals.ts';
import { StreamTransport } from '../../host/transport/streams.ts';
import { Resumable } from '../../remote/resumable.ts';
import { controlDirectories } from '../control/directory.ts';
import { CliError, EXIT } from '../error.ts';
import { GREETING } from '../on/messages.ts';
import { version } from '../version.ts';
import { BERTH, type Decision, type Request } from './messages.ts';

/** How long a source that has not decided may be away, and one whose machine runs here. */
const UNDECIDED_MS = 30_000;
const AWAY_MS = 40 * 60_000;
/** Decisions that nobody asked for are forgotten. */
const KEPT_MS = 7 * 24 * 3600 * 1000;
const IGNORED = ['SIGINT', 'SIGQUIT', 'SIGTSTP', 'SIGTERM', 'SIGHUP', 'SIGPIPE'] as const;
const ID = /^[0-9a-f]{16}$/;

export async function main(): Promise<number> {
  for (const name of IGNORED) process.on(name, () => {});
  const transport = new StreamTransport(process.stdin, process.stdout);
  transport.send(new TextEncoder().encode(`${GREETING} ${version()}\n`));
  const request = await firstLine(transport);
  if (request.directory !== undefined) process.chdir(request.directory);
  if (request.do === 'rejoin') return rejoin(transport, request.id);
  const berth = await Berth.open(transport, request.id);
  const { arrive } = await import('./arrival.ts');
  return arrive(berth);
}

/** One line, and nothing behind it: who asks waits for the answer. */
function firstLine(transport: StreamTransport): Promise<Request> {
  return new Promise((resolve, reject) => {
    let text = '';
    transport.receive({
      data(bytes) {
        text += new TextDecoder().decode(bytes);
        if (!text.endsWith('\n')) return;
        const request = JSON.parse(text) as Request;
        if (ID.test(request.id)) resolve(request);
        else reject(new CliError(EXIT.failure, 'berth: that is no migration'));
      },
      closed: () => exitAtOnce(EXIT.failure),
    });
  });
}

function answer(transport: StreamTransport, word: Decision | 'ok'): void {
  transport.send(new TextEncoder().encode(`${BERTH} ${word}\n`));
}

function pathOf(id: string, extension: 'sock' | 'decision'): string {
  const [directory] = controlDirectories(true);
  if (directory === undefined) throw new CliError(EXIT.failure, 'no private directory: set XDG_RUNTIME_DIR');
  return join(directory, `berth-${id}.${extension}`);
}

/** Writes it unless it is written; answers what is. */
function decide(id: string, decision: Decision): Decision {
  const path = pathOf(id, 'decision');
  try {
    writeFileSync(path, decision, { flag: 'wx', mode: 0o600 });
    return decision;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return readFileSync(path, 'utf8') as Decision;
  }
}

/** Leads to the berth where there still is one; else the decision is the answer. */
async function rejoin(transport: StreamTransport, id: string): Promise<number> {
  const socket = createConnection(pathOf(id, 'sock'));
  const connected = await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
  });
  if (!connected) {
    answer(transport, decide(id, 'aborted'));
    transport.close();
    return 0;
  }
  answer(transport, 'ok');
  const other = new StreamTransport(socket, socket);
  const leave = () => exitAtOnce(0);
  other.receive({ data: (bytes) => transport.send(bytes), closed: leave });
  transport.receive({ data: (bytes) => other.send(bytes), closed: leave });
  return new Promise(() => {});
}

/** Where a machine arrives: a connection that may be lost and made again. */
export class Berth {
  readonly line = new Resumable();
  readonly #id: string;
  #away: NodeJS.Timeout | undefined;
  #hasStarted = false;

  private constructor(id: string) {
    this.#id = id;
  }

  static async open(transport: StreamTransport, id: string): Promise<Berth> {
    forgetOld();
    const berth = new Berth(id);
    const server = createServer((socket: Socket) => berth.#attach(new StreamTransport(socket, socket)));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(pathOf(id, 'sock'), resolve);
    });
    process.on('exit', () => rmSync(pathOf(id, 'sock'), { force: true }));
    berth.line.onLost = () => berth.#wait();
    answer(transport, 'ok');
    berth.#attach(transport);
    return berth;
  }

  /** True: from now on the machine is here, and nowhere else. */
  start(): boolean {
    this.#hasStarted = decide(this.#id, 'started') === 'started';
    return this.#hasStarted;
  }

  /** The source knows how it ended. */
  forget(): void {
    rmSync(pathOf(this.#id, 'decision'), { force: true });
  }

  #attach(transport: StreamTransport): void {
    clearTimeout(this.#away);
    this.line.attach(transport);
  }

  #wait(): void {
    clearTimeout(this.#away);
    this.#away = setTimeout(
      () => {
        if (!this.#hasStarted) decide(this.#id, 'aborted');
        exitAtOnce(EXIT.failure);
      },
      this.#hasStarted ? AWAY_MS : UNDECIDED_MS,
    );
  }
}

function forgetOld(): void {
  const [directory] = controlDirectories(true);
  if (directory === undefined) return;
  for (const name of readdirSync(directory)) {
    const path = join(directory, name);
    if (!/^berth-[0-9a-f]+\.decision$/.test(name)) continue;
    if (Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0) > KEPT_MS) rmSync(path, { force: true });
  }
}
