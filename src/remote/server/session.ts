/** One client, over however many connections: what it knows, what it holds, and what it has not been told yet. */
import { EEXIST, EINVAL, EIO, ENOENT, ESTALE } from '../../abi/errno.ts';
import type { Attributes } from '../../vfs/inode.ts';
import type { LockTable } from '../../vfs/locks.ts';
import { BLOCKED, failed, type Sleeper } from '../../wait/wait.ts';
import { encodeReply, type Outcome, type Request } from '../messages.ts';
import { type Found, REMOTE_OPERATIONS, type RemoteOperationName, type WireArguments } from '../operations.ts';
import { RequestTask } from '../request-task.ts';
import type { Transport } from '../transport.ts';
import { ProtocolError } from '../wire.ts';
import type { ForwardedCalls } from './forwarded-calls.ts';
import { decide, intentOf, isJournaled, NOT_DONE } from './intents.ts';
import type { Journal } from './journal.ts';
import { type Export, type Node, NodeTable } from './nodes.ts';
import { appendAgain, attributesOf, HANDLERS, refusal, TELLS_ATTRIBUTES, tell } from './perform.ts';
import type { Shadow } from './shadow.ts';
import { descend } from './walk.ts';

/** Requests without an answer, and bytes of answers that were not acknowledged: more is not a client's mistake. */
export const WINDOW = 512;
const MOST_KEPT = 256 << 20;

type Handler = (session: Session, node: Node, s: Sleeper, ...values: unknown[]) => unknown;

export class Session {
  readonly id: number;
  readonly secret: Uint8Array;
  readonly nodes: NodeTable;
  readonly shadow: Shadow;
  /** What it has done, for a server that comes after this one; null: none will. */
  readonly #journal: Journal | null;
  /** The client knows of it. */
  begun = false;
  /** The connection, while there is one. */
  transport: Transport | null = null;
  /** Requests up to this one have been received. */
  seen = 0;
  /** System calls that are made here for its programs. */
  readonly calls: ForwardedCalls | null;
  readonly #running = new Map<number, RequestTask>();
  /** Nodes that a disk is asked for, with what comes after that. */
  readonly #slow = new Map<Node, { readonly operation: RemoteOperationName; readonly task: RequestTask }[]>();
  /** Answers that the client may not have: exactly once over lost connections. */
  readonly #kept = new Map<number, { readonly key: number; readonly bytes: Uint8Array }>();
  #keptBytes = 0;

  constructor(shadow: Shadow, id: number, secret: Uint8Array, journal: Journal | null) {
    this.shadow = shadow;
    this.id = id;
    this.secret = secret;
    this.nodes = new NodeTable(shadow.hidden);
    this.#journal = journal;
    this.calls = shadow.openCalls();
  }

  get locks(): LockTable {
    return this.shadow.locks;
  }

  /** The connection is there (again): everything that was not acknowledged is sent once more. */
  resume(transport: Transport, answered: number): void {
    this.transport = transport;
    this.#acknowledge(answered);
    for (const { bytes } of this.#kept.values()) transport.send(bytes);
  }

  #acknowledge(answered: number): void {
    for (const [id, { key, bytes }] of this.#kept) {
      if (id > answered) break;
      this.#kept.delete(id);
      this.#keptBytes -= bytes.length;
      this.#journal?.forget(key);
    }
  }

  request(request: Request): void {
    this.#acknowledge(request.answered);
    if (request.id <= this.seen) return;
    if (request.id !== this.seen + 1) throw new ProtocolError('requests are out of order');
    if (this.#running.size + this.#kept.size >= 2 * WINDOW) throw new ProtocolError('too many requests at a time');
    this.seen = request.id;
    const node = request.node === 0 ? this.shadow.nowhere : this.nodes.get(request.node);
    if (node === undefined) return this.#answer(request, null, -ESTALE, null);
    if ((node === this.shadow.nowhere) !== NODELESS.has(request.operation))
      return this.#answer(request, null, -EINVAL, null);
    const refused = refusal(node, request.operation, request.values);
    if (refused < 0) return this.#answer(request, node, refused, null);
    const task = new RequestTask(
      this.shadow.clock,
      this.#guarded(request, (s) => (request.again ? this.#again(request, node, s) : this.#perform(request, node, s))),
      (answer) => {
        this.#running.delete(request.id);
        this.#answer(request, node, answer, task);
      },
    );
    this.#running.set(request.id, task);
    this.#inOrder(node, request.operation, task);
  }

  /** What a node is asked while its disk is slow waits; other nodes do not. */
  #inOrder(node: Node, operation: RemoteOperationName, task: RequestTask): void {
    const queue = this.#slow.get(node);
    if (queue !== undefined) {
      queue.push({ operation, task });
      return;
    }
    task.run();
    if (!task.ended && SLOW.has(operation)) {
      this.#slow.set(node, []);
      task.onEnd = () => this.#goOn(node);
    }
  }

  #goOn(node: Node): void {
    const queue = this.#slow.get(node) ?? [];
    this.#slow.delete(node);
    for (const { operation, task } of queue) this.#inOrder(node, operation, task);
  }

  #perform({ key, operation, values }: Request, node: Node, s: Sleeper): unknown {
    const journal = isJournaled(operation) ? this.#journal : null;
    if (journal !== null) {
      s.once(() => {
        const intent = intentOf(s, node, operation, values, this.#resolve);
        if (intent !== null) journal.begin(key, intent);
        return 0;
      });
    }
    const answer = (HANDLERS[operation] as Handler)(this, node, s, ...values);
    if (answer !== BLOCKED) journal?.finish(key, inShort(answer));
    return answer;
  }

  /** A server that is not there any more may have done it. */
  #again(request: Request, node: Node, s: Sleeper): unknown {
    const { key, operation, values } = request;
    const left = this.#journal?.left ?? null;
    if (this.#journal === null || left === null || !isJournaled(operation)) return this.#guess(request, node, s);
    const done = this.#journal.done(key);
    if (done !== null && left.sameBoot) return this.#told(request, node, s, done);
    const intent = this.#journal.intent(key);
    if (intent === null) return left.complete ? this.#perform(request, node, s) : this.#guess(request, node, s);
    const decided = decide(s, node, operation, values, intent, this.#resolve);
    if (decided === NOT_DONE) return this.#perform(request, node, s);
    this.#journal.finish(key, typeof decided === 'number' ? decided : inShort(decided.inode.attributes(s)));
    return typeof decided === 'number' ? decided : tell(this, s, decided.inode, node, decided.name);
  }

  /** The answer that was given, or would have been. */
  #told({ operation, values }: Request, node: Node, s: Sleeper, done: number): unknown {
    const [name] = values;
    if (done < 0 || typeof name !== 'string' || REMOTE_OPERATIONS[operation].answer !== 'found') return done;
    const inode = node.inode.lookup(s, name);
    const found = failed(inode) ? inode : tell(this, s, inode, node, name);
    return failed(found) || found.attributes.ino === done ? found : -ESTALE;
  }

  /** Nothing is known but what is there now. */
  #guess(request: Request, node: Node, s: Sleeper): unknown {
    if (request.operation === 'append') return appendAgain(node, s, ...(request.values as WireArguments<'append'>));
    const answer = this.#perform(request, node, s);
    return isDoubtful(request.operation, answer) ? -EIO : answer;
  }

  readonly #resolve = (node: number) => this.nodes.get(node)?.inode;

  /** An error of ours is an answer and a line in the log: other clients go on. */
  #guarded(request: Request, operation: (s: Sleeper) => unknown): (s: Sleeper) => unknown {
    return (s) => {
      try {
        return operation(s);
      } catch (error) {
        this.shadow.log(`session ${this.id}: internal error in ${request.operation}: ${error}`);
        return -EIO;
      }
    };
  }

  cancel(id: number): void {
    this.#running.get(id)?.cancel();
  }

  #answer(request: Request, node: Node | null, answer: unknown, s: Sleeper | null): void {
    const { answer: kind, effect } = REMOTE_OPERATIONS[request.operation];
    if (node !== null && effect !== 'look') this.shadow.did(this, request, node, answer);
    const status = failed(answer) ? answer : 0;
    const outcome: Outcome = { id: request.id, status, attributes: null };
    if (status === 0) outcome.answer = { kind, value: answer };
    if (node !== null && s !== null && TELLS_ATTRIBUTES.has(request.operation))
      outcome.attributes = this.#look(node, s);
    const bytes = encodeReply(outcome);
    this.#kept.set(request.id, { key: request.key, bytes });
    this.#keptBytes += bytes.length;
    if (this.#keptBytes > MOST_KEPT) throw new ProtocolError('the client acknowledges nothing');
    this.transport?.send(bytes);
  }

  #look(node: Node, s: Sleeper): Attributes | null {
    const attributes = attributesOf(this, s, node);
    return failed(attributes) ? null : attributes;
  }

  /** The directory that a client begins with. */
  attach(s: Sleeper, path: string): Found | number {
    const { exports } = this.shadow;
    const inside = (one: Export) => path === one.path || path.startsWith(one.path === '/' ? '/' : `${one.path}/`);
    const root = path === '' ? exports[0] : exports.filter(inside).sort((a, b) => b.path.length - a.path.length)[0];
    if (root === undefined) return -ENOENT;
    const top = this.nodes.tell(root.fs.root, root, null, '');
    const below = descend(this, s, top, path === '' ? '' : path.slice(root.path.length));
    if (failed(below)) return below;
    const attributes = below.inode.attributes(s);
    return failed(attributes) ? attributes : { node: below.id, attributes };
  }

  /** The root of the tree that a node is in: where absolute symlinks begin. */
  rootOf(node: Node): Node {
    return this.nodes.tell(node.root.fs.root, node.root, null, '');
  }

  /** No client has ever heard of it; of what an earlier server has left it may hear yet. */
  discard(): void {
    if (this.#journal?.left === null) this.#journal.remove();
  }

  /** Nobody will come back: everything that was held is given up. */
  end(): void {
    for (const task of [...this.#running.values()]) task.cancel();
    for (const node of [...this.nodes.all()]) {
      for (const owner of node.owners.values()) this.locks.dropDescription(node.inode, owner);
      while (node.opens.length > 0) this.nodes.closed(node, node.opens[0]);
    }
    this.calls?.close();
    this.#journal?.remove();
  }
}

/** What the journal keeps of an answer: a number, or that of the inode. */
function inShort(answer: unknown): number {
  return typeof answer === 'number' ? answer : ((answer as Partial<Found>).attributes ?? (answer as Attributes)).ino;
}

/**
 * A server that was there before may have done it, and this is what doing it twice gives. Or somebody else was first: that
 * cannot be told apart.
 */
function isDoubtful(operation: RemoteOperationName, answer: unknown): boolean {
  return REMOTE_OPERATIONS[operation].effect === 'once' && (answer === -EEXIST || answer === -ENOENT);
}

/** Those that ask a disk. */
const SLOW: ReadonlySet<RemoteOperationName> = new Set(['read', 'fsync']);

/** Those that are not about a node. */
const NODELESS: ReadonlySet<RemoteOperationName> = new Set(['attach', 'cancel', 'call']);
