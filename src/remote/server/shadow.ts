/**
 * The shadow: serves exported trees to clients that know the token. What a client can reach is what was exported: requests
 * name nodes that it was told of and single names, never paths of the host.
 */
import { errnoName } from '../../abi/errno.ts';
import type { Clock } from '../../vfs/attendant.ts';
import { LockTable } from '../../vfs/locks.ts';
import { failed } from '../../wait/wait.ts';
import { FRAME, FrameSplitter, LARGEST_FRAME, LARGEST_HELLO } from '../frames.ts';
import { decodeHello, decodeRequest, encodeRefusal, encodeWelcome, type Hello, type Request } from '../messages.ts';
import type { Transport } from '../transport.ts';
import { ProtocolError } from '../wire.ts';
import { type Export, type Node, pathOf } from './nodes.ts';
import { Session, WINDOW } from './session.ts';

export interface ShadowOptions {
  /** The first one is what a client gets that asks for nothing. */
  readonly exports: readonly Export[];
  /** Who does not know it gets nothing; absent where the listener itself admits only its owner. */
  readonly token?: Uint8Array;
  readonly clock: Clock;
  readonly randomBytes: (count: number) => Uint8Array;
  /** Whose files these are. */
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  readonly host: string;
  /** Comings and goings, and with `changes` each change that was made. */
  readonly log: (line: string) => void;
  readonly changes?: (line: string) => void;
  /** How long a session waits for its client to come back, in milliseconds. */
  readonly patience?: number;
}

const MOST_SESSIONS = 64;
const HELLO_MS = 10_000;
const PATIENCE_MS = 3_600_000;

export class Shadow {
  readonly exports: readonly Export[];
  readonly locks = new LockTable();
  readonly clock: Clock;
  /** What requests that are about no node are about. */
  readonly nowhere: Node;
  readonly #options: ShadowOptions;
  readonly #sessions = new Map<number, Session>();
  readonly #connections = new Set<Connection>();
  /** Called when the last session has ended. */
  onIdle: (() => void) | null = null;

  constructor(options: ShadowOptions) {
    this.#options = options;
    this.exports = options.exports;
    this.clock = options.clock;
    const [root] = options.exports;
    const { fs } = root;
    this.nowhere = {
      id: 0,
      inode: fs.root,
      root,
      parent: null,
      name: '',
      told: 1,
      opens: [],
      owners: new Map(),
      listing: null,
    };
  }

  log(line: string): void {
    this.#options.log(line);
  }

  /** Serves a connection until one side ends it. */
  accept(transport: Transport): void {
    const connection = new Connection(this, transport, (line) => this.#options.log(line));
    this.#connections.add(connection);
  }

  /** Ends all connections after what is being answered; sessions are given up. */
  close(): void {
    for (const connection of [...this.#connections]) connection.end();
    for (const session of [...this.#sessions.values()]) this.endSession(session);
  }

  /** The session that a hello asks for, or a new one; a text says why not. */
  greet(hello: Hello, transport: Transport): Session | string {
    const { token } = this.#options;
    if (token !== undefined && !isSame(token, hello.token)) return 'the token is not the right one';
    const known = this.#sessions.get(hello.session);
    const resumed = known !== undefined && isSame(known.secret, hello.secret);
    if (!resumed && this.#sessions.size >= MOST_SESSIONS) return 'too many clients';
    const session = resumed ? known : this.#newSession();
    session.transport?.close();
    const { uid, gid, groups, host } = this.#options;
    const { id, secret, seen } = session;
    const welcome = { session: id, secret, resumed, seen, uid, gid, groups: [...groups], host, window: WINDOW };
    transport.send(encodeWelcome(welcome));
    session.resume(transport, hello.answered);
    return session;
  }

  #newSession(): Session {
    const { randomBytes } = this.#options;
    const secret = randomBytes(16);
    const id = new DataView(randomBytes(8).buffer).getUint32(0, true) * 1024 + this.#sessions.size + 1;
    const session = new Session(this, id, secret);
    this.#sessions.set(id, session);
    return session;
  }

  /** A connection is lost: its session waits for the client to come back. */
  disconnected(connection: Connection, session: Session | null): void {
    this.#connections.delete(connection);
    if (session === null || session.transport !== connection.transport) return;
    session.transport = null;
    const timer = setTimeout(() => {
      if (session.transport === null) this.endSession(session);
    }, this.#options.patience ?? PATIENCE_MS);
    // A browser's timers are numbers.
    if (typeof timer === 'object') timer.unref();
  }

  endSession(session: Session): void {
    if (!this.#sessions.delete(session.id)) return;
    session.end();
    if (this.#sessions.size === 0) this.onIdle?.();
  }

  /** An operation that changes something was done, or refused. */
  did(session: Session, request: Request, node: Node, answer: unknown): void {
    const { changes } = this.#options;
    if (changes === undefined || !LOGGED.has(request.operation)) return;
    const [first, ...rest] = request.values;
    const name = typeof first === 'string' ? ` ${first}` : '';
    const other = rest.find((value) => typeof value === 'string');
    const result = failed(answer) ? `: ${errnoName(answer)}` : '';
    changes(
      `${session.id} ${request.operation} ${pathOf(node)}${name}${other === undefined ? '' : ` ${other}`}${result}`,
    );
  }
}

const LOGGED: ReadonlySet<string> = new Set([
  ...['change', 'create', 'mkdir', 'symlink', 'tmpfile', 'link', 'unlink', 'rmdir', 'rename', 'opened'],
  ...['setxattr', 'removexattr'],
]);

class Connection {
  readonly transport: Transport;
  readonly #shadow: Shadow;
  readonly #log: (line: string) => void;
  readonly #frames = new FrameSplitter(LARGEST_HELLO);
  readonly #timer: ReturnType<typeof setTimeout>;
  #session: Session | null = null;
  #ended = false;

  constructor(shadow: Shadow, transport: Transport, log: (line: string) => void) {
    this.#shadow = shadow;
    this.transport = transport;
    this.#log = log;
    this.#timer = setTimeout(() => this.#refuse('no hello came'), HELLO_MS);
    transport.receive({ data: (bytes) => this.#data(bytes), closed: (error) => this.#closed(error) });
  }

  #data(bytes: Uint8Array): void {
    if (this.#ended) return;
    this.#frames.add(bytes);
    try {
      for (let next = this.#frames.next(); next !== null && !this.#ended; next = this.#frames.next()) {
        this.#frame(next.type, next.body);
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#refuse(error.message);
    }
  }

  #frame(type: number, body: Uint8Array): void {
    const session = this.#session;
    if (session === null) {
      if (type !== FRAME.hello) throw new ProtocolError('the first frame is not a hello');
      clearTimeout(this.#timer);
      const greeted = this.#shadow.greet(decodeHello(body), this.transport);
      if (typeof greeted === 'string') return this.#refuse(greeted);
      this.#session = greeted;
      this.#frames.limit = LARGEST_FRAME;
      this.#log(`session ${greeted.id}: connected`);
    } else if (type === FRAME.request) session.request(decodeRequest(body));
    else if (type === FRAME.ping) this.transport.send(Uint8Array.of(0, 0, 0, 0, FRAME.ping));
    else if (type === FRAME.bye) {
      this.#log(`session ${session.id}: ended`);
      this.#shadow.endSession(session);
      this.end();
    } else throw new ProtocolError(`there is no frame of type ${type}`);
  }

  #refuse(reason: string): void {
    this.#log(`refused: ${reason}`);
    this.transport.send(encodeRefusal(reason));
    this.end();
  }

  end(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.transport.close();
  }

  #closed(error: string | undefined): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    if (this.#session !== null && error !== undefined) this.#log(`session ${this.#session.id}: ${error}`);
    this.#shadow.disconnected(this, this.#session);
  }
}

/** In a time that does not tell how much of it was right. */
function isSame(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= a[i] ^ (b[i % b.length] ?? 0);
  return difference === 0;
}
