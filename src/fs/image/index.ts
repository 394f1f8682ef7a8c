/** Saving and loading open files of every kind that has state of its own. */
import { EVENT_KINDS } from './event-kinds.ts';
import { type ImageHooks, ImageReader, type ImageWorld, ImageWriter, type NodeImage } from './image.ts';
import { SOCKET_KINDS } from './socket-kinds.ts';
import { TTY_KINDS } from './tty-kinds.ts';

const KINDS = [...EVENT_KINDS, ...TTY_KINDS, ...SOCKET_KINDS];

/** Ask it for the number of each open file; then its nodes are the image. */
export function writeImage(hooks: ImageHooks): ImageWriter {
  return new ImageWriter(KINDS, hooks);
}

/** Makes all objects of an image; ask it for those that descriptors refer to. */
export function readImage(nodes: readonly NodeImage[], world: ImageWorld, hooks: ImageHooks): ImageReader {
  return new ImageReader(nodes, KINDS, world, hooks);
}

export type { Fields, ImageHooks, ImageReader, ImageWorld, ImageWriter, NodeImage } from './image.ts';
