/**
 * Files of an image in a store: cut into blocks, which are objects. The hashes of 512 blocks are an object (a node), the hashes
 * of all nodes another, whose hash stands for the file: what did not change is shared at every level.
 */
import { ImageFileError } from '../image/staging.ts';
import type { Objects } from './objects.ts';
import { HASH_SIZE } from './pack.ts';

/** A page of memory. */
export const BLOCK = 4096;
const NODE = 512 * HASH_SIZE;

/** The nodes of a list of hashes. */
export function* nodesOf(hashes: Buffer): Generator<Buffer> {
  for (let at = 0; at < hashes.length; at += NODE) yield hashes.subarray(at, at + NODE);
}

/** The hashes of a file's blocks. */
export function readTree(objects: Objects, root: Uint8Array, size: number): Buffer {
  const nodes = objects.read(root);
  const hashes: Uint8Array[] = [];
  for (let at = 0; at + HASH_SIZE <= nodes.length; at += HASH_SIZE) {
    hashes.push(objects.read(nodes.subarray(at, at + HASH_SIZE)));
  }
  const all = Buffer.concat(hashes);
  if (all.length !== Math.ceil(size / BLOCK) * HASH_SIZE)
    throw new ImageFileError('it is damaged: a file has another size');
  return all;
}
