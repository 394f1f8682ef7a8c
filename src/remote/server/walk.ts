/** A walk in one go: what path_resolution(7) would ask for, name by name, as far as it stays in the exported tree. */
import { ENFILE, ENOENT } from '../../abi/errno.ts';
import { MAXSYMLINKS, S_IFDIR, S_IFREG } from '../../abi/fs.ts';
import { NAME_MAX, pathLength } from '../../abi/path.ts';
import { BLOCKED, failed, type Sleeper } from '../../wait/wait.ts';
import type { Step } from '../operations.ts';
import { HIDDEN } from './hidden.ts';
import { ASKED_FIRST, ASKED_IN_VAIN, LIBRARY_DIRECTORIES, needsOf, readCache } from './kin.ts';
import type { Node, Order } from './nodes.ts';
import { stepOf } from './perform.ts';
import type { Session } from './session.ts';

const LONGEST_WALK = 256;
/** A directory with so few entries comes along whole, and its files up to so many bytes. */
const SMALL_DIRECTORY = 48;
const SMALL_NEIGHBOUR = 4 << 10;
/** So many names come along for who asks for those of a large directory in its order. */
const FOLLOWING = 256;
const SMALL_LIBRARY = 64 << 10;
const MOST_LIBRARIES = 64;
/** Of contents that nobody asked for by name. */
const MOST_UNASKED = 256 << 10;

/** @param ahead a round trip is dear: what will probably be asked for next comes along. */
export function walkFrom(
  session: Session,
  s: Sleeper,
  start: Node,
  path: string,
  contents: number,
  ahead = false,
): Step[] | number {
  const walker = new Walker(session, s);
  const end = walker.go(start, path, contents);
  if (end === BLOCKED) return BLOCKED;
  if (!ahead) return walker.steps;
  const more = walker.neighbours() || (end === null ? 0 : walker.kin(end));
  return more === BLOCKED ? BLOCKED : walker.steps;
}

class Walker {
  readonly steps: Step[] = [];
  readonly #session: Session;
  readonly #s: Sleeper;
  readonly #told = new Set<string>();
  /** Where the last name was looked up, and the name. */
  #at!: Node;
  #name = '';
  #unasked = MOST_UNASKED;

  constructor(session: Session, s: Sleeper) {
    this.#session = session;
    this.#s = s;
  }

  /** Answers the node that the path leads to; null where it leads to none, or out of the tree. */
  go(start: Node, path: string, contents = -1): Node | null | typeof BLOCKED {
    const names = split(path);
    let at = start;
    this.#at = at;
    let links = 0;
    let end: Node | null = start;
    const limit = this.steps.length + LONGEST_WALK;
    while (names.length > 0 && this.steps.length < limit) {
      const name = names.shift()!;
      this.#at = at;
      this.#name = name;
      if (name === '..') {
        if (at.parent === null) return null;
        at = at.parent;
        end = at;
        continue;
      }
      const step = this.#step(at, name, names.length === 0 ? contents : -1);
      if (step === BLOCKED) return BLOCKED;
      if (step === null || step.found === null) return null;
      if (step.target !== null) {
        if (++links > MAXSYMLINKS) return null;
        // A link in the last place may be what is meant: where it leads is told all the same.
        names.unshift(...split(step.target));
        if (step.target.startsWith('/')) at = this.#session.rootOf(at);
        continue;
      }
      end = this.#session.nodes.get(step.found.node)!;
      if (end.inode.type !== S_IFDIR) return names.length === 0 ? end : null;
      at = end;
    }
    return names.length === 0 ? end : null;
  }

  /** Null: there is nothing to be told. */
  #step(at: Node, name: string, contents: number): Step | null | typeof BLOCKED {
    if (pathLength(name) > NAME_MAX || name.includes('\0')) return null;
    const inode = name === HIDDEN ? -ENOENT : at.inode.lookup(this.#s, name);
    if (inode === BLOCKED) return BLOCKED;
    if (failed(inode) && inode !== -ENOENT) return null;
    const step: Step | number | null = failed(inode)
      ? { parent: at.id, name, found: null, target: null, contents: null, complete: false, wanted: false }
      : stepOf(this.#session, this.#s, at, name, inode, contents);
    if (step === null || typeof step === 'number') return step === BLOCKED ? BLOCKED : null;
    const key = `${at.id}/${name}`;
    if (!this.#told.has(key)) this.steps.push(step);
    this.#told.add(key);
    return step;
  }

  /** All of the directory in which the walk has ended, if it is small; of a large one, what follows for who goes through it. */
  neighbours(): number {
    const at = this.#at;
    const attributes = at.inode.attributes(this.#s);
    if (failed(attributes)) return attributes === BLOCKED ? BLOCKED : 0;
    if (at.order?.mtime === attributes.mtime) return this.#following(at.order);
    const entries = at.inode.entries(this.#s, 0);
    if (failed(entries)) return entries === BLOCKED ? BLOCKED : 0;
    const names = entries.map(({ name }) => name);
    if (names.length > SMALL_DIRECTORY) {
      const places = new Map(names.map((name, i) => [name, i]));
      at.order = { mtime: attributes.mtime, names, places, last: at.order?.last ?? -1 };
      return this.#following(at.order);
    }
    const told = this.#tellAll(names);
    if (told !== names.length) return told === BLOCKED ? BLOCKED : 0;
    const last = this.steps.findLast(({ parent }) => parent === at.id);
    if (last !== undefined) last.complete = true;
    return 0;
  }

  #following(order: Order): number {
    const place = order.places.get(this.#name) ?? -1;
    const isNext = order.last >= 0 && place > order.last && place <= order.last + FOLLOWING;
    order.last = place;
    if (!isNext) return 0;
    const told = this.#tellAll(order.names.slice(place + 1, place + 1 + FOLLOWING));
    if (told === BLOCKED) return BLOCKED;
    order.last += told;
    return 0;
  }

  /** Answers how many of the names could be told. */
  #tellAll(names: readonly string[]): number {
    const at = this.#at;
    for (const [i, name] of names.entries()) {
      if (this.#told.has(`${at.id}/${name}`)) continue;
      const step = this.#step(at, name, Math.min(SMALL_NEIGHBOUR, this.#unasked));
      if (step === BLOCKED) return BLOCKED;
      if (step === null) return i;
      this.#unasked -= step.contents?.length ?? 0;
    }
    return names.length;
  }

  /** Of a dynamic program or library: its interpreter and libraries, and what the interpreter asks for before it finds them. */
  kin(program: Node): number {
    const attributes = program.inode.type === S_IFREG ? program.inode.attributes(this.#s) : 0;
    if (typeof attributes === 'number') return attributes;
    const needs = needsOf(this.#s, program.inode);
    if (needs === BLOCKED) return BLOCKED;
    if (needs === null) return 0;
    const root = this.#session.rootOf(program);
    // A library that a program loads later has libraries too.
    for (const path of needs.interpreter === '' ? [] : [needs.interpreter, ...ASKED_FIRST]) {
      if (this.#want(root, path) === BLOCKED) return BLOCKED;
    }
    const cache = this.#cache(root);
    return cache === BLOCKED ? BLOCKED : this.#libraries(root, [...needs.libraries], cache);
  }

  #cache(root: Node): Map<string, string> | typeof BLOCKED {
    const file = this.go(root, '/etc/ld.so.cache');
    if (file === null || file === BLOCKED) return file ?? new Map();
    const attributes = file.inode.attributes(this.#s);
    if (typeof attributes === 'number') return attributes === BLOCKED ? BLOCKED : new Map();
    return readCache(this.#s, file.inode, attributes.size);
  }

  #libraries(root: Node, names: string[], cache: ReadonlyMap<string, string>): number {
    for (let i = 0; i < Math.min(names.length, MOST_LIBRARIES); i++) {
      const library = this.#library(root, names[i], cache);
      if (library === BLOCKED) return BLOCKED;
      const needs = library === null ? null : needsOf(this.#s, library.inode);
      if (needs === BLOCKED) return BLOCKED;
      for (const name of needs?.libraries ?? []) if (!names.includes(name)) names.push(name);
    }
    return 0;
  }

  #library(root: Node, name: string, cache: ReadonlyMap<string, string>): Node | null | typeof BLOCKED {
    if (name.includes('/')) return this.#want(root, name);
    const known = cache.get(name);
    if (known !== undefined) return this.#want(root, known);
    for (const directory of LIBRARY_DIRECTORIES) {
      const at = this.go(root, directory);
      if (at === BLOCKED) return BLOCKED;
      if (at === null || at.inode.type !== S_IFDIR) continue;
      for (const each of ASKED_IN_VAIN) if (this.#step(at, each, -1) === BLOCKED) return BLOCKED;
      const found = this.#want(at, name);
      if (found !== null) return found;
    }
    return null;
  }

  /** A file that will be read whole. */
  #want(start: Node, path: string): Node | null | typeof BLOCKED {
    const node = this.go(start, path, Math.min(SMALL_LIBRARY, this.#unasked));
    if (node === null || node === BLOCKED) return node;
    for (const step of this.steps) {
      if (step.found?.node !== node.id) continue;
      if (step.contents === null) step.wanted = true;
      else this.#unasked -= step.contents.length;
    }
    return node;
  }
}

/** The node at a path of plain names, told to the client; symlinks are not followed. */
export function descend(session: Session, s: Sleeper, start: Node, path: string): Node | number {
  let at = start;
  for (const name of split(path)) {
    if (name === '..' || pathLength(name) > NAME_MAX || name.includes('\0') || name === HIDDEN) return -ENOENT;
    const inode = at.inode.lookup(s, name);
    if (failed(inode)) return inode;
    if (session.nodes.full) return -ENFILE;
    at = session.nodes.tell(inode, at.root, at, name);
  }
  return at;
}

function split(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}
