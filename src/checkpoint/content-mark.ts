/** What a file had in it when an image referred to its pages: a restore does not go on from another file's. */
import type { Inode } from '../vfs/inode.ts';
import { failed, type Sleeper } from '../wait/wait.ts';

export interface ContentMark {
  readonly size: number;
  readonly mtime: bigint;
  /** Of the bytes; empty for files that are too large to be read for it. */
  readonly sum: string;
}

const MOST = 64 << 20;
const PIECE = 1 << 20;
const known = new WeakMap<Inode, ContentMark>();

export function markOf(s: Sleeper, inode: Inode): ContentMark | null {
  const attributes = inode.attributes(s);
  if (failed(attributes)) return null;
  const { size, mtime } = attributes;
  const before = known.get(inode);
  if (before?.size === size && before.mtime === mtime) return before;
  const mark = { size, mtime, sum: size > MOST ? '' : sumOf(s, inode, size) };
  known.set(inode, mark);
  return mark;
}

/** A copy elsewhere has other times: then its bytes decide. */
export function isSame(s: Sleeper, inode: Inode, mark: ContentMark): boolean {
  const attributes = inode.attributes(s);
  if (failed(attributes) || attributes.size !== mark.size) return false;
  return attributes.mtime === mark.mtime || (mark.sum !== '' && sumOf(s, inode, mark.size) === mark.sum);
}

/** Two sums of 32 bits, each of every other word: against files that have changed, not against those who forge them. */
function sumOf(s: Sleeper, inode: Inode, size: number): string {
  let [a, b] = [0x811c9dc5, 0x01000193];
  const bytes = new Uint8Array(PIECE);
  const words = new Int32Array(bytes.buffer);
  for (let at = 0; at < size; at += PIECE) {
    bytes.fill(0);
    for (let done = 0; done < Math.min(PIECE, size - at); ) {
      const count = inode.read(s, at + done, bytes.subarray(done));
      if (count <= 0) return '';
      done += count;
    }
    const count = Math.ceil(Math.min(PIECE, size - at) / 8) * 2;
    for (let i = 0; i < count; i += 2) {
      a = Math.imul(a ^ words[i], 0x01000193) ^ (a >>> 15);
      b = Math.imul(b ^ words[i + 1], 0x85ebca6b) ^ (b >>> 13);
    }
  }
  return [a, b].map((sum) => (sum >>> 0).toString(16).padStart(8, '0')).join('');
}
