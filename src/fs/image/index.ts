/** Saving and loading open files of every kind that has state of its own. */
import { EVENT_KINDS } from './event-kinds.ts';
import { type ImageHooks, ImageReader, type ImageWorld, ImageWriter, type Kind, type NodeImage } from './image.ts';
import { SOCKET_KINDS } from './socket-kinds.ts';
import { TTY_KINDS } from './tty-kinds.ts';

export const FILE_KINDS: readonly Kind<object>[] = [...EVENT_KINDS, ...TTY_KINDS, ...SOCKET_KINDS];

/** Ask it for the number of each open file; then its nodes are the image. */
export function writeImage(hooks: ImageHooks): ImageWriter {
  return new ImageWriter(FILE_KINDS, hooks);
}

/** Makes all objects of an image; ask it for those that descriptors refer to. */
export function readImage(nodes: readonly NodeImage[], world: ImageWorld, hooks: ImageHooks): ImageReader {
  return new ImageReader(nodes, FILE_KINDS, world, hooks).load();
}

export type { Fields, ImageHooks, ImageWorld, Kind, NodeImage, Policy } from './image.ts';
export { ImageReader, ImageWriter, NODE, POLICIES } from './image.ts';
