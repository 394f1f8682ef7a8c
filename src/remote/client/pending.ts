/** A request of the client's, and what it is about. */
import type { Attributes } from '../../vfs/inode.ts';
import { WaitQueue } from '../../wait/wait.ts';
import type { RemoteOperationName } from '../operations.ts';

/** What requests are about. The number changes when the server was started anew. */
export interface Target {
  node: number;
  /** The server has another file there now, or none: nothing can be asked. */
  readonly stale: number;
}

/** A request, until its answer was taken. */
export class Pending {
  readonly id: number;
  readonly operation: RemoteOperationName;
  readonly target: Target | null;
  readonly values: readonly unknown[];
  readonly queue = new WaitQueue();
  /** Called when the answer is there, before those who wait. */
  readonly react: ((pending: Pending) => void) | null;
  done = false;
  status = 0;
  attributes: Attributes | null = null;
  answer: unknown = null;
  /** When it was sent, in milliseconds. */
  sentAt = 0;
  /** Its number on the wire, once it was sent. */
  sequence = 0;
  /** A server that is not there any more may have done it. */
  again = false;
  /** With a new server, finding the node again does it too. */
  renewed = false;
  /** A part of finding nodes again, which a new server is asked anew. */
  first = false;
  /** Waits for a lock, and was told to end as by a signal. */
  interrupted = false;

  constructor(
    id: number,
    operation: RemoteOperationName,
    target: Target | null,
    values: readonly unknown[],
    react: ((pending: Pending) => void) | null,
  ) {
    this.id = id;
    this.operation = operation;
    this.target = target;
    this.values = values;
    this.react = react;
  }
}

export function isTarget(value: unknown): value is Target {
  return typeof value === 'object' && value !== null && 'node' in value && 'stale' in value;
}

/** The server does not want us: trying again does not help. */
export class RefusedError extends Error {
  override name = 'RefusedError';
}
