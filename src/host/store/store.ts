/**
 * A store: images that share what is the same in them, each page once. `images/NAME` has an image's manifest, `packs` the
 * objects of all. Who writes or reads holds its lock shared; who removes, alone.
 */
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasImage } from '../image/manifest.ts';
import { ImageFileError } from '../image/staging.ts';
import { libc } from '../libc.ts';
import { Objects } from './objects.ts';

export const STORE_VERSION = 1;
const FORMAT = `tallship-store ${STORE_VERSION}\n`;
const LOCK_SHARED = 1;
const LOCK_EXCLUSIVE = 2;
const LOCK_NOW = 4;
/** How long somebody else may hold the lock: milliseconds. */
const PATIENCE = 60_000;

export const imagesOf = (root: string): string => join(root, 'images');
/** What is being written. Whoever holds the lock alone may remove it. */
export const temporaryOf = (root: string): string => join(root, 'temporary');

export const isStore = (root: string): boolean => existsSync(join(root, 'store'));

/** The store in which an image is, by its directory. */
export const storeOf = (image: string): string => dirname(dirname(resolve(image)));

/** Paths of the images in a store. */
export function imagesIn(root: string): string[] {
  return readdirSync(imagesOf(root))
    .map((name) => join(imagesOf(root), name))
    .filter((path) => hasImage(path));
}

/** Makes it where it is not there. */
export function createStore(root: string): void {
  if (existsSync(root) && !isStore(root) && readdirSync(root).length > 0) {
    throw new ImageFileError(`${root} has other files: it does not become a store`);
  }
  for (const path of [root, imagesOf(root), join(root, 'packs'), temporaryOf(root)]) {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  }
  if (!isStore(root)) writeFileSync(join(root, 'store'), FORMAT, { mode: 0o600 });
}

type Access = 'write' | 'read' | 'alone';

export class Store {
  readonly root: string;
  readonly objects: Objects;
  readonly #lock: number | undefined;

  private constructor(root: string, objects: Objects, lock: number | undefined) {
    this.root = root;
    this.objects = objects;
    this.#lock = lock;
  }

  /**
   * @param how 'alone': nobody else works with it meanwhile.
   * @param objects those of the last time.
   */
  static async open(root: string, how: Access, objects = new Objects(root)): Promise<Store> {
    const format = isStore(root) ? readFileSync(join(root, 'store'), 'utf8') : '';
    if (format !== FORMAT) throw new ImageFileError('it is no store of images, or one of a later version');
    const store = new Store(root, objects, await lock(root, how));
    try {
      objects.refresh();
      return store;
    } catch (error) {
      store.close();
      throw error;
    }
  }

  /** Others may remove from it. */
  unlock(): void {
    if (this.#lock !== undefined) closeSync(this.#lock);
  }

  close(): void {
    this.objects.close();
    this.unlock();
  }
}

/** A store that only can be read has nobody who removes something. */
async function lock(root: string, how: Access): Promise<number | undefined> {
  const host = libc();
  if (host === null && how !== 'read') throw new ImageFileError('a store needs file locks of the host: no koffi here');
  let fd: number;
  try {
    fd = openSync(join(root, 'lock'), how === 'read' ? 'r' : 'a', 0o600);
  } catch (error) {
    if (how === 'read') return undefined;
    throw error;
  }
  const operation = (how === 'alone' ? LOCK_EXCLUSIVE : LOCK_SHARED) | LOCK_NOW;
  for (const end = Date.now() + PATIENCE; ; await sleep(20)) {
    if ((host?.flock(fd, operation) ?? 0) >= 0) return fd;
    if (Date.now() < end) continue;
    closeSync(fd);
    throw new ImageFileError(`${root}: somebody else works with this store`);
  }
}
