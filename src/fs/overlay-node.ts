/** What an inode of an overlay is in its layers: which of them has it, and copying it up before it changes. */
import { ENODATA, EPERM } from '../abi/errno.ts';
import { O_ACCMODE, O_RDONLY, S_IFDIR } from '../abi/fs.ts';
import { decodePath } from '../abi/path.ts';
import { type AttributeChanges, type Attributes, Inode } from '../vfs/inode.ts';
import type { OpenFile } from '../vfs/open-file.ts';
import { failed, type Sleeper } from '../wait/wait.ts';
import { ORIGIN, type OverlayFs } from './overlay.ts';
import { copyUp } from './overlay-copy.ts';

const PRIVATE = 'trusted.overlay.';

export abstract class OverlayNode extends Inode {
  readonly fs: OverlayFs;
  readonly type: number;
  upper: Inode | null;
  lower: Inode | null;
  /** Where it was last seen; null parent: the root. */
  parent: OverlayNode | null;
  name: string;
  /** Its last name has gone while the lower layer still had it: a copy will have no name. */
  nameless = false;
  /** Where a directory's lower part lies in the lower layer. */
  readonly lowerPath: string;
  /** Names in the lower layer beyond those that the upper inode counts. */
  extraLinks = 0;
  /** Its number once it is known; 0 before. */
  knownNumber = 0;
  /** Flags of the descriptions that are open over the contents. */
  readonly #opens: number[] = [];

  constructor(
    fs: OverlayFs,
    upper: Inode | null,
    lower: Inode | null,
    parent: OverlayNode | null,
    name: string,
    lowerPath: string,
  ) {
    super();
    this.fs = fs;
    this.upper = upper;
    this.lower = lower;
    this.parent = parent;
    this.name = name;
    this.lowerPath = lowerPath;
    this.type = (upper ?? lower!).type;
  }

  place(parent: OverlayNode, name: string): void {
    this.parent = parent;
    this.name = name;
  }

  /** Its path in the lower layer, before it is copied. */
  get lowerName(): string {
    if (this.type === S_IFDIR || this.parent === null) return this.lowerPath;
    return `${this.parent.lowerPath}/${this.name}`;
  }

  get real(): Inode {
    return this.upper ?? this.lower!;
  }

  /** Makes sure that there is an upper inode. @param length of a file's content that matters: less when it is truncated. */
  prepare(s: Sleeper, length = Number.POSITIVE_INFINITY): number {
    return this.fs.decide(s, () => (this.upper !== null ? 0 : copyUp(s, this, length)));
  }

  /** The copy takes the place of the lower inode, for those who have it open too. */
  adopt(s: Sleeper, upper: Inode): number {
    for (const flags of this.#opens) {
      const opened = upper.opened(s, flags);
      if (opened < 0) return opened;
    }
    for (const flags of this.#opens) this.lower!.closed(flags);
    this.upper = upper;
    this.fs.copied(this, upper);
    return 0;
  }

  override attributes(s: Sleeper): Attributes | number {
    const attributes = this.real.attributes(s);
    if (failed(attributes)) return attributes;
    const ino = this.#number(s, attributes);
    if (ino < 0) return ino;
    const merged = this.type === S_IFDIR && this.upper !== null && this.lower !== null;
    // As overlayfs: a merged directory does not count its children.
    attributes.ino = ino;
    attributes.nlink = merged ? 1 : attributes.nlink + this.extraLinks;
    return attributes;
  }

  /** The number that the file had before it was copied. */
  #number(s: Sleeper, attributes: Attributes): number {
    if (this.knownNumber !== 0) return this.knownNumber;
    let ino = attributes.ino;
    if (this.upper !== null && this.lower !== null) {
      const lower = this.lower.attributes(s);
      if (failed(lower)) return lower;
      ino = lower.ino;
    } else if (this.upper !== null) {
      const origin = this.upper.getxattr(s, ORIGIN);
      if (failed(origin)) return origin === -ENODATA ? (this.knownNumber = ino) : origin;
      ino = Number(decodePath(origin));
    }
    return (this.knownNumber = ino);
  }

  override change(s: Sleeper, changes: AttributeChanges): number {
    return this.prepare(s, changes.size) || this.upper!.change(s, changes);
  }

  override readlink(s: Sleeper): string | number {
    return this.real.readlink(s);
  }

  // Contents

  override open(s: Sleeper, flags: number): OpenFile | number | null {
    return this.type === S_IFDIR ? null : this.real.open(s, flags);
  }

  override opened(s: Sleeper, flags: number): number {
    const write = (flags & O_ACCMODE) !== O_RDONLY;
    const opened = (write ? this.prepare(s) : 0) || this.real.opened(s, flags);
    if (opened === 0) this.#opens.push(flags);
    return opened;
  }

  override closed(flags: number): void {
    this.#opens.splice(this.#opens.indexOf(flags), 1);
    this.real.closed(flags);
  }

  override read(s: Sleeper, position: number, into: Uint8Array): number {
    return this.real.read(s, position, into);
  }
  override willNeed(s: Sleeper, position: number, length: number): void {
    this.real.willNeed?.(s, position, length);
  }
  override write(s: Sleeper, position: number, from: Uint8Array): number {
    return this.prepare(s) || this.upper!.write(s, position, from);
  }
  override allocate(s: Sleeper, mode: number, offset: number, length: number): number {
    return this.prepare(s) || this.upper!.allocate(s, mode, offset, length);
  }
  override fsync(s: Sleeper, dataOnly: boolean): number {
    return this.upper?.fsync(s, dataOnly) ?? 0;
  }
  override seekHole(s: Sleeper, offset: number, whence: number): number {
    return this.real.seekHole(s, offset, whence);
  }

  // Extended attributes

  override getxattr(s: Sleeper, name: string): Uint8Array | number {
    return name.startsWith(PRIVATE) ? -ENODATA : this.real.getxattr(s, name);
  }
  override setxattr(s: Sleeper, name: string, value: Uint8Array, flags: number): number {
    if (name.startsWith(PRIVATE)) return -EPERM;
    return this.prepare(s) || this.upper!.setxattr(s, name, value, flags);
  }
  override listxattr(s: Sleeper): string[] | number {
    const names = this.real.listxattr(s);
    return failed(names) ? names : names.filter((name) => !name.startsWith(PRIVATE));
  }
  override removexattr(s: Sleeper, name: string): number {
    if (name.startsWith(PRIVATE)) return -EPERM;
    return this.prepare(s) || this.upper!.removexattr(s, name);
  }
}
