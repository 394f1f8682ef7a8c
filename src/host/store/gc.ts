/** Removes from a store what no image needs any more. */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { readManifest } from '../image/manifest.ts';
import { CALLS, type FileCalls } from '../image/staging.ts';
import type { Objects } from './objects.ts';
import { HASH_SIZE } from './pack.ts';
import { newId, PackWriter, packPath } from './pack-writer.ts';
import { imagesIn, Store, temporaryOf } from './store.ts';
import { readTree } from './tree.ts';

export interface GcReport {
  readonly images: number;
  /** Objects that images need, and those that are gone. */
  readonly kept: number;
  readonly removed: number;
  /** Bytes of the packs. */
  readonly before: number;
  readonly after: number;
}

export async function collectGarbage(root: string, calls: FileCalls = CALLS): Promise<GcReport> {
  const store = await Store.open(root, 'alone');
  try {
    // Nobody else is here: what is unfinished was given up.
    for (const name of readdirSync(temporaryOf(root))) rmSync(join(temporaryOf(root), name), { recursive: true });
    for (const name of readdirSync(join(root, 'packs'))) {
      if (!name.endsWith('.pack')) rmSync(join(root, 'packs', name));
    }
    const { objects } = store;
    const images = imagesIn(root);
    const live = new Set<string>();
    for (const path of images) markImage(objects, path, live);
    const before = sizeOf(objects);
    const removed = await sweep(root, objects, live, calls);
    return { images: images.length, kept: live.size, removed, before, after: sizeOf(objects) };
  } finally {
    store.close();
  }
}

/** An image whose objects are not all there is damaged, and an error: nothing is removed then. */
function markImage(objects: Objects, path: string, live: Set<string>): void {
  for (const { sha256, size } of readManifest(path).manifest.files) {
    const root = Buffer.from(sha256, 'hex');
    const nodes = objects.read(root);
    live.add(root.toString('latin1'));
    for (const list of [nodes, readTree(objects, root, size)]) {
      for (let at = 0; at < list.length; at += HASH_SIZE) live.add(list.toString('latin1', at, at + HASH_SIZE));
    }
  }
}

/** Such a part of a pack may be needless: writing the rest anew would cost more than it gains. */
const SPARED = 1 / 16;

/** What is needed of packs that hold much else goes into a new one, and they go. Answers how many objects went. */
async function sweep(root: string, objects: Objects, live: ReadonlySet<string>, calls: FileCalls): Promise<number> {
  const codec = objects.packs.some((pack) => pack.codec !== 'none') ? 'deflate' : 'none';
  const writer = new PackWriter(packPath(root, newId()), codec, calls);
  const gone: string[] = [];
  let removed = 0;
  try {
    for (const pack of objects.packs) {
      const needed = pack.hashes().filter((hash) => live.has(hash.toString('latin1')));
      if (pack.count - needed.length <= pack.count * SPARED) continue;
      removed += pack.count - needed.length;
      for (const hash of needed) if (!writer.has(hash)) await writer.add(hash, objects.read(hash));
      gone.push(pack.path);
    }
    await writer.finish();
  } catch (error) {
    writer.abort();
    throw error;
  }
  for (const path of gone) rmSync(path);
  objects.refresh();
  return removed;
}

const sizeOf = ({ packs }: Objects): number => packs.reduce((sum, { size }) => sum + size, 0);
