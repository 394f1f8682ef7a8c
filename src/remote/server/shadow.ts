/**
 * The shadow: serves exported trees to clients that know the token. What a client can reach is what was exported: requests
 * name nodes that it was told of and single names, never paths of the host.
 */
import { errnoName } from '../../abi/errno.ts';
import type { Clock } from '../../vfs/attendant.ts';
import { LockTable } from '../../vfs/locks.ts';
import { failed } from '../../wait/wait.ts';
import { FRAME, FrameSplitter, LARGEST_FRAME, LARGEST_HELLO } from '../frames.ts';
import {
  decodeHello,
  decodeReady,
  decodeRequest,
  encodeRefusal,
  encodeWelcome,
  type Hello,
  type Request,
  type Welcome,
} from '../messages.ts';
import type { Transport } from '../transport.ts';
import { ProtocolError } from '../wire.ts';
import { type CallsAtHome, ForwardedCalls } from './forwarded-calls.ts';
import { HiddenFiles } from './hidden.ts';
import { Journal, type JournalStore } from './journal.ts';
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
  /** Absent: when this server has gone, none comes that clients could go on with. */
  readonly journals?: JournalStore;
  /** Makes system calls here for one client; absent: for none. */
  readonly calls?: () => CallsAtHome;
}

const MOST_SESSIONS = 64;
const HELLO_MS = 10_000;
const PATIENCE_MS = 3_600_000;

export class Shadow {
  readonly exports: readonly Export[];
  readonly locks = new LockTable();
  readonly clock: Clock;
  readonly hidden: HiddenFiles;
  /** What requests that are about no node are about. */
  readonly nowhere: Node;
  readonly #options: ShadowOptions;
  readonly #sessions = new Map<number, Session>();
  readonly #connections = new Set<Connection>();
  #last = 0;
  /** Called when the last session has ended. */
  onIdle: (() => void) | null = null;

  constructor(options: ShadowOptions) {
    this.#options = options;
    this.exports = options.exports;
    this.clock = options.clock;
    this.hidden = new HiddenFiles(options.clock, options.journals ?? null);
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
      order: null,
    };
  }

  openCalls(): ForwardedCalls | null {
    const { calls } = this.#options;
    return calls === undefined ? null : new ForwardedCalls(calls());
  }

  log(line: string): void {
    this.#options.log(line);
  }

  /** Serves a connection until one side ends it. */
  accept(transport: Transport): void {
    const connection = new Connection(this, transport, (line) => this.#options.log(line));
    this.#connections.add(connection);
  }

  /** Ends all connections after what is being answered. Sessions are given up, where no other server can go on with them. */
  close(): void {
    for (const connection of [...this.#connections]) connection.end();
    if (this.#options.journals === undefined)
      for (const session of [...this.#sessions.values()]) this.endSession(session);
  }

  /** Removes what clients have left that did not come back. */
  sweep(): void {
    this.hidden.sweep(this.exports);
  }

  /** The session that a hello asks for, or a new one; a text says why not. */
  greet(hello: Hello): Greeting | string {
    const { token, randomBytes, uid, gid, groups, host } = this.#options;
    if (token !== undefined && !isSame(token, hello.token)) return 'the token is not the right one';
    const found = this.#sessions.get(hello.session);
    const known = found !== undefined && isSame(found.secret, hello.secret) ? found : undefined;
    if (known === undefined && this.#sessions.size >= MOST_SESSIONS) return 'too many clients';
    const session = known ?? this.#newSession(hello);
    const { id, secret, seen, begun } = session;
    const challenge = randomBytes(16);
    const who = { uid, gid, groups: [...groups], host };
    return { session, welcome: { session: id, secret, resumed: begun, seen, ...who, window: WINDOW, challenge } };
  }

  #newSession(hello: Hello): Session {
    const { randomBytes, journals } = this.#options;
    const left = hello.session > 0 ? journals?.take(hello.session, hello.secret) : undefined;
    const secret = left ? hello.secret.slice() : randomBytes(16);
    const id = left ? hello.session : new DataView(randomBytes(8).buffer).getUint32(0, true) * 1024 + ++this.#last;
    const file = left?.file ?? journals?.create(id, secret);
    const session = new Session(this, id, secret, file === undefined ? null : new Journal(file, left));
    this.#sessions.set(id, session);
    return session;
  }

  /** The client has seen the welcome: the session goes on over its connection. */
  begin(session: Session, transport: Transport, answered: number): boolean {
    if (this.#sessions.get(session.id) !== session) return false;
    session.transport?.close();
    session.begun = true;
    session.resume(transport, answered);
    return true;
  }

  /** A connection is lost: its session waits for the client to come back. */
  disconnected(connection: Connection, session: Session | null): void {
    this.#connections.delete(connection);
    if (session === null) return;
    // Nobody knows of it; what an earlier server has left of it stays.
    if (!session.begun) {
      this.#sessions.delete(session.id);
      session.discard();
    }
    if (session.transport !== connection.transport) return;
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

interface Greeting {
  readonly session: Session;
  readonly welcome: Welcome;
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
  /** What was asked for and offered, until the client has seen it. */
  #offered: { readonly hello: Hello; readonly challenge: Uint8Array } | null = null;
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
      this.#greet(decodeHello(body));
    } else if (this.#offered !== null) {
      if (type !== FRAME.ready || !isSame(this.#offered.challenge, decodeReady(body)))
        throw new ProtocolError('the client has not seen the welcome');
      const { hello } = this.#offered;
      this.#offered = null;
      clearTimeout(this.#timer);
      this.#frames.limit = LARGEST_FRAME;
      if (!this.#shadow.begin(session, this.transport, hello.answered)) return this.#refuse('the session is over');
      this.#log(`session ${session.id}: connected`);
    } else if (session.transport !== this.transport) {
      // It goes on over another connection: what comes late over this one was sent again.
    } else if (type === FRAME.request) session.request(decodeRequest(body));
    else if (type === FRAME.ping) this.transport.send(Uint8Array.of(0, 0, 0, 0, FRAME.ping));
    else if (type === FRAME.bye) {
      this.#log(`session ${session.id}: ended`);
      this.#shadow.endSession(session);
      this.end();
    } else throw new ProtocolError(`there is no frame of type ${type}`);
  }

  #greet(hello: Hello): void {
    const greeted = this.#shadow.greet(hello);
    if (typeof greeted === 'string') return this.#refuse(greeted);
    const { session, welcome } = greeted;
    this.#session = session;
    this.#offered = { hello: { ...hello, secret: hello.secret.slice() }, challenge: welcome.challenge };
    this.transport.send(encodeWelcome(welcome));
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
