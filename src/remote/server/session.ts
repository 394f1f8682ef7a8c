/** One client, over however many connections: what it knows, what it holds, and what it has not been told yet. */
import { EEXIST, EINVAL, EIO, ENOENT, ESTALE } from '../../abi/errno.ts';
import type { Attributes } from '../../vfs/inode.ts';
import type { LockTable } from '../../vfs/locks.ts';
import { failed, type Sleeper } from '../../wait/wait.ts';
import { encodeReply, type Outcome, type Request } from '../messages.ts';
import { type Found, REMOTE_OPERATIONS, type RemoteOperationName, type WireArguments } from '../operations.ts';
import type { Transport } from '../transport.ts';
import { ProtocolError } from '../wire.ts';
import { type Export, type Node, NodeTable } from './nodes.ts';
import { appendAgain, HANDLERS, refusal, TELLS_ATTRIBUTES } from './perform.ts';
import { RequestTask } from './request-task.ts';
import type { Shadow } from './shadow.ts';
import { descend } from './walk.ts';

/** Requests without an answer, and bytes of answers that were not acknowledged: more is not a client's mistake. */
export const WINDOW = 512;
const MOST_KEPT = 256 << 20;

type Handler = (session: Session, node: Node, s: Sleeper, ...values: unknown[]) => unknown;

export class Session {
  readonly id: number;
  readonly secret: Uint8Array;
  readonly nodes = new NodeTable();
  readonly shadow: Shadow;
  /** The connection, while there is one. */
  transport: Transport | null = null;
  /** Requests up to this one have been received. */
  seen = 0;
  readonly #running = new Map<number, RequestTask>();
  /** Answers that the client may not have: exactly once over lost connections. */
  readonly #kept = new Map<number, Uint8Array>();
  #keptBytes = 0;

  constructor(shadow: Shadow, id: number, secret: Uint8Array) {
    this.shadow = shadow;
    this.id = id;
    this.secret = secret;
  }

  get locks(): LockTable {
    return this.shadow.locks;
  }

  /** The connection is there (again): everything that was not acknowledged is sent once more. */
  resume(transport: Transport, answered: number): void {
    this.transport = transport;
    this.#acknowledge(answered);
    for (const bytes of this.#kept.values()) transport.send(bytes);
  }

  #acknowledge(answered: number): void {
    for (const [id, bytes] of this.#kept) {
      if (id > answered) break;
      this.#kept.delete(id);
      this.#keptBytes -= bytes.length;
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
    const refused = refusal(node, request.operation);
    if (refused < 0) return this.#answer(request, node, refused, null);
    const handler = HANDLERS[request.operation] as Handler;
    const task = new RequestTask(
      this.shadow.clock,
      this.#guarded(request, (s) => {
        if (request.again !== 0 && request.operation === 'append') {
          return appendAgain(node, s, ...(request.values as WireArguments<'append'>));
        }
        const answer = handler(this, node, s, ...request.values);
        return request.again !== 0 && isDoubtful(request.operation, answer) ? -EIO : answer;
      }),
      (answer) => {
        this.#running.delete(request.id);
        this.#answer(request, node, answer, task);
      },
    );
    this.#running.set(request.id, task);
    task.run();
  }

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
    if (node !== null && s !== null && TELLS_ATTRIBUTES.has(request.operation)) outcome.attributes = look(node, s);
    const bytes = encodeReply(outcome);
    this.#kept.set(request.id, bytes);
    this.#keptBytes += bytes.length;
    if (this.#keptBytes > MOST_KEPT) throw new ProtocolError('the client acknowledges nothing');
    this.transport?.send(bytes);
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

  /** Nobody will come back: everything that was held is given up. */
  end(): void {
    for (const task of [...this.#running.values()]) task.cancel();
    for (const node of [...this.nodes.all()]) {
      for (const owner of node.owners.values()) this.locks.dropDescription(node.inode, owner);
      while (node.opens.length > 0) this.nodes.closed(node, node.opens[0]);
    }
  }
}

/**
 * A server that was there before may have done it, and this is what doing it twice gives. Or somebody else was first: that
 * cannot be told apart.
 */
function isDoubtful(operation: RemoteOperationName, answer: unknown): boolean {
  return REMOTE_OPERATIONS[operation].effect === 'once' && (answer === -EEXIST || answer === -ENOENT);
}

/** Those that are not about a node. */
const NODELESS: ReadonlySet<RemoteOperationName> = new Set(['attach', 'cancel']);

function look(node: Node, s: Sleeper): Attributes | null {
  const attributes = node.inode.attributes(s);
  return failed(attributes) ? null : attributes;
}
