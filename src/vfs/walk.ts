/** The path walk (path_resolution(7), fs/namei.c). */
import { ELOOP, ENOENT, ENOTDIR, EXDEV } from '../abi/errno.ts';
import {
  MAXSYMLINKS,
  MAY_EXEC,
  RESOLVE_BENEATH,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
  RESOLVE_NO_XDEV,
  S_IFDIR,
  S_IFLNK,
} from '../abi/fs.ts';
import { failed } from '../wait/wait.ts';
import { lookupDentry } from './dentry.ts';
import type { PathContext } from './fs-context.ts';
import { guarded } from './guard.ts';
import type { Dentry, Location, Mount } from './location.ts';
import { permission } from './permission.ts';

/** What the last component of a path is. */
export type LastKind = 'name' | 'dot' | 'dotdot' | 'root';

/** One walk: where it stands, and the component that is still to be taken. Errors are negative numbers, or BLOCKED. */
export class Walk {
  readonly ctx: PathContext;
  mount: Mount;
  dentry: Dentry;
  last = '';
  lastKind: LastKind = 'root';
  /** Slashes follow the last component: it must be a directory, and a symlink there is followed. */
  trailingSlash = false;
  readonly #resolve: number;
  readonly #root: Location;
  #links = 0;
  /** What comes after the component that is taken next. */
  #rest = '';

  /** @param start where relative paths begin; @param resolve RESOLVE_* of openat2(2). */
  constructor(ctx: PathContext, start: Location, resolve = 0) {
    this.ctx = ctx;
    this.#resolve = resolve;
    this.#root = (resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) !== 0 ? start : ctx.fs.root;
    this.mount = start.mount;
    this.dentry = start.dentry;
  }

  get location(): Location {
    return { mount: this.mount, dentry: this.dentry };
  }

  /** Walks all but the last component, which is left in `last` and `lastKind`. */
  toParent(path: string): number {
    let i = 0;
    if (path.charCodeAt(0) === SLASH) {
      const jumped = this.#toRoot();
      if (jumped !== 0) return jumped;
      i = skipSlashes(path, 0);
    }
    this.trailingSlash = false;
    this.lastKind = 'root';
    this.last = '';
    while (i < path.length) {
      const allowed = this.#mayLookup();
      if (allowed !== 0) return allowed;
      const end = path.indexOf('/', i);
      this.last = end === -1 ? path.slice(i) : path.slice(i, end);
      this.lastKind = kindOf(this.last);
      const next = end === -1 ? path.length : skipSlashes(path, end);
      if (next === path.length) {
        this.trailingSlash = end !== -1;
        this.#rest = '';
        return 0;
      }
      this.#rest = path.slice(next);
      const walked = this.#walkLast(true);
      if (walked !== 0) return walked;
      if (this.dentry.inode!.type !== S_IFDIR) return -ENOTDIR;
      i = next;
    }
    return 0;
  }

  /** Takes the last component too. */
  finish(follow: boolean): number {
    const slash = this.trailingSlash;
    const walked = this.#walkLast(follow || slash);
    if (walked !== 0) return walked;
    return slash && this.dentry.inode!.type !== S_IFDIR ? -ENOTDIR : 0;
  }

  /** Looks the last name up where it stands; the walk does not move. Only for lastKind 'name'. */
  lookupLast(): Dentry | number {
    return lookupDentry(this.ctx, this.dentry, this.last, this.#rest);
  }

  /**
   * The last component is the symlink `link`: walks its target up to the target's own last component. A magic link has
   * none: the walk then stands on what it leads to, and lastKind is 'root'.
   */
  followLast(link: Dentry): number {
    const slash = this.trailingSlash;
    const followed = this.#follow(link);
    this.trailingSlash ||= slash;
    return followed;
  }

  /** Steps onto a child that lookupLast() found, and what is mounted there. */
  enter(child: Dentry): number {
    const place = this.ctx.namespace.cover({ mount: this.mount, dentry: child });
    if (place.mount !== this.mount && (this.#resolve & RESOLVE_NO_XDEV) !== 0) return -EXDEV;
    this.mount = place.mount;
    this.dentry = place.dentry;
    return 0;
  }

  #mayLookup(): number {
    const inode = this.dentry.inode!;
    if (inode.type !== S_IFDIR) return -ENOTDIR;
    return permission(this.ctx, inode, MAY_EXEC);
  }

  #toRoot(): number {
    if ((this.#resolve & RESOLVE_BENEATH) !== 0) return -EXDEV;
    if ((this.#resolve & RESOLVE_NO_XDEV) !== 0 && this.#root.mount !== this.mount) return -EXDEV;
    this.mount = this.#root.mount;
    this.dentry = this.#root.dentry;
    return 0;
  }

  #walkLast(follow: boolean): number {
    switch (this.lastKind) {
      case 'root':
      case 'dot':
        return 0;
      case 'dotdot':
        return this.#toDotDot();
    }
    const child = this.lookupLast();
    if (failed(child)) return child;
    if (!follow || child.inode!.type !== S_IFLNK) return this.enter(child);
    const parent = this.#follow(child);
    return parent !== 0 ? parent : this.#finishTarget();
  }

  #finishTarget(): number {
    const slash = this.trailingSlash;
    const walked = this.#walkLast(true);
    if (walked !== 0) return walked;
    return slash && this.dentry.inode!.type !== S_IFDIR ? -ENOTDIR : 0;
  }

  #follow(link: Dentry): number {
    if ((this.#resolve & RESOLVE_NO_SYMLINKS) !== 0) return -ELOOP;
    if (this.#links++ >= MAXSYMLINKS) return -ELOOP;
    const inode = link.inode!;
    if (inode.magicLink !== undefined) return this.#jump(inode.magicLink(this.ctx));
    const target = inode.readlink(this.ctx);
    if (failed(target)) return target;
    return target === '' ? -ENOENT : this.toParent(target);
  }

  #jump(target: Location | number): number {
    if ((this.#resolve & RESOLVE_NO_MAGICLINKS) !== 0) return -ELOOP;
    if ((this.#resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) !== 0) return -EXDEV;
    if (failed(target)) return target;
    if ((this.#resolve & RESOLVE_NO_XDEV) !== 0 && target.mount !== this.mount) return -EXDEV;
    this.mount = target.mount;
    this.dentry = target.dentry;
    this.last = '';
    this.lastKind = 'root';
    this.trailingSlash = false;
    return 0;
  }

  /** Up by one, never above the root, from a mount's root to the directory that holds its mountpoint. */
  #toDotDot(): number {
    const root = this.#root;
    for (;;) {
      if (this.mount === root.mount && this.dentry === root.dentry) {
        return (this.#resolve & RESOLVE_BENEATH) !== 0 ? -EXDEV : 0;
      }
      if (this.dentry !== this.mount.root) break;
      if (this.mount.parent === null) return 0;
      if ((this.#resolve & RESOLVE_NO_XDEV) !== 0) return -EXDEV;
      this.dentry = this.mount.mountpoint!;
      this.mount = this.mount.parent;
    }
    if (this.dentry.parent === null) return -ENOENT;
    return this.enter(this.dentry.parent);
  }
}

const SLASH = 0x2f;

function skipSlashes(path: string, from: number): number {
  let i = from;
  while (path.charCodeAt(i) === SLASH) i++;
  return i;
}

function kindOf(name: string): LastKind {
  return name === '.' ? 'dot' : name === '..' ? 'dotdot' : 'name';
}

export interface WalkOptions {
  /** Follow a symlink in the last component (default true). */
  follow?: boolean;
  /** AT_EMPTY_PATH: an empty path means the start itself. */
  empty?: boolean;
  resolve?: number;
}

/** The place that a path names. */
export function walk(ctx: PathContext, start: Location, path: string, options: WalkOptions = {}): Location | number {
  if (path === '') return options.empty === true ? start : -ENOENT;
  const at = new Walk(ctx, start, options.resolve);
  const parent = at.toParent(path);
  if (parent !== 0) return parent;
  const finished = at.finish(options.follow ?? true);
  if (finished !== 0) return finished;
  return guarded(ctx, at.location) || at.location;
}

/** The place that a path names, where only a directory will do (chdir, chroot): with search permission. */
export function walkToDirectory(ctx: PathContext, start: Location, path: string): Location | number {
  const place = walk(ctx, start, path);
  if (failed(place)) return place;
  return checkDirectory(ctx, place) || place;
}

export function checkDirectory(ctx: PathContext, place: Location): number {
  const inode = place.dentry.inode!;
  if (inode.type !== S_IFDIR) return -ENOTDIR;
  return permission(ctx, inode, MAY_EXEC);
}

/** A walk that stands on the parent, with a proper name left: what create, remove and rename begin with. */
export function walkToParent(ctx: PathContext, start: Location, path: string, resolve = 0): Walk | number {
  if (path === '') return -ENOENT;
  const at = new Walk(ctx, start, resolve);
  const parent = at.toParent(path);
  return parent !== 0 ? parent : at;
}
