/** Random operations on names and files, for whoever can do them; and what a tree looks like then, as text. */
import fs from 'node:fs';
import fc from 'fast-check';
import { expect } from 'vitest';
import { errnoName } from '../../src/abi/errno.ts';
import { S_IFDIR, S_IFREG } from '../../src/abi/fs.ts';
import { chmod } from '../../src/vfs/attributes.ts';
import { link, mkdir, symlink } from '../../src/vfs/create.ts';
import { makeCredentials } from '../../src/vfs/credentials.ts';
import type { FileSystem } from '../../src/vfs/inode.ts';
import type { Location } from '../../src/vfs/location.ts';
import { openPath } from '../../src/vfs/open.ts';
import { rmdir, unlink } from '../../src/vfs/remove.ts';
import { rename } from '../../src/vfs/rename.ts';
import { walk } from '../../src/vfs/walk.ts';
import { failed } from '../../src/wait/wait.ts';
import { World } from './world.ts';

const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_DIRECTORY, O_NOFOLLOW } = fs.constants;

/** What both sides can do. Answers are text: 'ok', what was found, or an errno's name. */
export interface Side {
  mkdir(path: string): string;
  rmdir(path: string): string;
  unlink(path: string): string;
  rename(from: string, to: string): string;
  link(from: string, to: string): string;
  symlink(target: string, path: string): string;
  readlink(path: string): string;
  open(path: string, flags: number, text: string): string;
  chmod(path: string, mode: number): string;
  stat(path: string, follow: boolean): string;
  list(path: string): string;
}

export function describeStat(mode: number, size: number, nlink: number): string {
  const type = (mode & 0o170000) >> 12;
  return type === 4
    ? `directory ${(mode & 0o777).toString(8)}`
    : `${type} ${(mode & 0o777).toString(8)} ${size} ${nlink}`;
}

export class Ours implements Side {
  readonly #world: World;
  readonly #base: Location;
  constructor(world: World, base: Location) {
    this.#world = world;
    this.#base = base;
  }
  #answer(operation: () => number): string {
    const answer = this.#world.run(operation);
    return answer < 0 ? errnoName(answer) : 'ok';
  }
  mkdir = (path: string) => this.#answer(() => mkdir(this.#world, this.#base, path, 0o755));
  rmdir = (path: string) => this.#answer(() => rmdir(this.#world, this.#base, path));
  unlink = (path: string) => this.#answer(() => unlink(this.#world, this.#base, path));
  rename = (from: string, to: string) => this.#answer(() => rename(this.#world, this.#base, from, this.#base, to));
  link = (from: string, to: string) =>
    this.#answer(() => {
      const old = walk(this.#world, this.#base, from, { follow: false });
      return failed(old) ? old : link(this.#world, old, this.#base, to);
    });
  symlink = (target: string, path: string) => this.#answer(() => symlink(this.#world, target, this.#base, path));
  readlink = (path: string) => {
    const place = this.#walk(path, false);
    if (typeof place === 'string') return place;
    const target = this.#world.run(() => place.dentry.inode!.readlink(this.#world));
    return failed(target) ? errnoName(target) : target;
  };
  chmod = (path: string, mode: number) =>
    this.#answer(() => {
      const place = walk(this.#world, this.#base, path);
      return failed(place) ? place : chmod(this.#world, place, mode);
    });
  open = (path: string, flags: number, text: string) => {
    const file = this.#world.run(() => openPath(this.#world, this.#base, path, flags, 0o644));
    if (failed(file)) return errnoName(file);
    file.hold();
    const bytes = new TextEncoder().encode(text);
    const written = (flags & 3) === O_RDONLY ? 0 : this.#world.run(() => file.write(this.#world, bytes));
    file.drop();
    return written < 0 ? errnoName(written) : 'ok';
  };
  #walk(path: string, follow: boolean): Location | string {
    const place = this.#world.run(() => walk(this.#world, this.#base, path, { follow }));
    return failed(place) ? errnoName(place) : place;
  }
  stat = (path: string, follow: boolean) => {
    const place = this.#walk(path, follow);
    if (typeof place === 'string') return place;
    const found = this.#world.run(() => place.dentry.inode!.attributes(this.#world));
    return failed(found) ? errnoName(found) : describeStat(found.mode, found.size, found.nlink);
  };
  list = (path: string) => {
    const place = this.#walk(path, true);
    if (typeof place === 'string') return place;
    const entries = this.#world.run(() => place.dentry.inode!.entries(this.#world, 0));
    if (failed(entries)) return errnoName(entries);
    return entries
      .map((entry) => entry.name)
      .sort()
      .join(' ');
  };
}

const component = fc.constantFrom('a', 'b', 'c', 'a', 'b', '.', '..');
const path = fc
  .tuple(fc.array(component, { minLength: 1, maxLength: 3 }), fc.constantFrom('', '', '', '/'))
  .filter(([parts]) => parts.filter((part) => part === '..').length <= 2)
  .map(([parts, slash]) => parts.join('/') + slash);
/** Without `..`: nothing may climb out of the real directory. */
const target = fc.constantFrom('a', 'b', 'c', 'a/b', './c', 'b/', 'a/a/c', 'nowhere');
const openFlags = fc.constantFrom(
  O_RDONLY,
  O_RDONLY | O_DIRECTORY,
  O_RDONLY | O_NOFOLLOW,
  O_RDONLY | O_CREAT,
  O_WRONLY,
  O_WRONLY | O_CREAT,
  O_WRONLY | O_CREAT | O_TRUNC,
  O_WRONLY | O_CREAT | O_EXCL,
  O_WRONLY | O_CREAT | O_APPEND,
  O_RDWR | O_CREAT | O_NOFOLLOW,
  O_RDWR | O_TRUNC,
);

export type Step = [name: string, run: (side: Side) => string];

const step: fc.Arbitrary<Step> = fc.oneof(
  path.map((p): Step => [`mkdir ${p}`, (side) => side.mkdir(p)]),
  path.map((p): Step => [`mkdir ${p}`, (side) => side.mkdir(p)]),
  path.map((p): Step => [`rmdir ${p}`, (side) => side.rmdir(p)]),
  path.map((p): Step => [`unlink ${p}`, (side) => side.unlink(p)]),
  fc.tuple(path, path).map(([a, b]): Step => [`rename ${a} ${b}`, (side) => side.rename(a, b)]),
  fc.tuple(path, path).map(([a, b]): Step => [`link ${a} ${b}`, (side) => side.link(a, b)]),
  fc.tuple(target, path).map(([a, b]): Step => [`symlink ${a} ${b}`, (side) => side.symlink(a, b)]),
  path.map((p): Step => [`readlink ${p}`, (side) => side.readlink(p)]),
  fc
    .tuple(path, openFlags, fc.constantFrom('', 'text', 'longer text'))
    .map(([p, flags, text]): Step => [`open ${p} 0${flags.toString(8)} ${text}`, (side) => side.open(p, flags, text)]),
  fc
    .tuple(path, fc.constantFrom(0o644, 0o600, 0o755))
    .map(([p, mode]): Step => [`chmod ${p} ${mode.toString(8)}`, (side) => side.chmod(p, mode | 0o700)]),
  fc.tuple(path, fc.boolean()).map(([p, follow]): Step => [`stat ${p} ${follow}`, (side) => side.stat(p, follow)]),
  path.map((p): Step => [`list ${p}`, (side) => side.list(p)]),
);

export const steps = (minLength: number, maxLength: number) => fc.array(step, { minLength, maxLength });

export function worldOn(tree: FileSystem, fresh: boolean): World {
  const world = new World(tree);
  world.credentials = makeCredentials(process.getuid!(), process.getgid!(), process.getgroups!());
  for (const made of fresh ? ['/p', '/p/q', '/p/q/r'] : [])
    expect(world.run(() => mkdir(world, world.cwd, made, 0o755))).toBe(0);
  return world;
}

/** Everything below a directory, as text. */
export function contents(world: World, path: string): string {
  let text = '';
  for (const name of world.list(path)) {
    const below = `${path}${name}`;
    const { type } = world.place(below, false).dentry.inode!;
    text += `${below} ${world.mode(below, false).toString(8)}\n`;
    if (type === S_IFDIR) text += contents(world, `${below}/`);
    else if (type === S_IFREG) text += `${world.text(below)}\n`;
  }
  return text;
}
