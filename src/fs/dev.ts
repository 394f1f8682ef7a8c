/** /dev: what device numbers open, and a directory tree with the nodes that every Linux has. */
import { ENXIO } from '../abi/errno.ts';
import { majorOf, makeDevice, minorOf, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFSOCK } from '../abi/fs.ts';
import type { Inode } from '../vfs/inode.ts';
import type { MountNamespace, SpecialOpener } from '../vfs/mounts.ts';
import type { OpenFile } from '../vfs/open-file.ts';
import { failed, type Sleeper } from '../wait/wait.ts';
import { callerOf, type RandomSource } from './caller.ts';
import { type DevPts, openTerminal } from './devpts.ts';
import { openFifo } from './fifo.ts';
import { type MemoryDevice, MemoryDeviceFile } from './mem-devices.ts';
import { Pipe } from './pipe.ts';
import type { Tty } from './tty.ts';

export interface DeviceParts {
  random: RandomSource;
  pts: DevPts;
  /** What /dev/console is: the terminal that Tallship was started on. */
  console: Tty | null;
  /** What is in the FIFOs of all file systems. */
  fifos: WeakMap<Inode, Pipe>;
}

const MEMORY: Readonly<Record<number, MemoryDevice>> = { 3: 'null', 5: 'zero', 7: 'full', 8: 'random', 9: 'random' };
const FIRST_PTS_MAJOR = 136;
const LAST_PTS_MAJOR = 143;

/** Character devices by number, wherever their nodes are. */
function openDevice(parts: DeviceParts, s: Sleeper, inode: Inode, flags: number): OpenFile | number {
  const stat = inode.attributes(s);
  if (failed(stat)) return stat;
  const [major, minor] = [majorOf(stat.rdev), minorOf(stat.rdev)];
  if (major === 1 && minor in MEMORY) return new MemoryDeviceFile(MEMORY[minor], inode, flags, parts.random);
  if (major === 5 && minor === 2) return parts.pts.openMaster(s, inode, flags);
  const tty = terminalOf(parts, s, major, minor);
  return tty === null ? -ENXIO : openTerminal(s, tty, inode, flags);
}

function terminalOf(parts: DeviceParts, s: Sleeper, major: number, minor: number): Tty | null {
  if (major === 5 && minor === 0) return callerOf(s).group.session.terminal as Tty | null;
  if (major === 5 && minor === 1) return parts.console;
  if (major < FIRST_PTS_MAJOR || major > LAST_PTS_MAJOR) return null;
  return parts.pts.inodes.get((major - FIRST_PTS_MAJOR) * 256 + minor)?.tty ?? null;
}

/** Tells a name space what FIFOs, sockets and devices open. */
export function installSpecialFiles(namespace: MountNamespace, parts: DeviceParts): void {
  const { fifos } = parts;
  const fifo: SpecialOpener = (s, inode, flags) => {
    let pipe = fifos.get(inode);
    if (pipe === undefined) {
      pipe = new Pipe();
      fifos.set(inode, pipe);
    }
    return openFifo(s, pipe, inode, flags, 'fifo');
  };
  namespace.special.set(S_IFIFO, fifo);
  namespace.special.set(S_IFSOCK, () => -ENXIO);
  namespace.special.set(S_IFCHR, (s, inode, flags) => openDevice(parts, s, inode, flags));
}

const NODES: readonly [name: string, mode: number, major: number, minor: number][] = [
  ['null', 0o666, 1, 3],
  ['zero', 0o666, 1, 5],
  ['full', 0o666, 1, 7],
  ['random', 0o666, 1, 8],
  ['urandom', 0o666, 1, 9],
  ['tty', 0o666, 5, 0],
  ['console', 0o600, 5, 1],
  ['ptmx', 0o666, 5, 2],
];

const LINKS: readonly [name: string, target: string][] = [
  ['fd', '/proc/self/fd'],
  ['stdin', '/proc/self/fd/0'],
  ['stdout', '/proc/self/fd/1'],
  ['stderr', '/proc/self/fd/2'],
  ['core', '/proc/kcore'],
];

/** Fills an empty in-memory directory: nodes, links, and the mount points pts, shm and mqueue. 0 or a negative errno. */
export function populateDev(s: Sleeper, root: Inode): number {
  const owner = { uid: 0, gid: 0 };
  for (const [name, mode, major, minor] of NODES) {
    const gid = name === 'tty' || name === 'ptmx' ? 5 : 0;
    const made = root.create(s, name, { mode: S_IFCHR | mode, uid: 0, gid, rdev: makeDevice(major, minor) });
    if (failed(made)) return made;
  }
  for (const [name, target] of LINKS) {
    const made = root.symlink(s, name, target, { mode: S_IFLNK | 0o777, ...owner });
    if (failed(made)) return made;
  }
  for (const [name, mode] of [
    ['pts', 0o755],
    ['shm', 0o1777],
    ['mqueue', 0o1777],
  ] as const) {
    const made = root.mkdir(s, name, { mode: S_IFDIR | mode, ...owner });
    if (failed(made)) return made;
  }
  return 0;
}
