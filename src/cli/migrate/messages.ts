/** What the two sides of a migration tell each other, beside the image, files and the bytes of descriptors: lines of JSON. */
import type { PassedOn } from '../../host/signals.ts';
import type { FromCrew, StartMessage, WindowSize } from '../on/messages.ts';

/** The first word of a berth's answer; the second is one of the following, or `ok`. */
export const BERTH = 'tallship-berth';

/**
 * Whether the machine has started on the other side. Whoever writes it first decides: the berth, before anything runs there,
 * or the source's question, when there is no berth any more.
 */
export type Decision = 'started' | 'aborted';

/** What a berth is asked for on its first line. */
export interface Request {
  readonly do: 'begin' | 'rejoin';
  /** Of the migration. */
  readonly id: string;
  /** Where the other side works; absent: where it is. */
  readonly directory?: string;
}

/** Trees of the source's host, by their origin: what they are called here. Said first: the other side connects to them. */
export interface TreesMessage {
  readonly kind: 'trees';
  readonly trees: Readonly<Record<string, { readonly path: string; readonly device: number }>>;
}

/** The image with this number, from 1, is the last: the machine goes on from it. */
export interface MoveMessage extends Pick<StartMessage, 'streams' | 'terminal' | 'user'> {
  readonly kind: 'move';
  readonly image: number;
}

export type FromSource =
  | TreesMessage
  | MoveMessage
  | { readonly kind: 'commit' }
  | { readonly kind: 'signal'; readonly name: PassedOn }
  | { readonly kind: 'kill' }
  | { readonly kind: 'size'; readonly size: WindowSize };

export type FromTarget =
  | FromCrew
  /** An image that is not the last one has come. */
  | { readonly kind: 'taken' }
  /** The machine is there, and waits. */
  | { readonly kind: 'prepared' }
  /** It runs. */
  | { readonly kind: 'started' };
