/** The memory devices: null, zero, full, random, urandom (mem(4), null(4), random(4)). */
import { EINVAL, ENODEV, ENOSPC, ENOTTY } from '../abi/errno.ts';
import { SEEK_CUR, SEEK_SET } from '../abi/fs.ts';
import { i32 } from '../abi/struct.ts';
import type { Backing } from '../memory/backing.ts';
import type { Inode } from '../vfs/inode.ts';
import { OpenFile, type UserMemory } from '../vfs/open-file.ts';
import type { Sleeper } from '../wait/wait.ts';
import type { RandomSource } from './caller.ts';
import { putUser } from './user.ts';

const RNDGETENTCNT = 0x80045200;
const RNDADDTOENTCNT = 0x40045201;
/** Bits that the pool has once it is seeded. */
const ENTROPY = 256;

export type MemoryDevice = 'null' | 'zero' | 'full' | 'random';

export class MemoryDeviceFile extends OpenFile {
  readonly inode: Inode;
  readonly #kind: MemoryDevice;
  readonly #random: RandomSource;

  constructor(kind: MemoryDevice, inode: Inode, flags: number, random: RandomSource) {
    super(flags);
    this.#kind = kind;
    this.inode = inode;
    this.#random = random;
  }

  describe(): string {
    return `/dev/${this.#kind}`;
  }

  override read(_s: Sleeper, into: Uint8Array): number {
    if (this.#kind === 'null') return 0;
    if (this.#kind === 'random') this.#random.fill(into);
    else into.fill(0);
    return into.length;
  }

  override write(_s: Sleeper, from: Uint8Array): number {
    return this.#kind === 'full' ? -ENOSPC : from.length;
  }

  override readAt(s: Sleeper, _position: number, into: Uint8Array): number {
    return this.read(s, into);
  }

  override writeAt(s: Sleeper, _position: number, from: Uint8Array): number {
    return this.write(s, from);
  }

  /** null and zero stay at 0 wherever one seeks to; random has no position to speak of. */
  override seek(_s: Sleeper, offset: number, whence: number): number {
    if (this.#kind !== 'random') return 0;
    if (whence > SEEK_CUR) return -EINVAL;
    const target = whence === SEEK_SET ? offset : this.position + offset;
    if (target < 0) return -EINVAL;
    this.position = target;
    return target;
  }

  override ioctl(_s: Sleeper, memory: UserMemory, command: number, argument: number): number {
    if (this.#kind !== 'random') return -ENOTTY;
    if (command >>> 0 === RNDGETENTCNT) return putUser(memory, argument, i32, ENTROPY);
    return command >>> 0 === RNDADDTOENTCNT ? 0 : -EINVAL;
  }

  /** A mapping of /dev/zero is anonymous memory. */
  override backing(_s: Sleeper): Backing | number {
    if (this.#kind !== 'zero') return -ENODEV;
    const stat = this.inode.attributes(_s);
    if (typeof stat === 'number') return stat;
    return {
      key: `zero:${zeroMappings++}`,
      path: '/dev/zero',
      device: this.inode.fs.device,
      inode: stat.ino,
      size: () => Number.MAX_SAFE_INTEGER,
      read: (_offset, into) => {
        into.fill(0);
        return into.length;
      },
      write: (_offset, from) => from.length,
    };
  }
}

/** Each mapping of /dev/zero is memory of its own. */
let zeroMappings = 0;
