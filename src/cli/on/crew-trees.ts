/** Home's files as file systems of the machine on the other side. What is dropped at the end is kept in memory here. */
import { makeDevice, S_IFDIR } from '../../abi/fs.ts';
import { MemFs } from '../../fs/memfs.ts';
import { OverlayFs, UPPER_INODES } from '../../fs/overlay.ts';
import type { NodeHost } from '../../host/node.ts';
import { RemoteFs } from '../../remote/client/remote-fs.ts';
import type { Dial } from '../../remote/transport.ts';
import type { FileSystem } from '../../vfs/inode.ts';
import { askInode } from '../ask-files.ts';
import type { Tree } from './messages.ts';

const FIRST_DEVICE = 0x1000;

export interface CrewTrees {
  readonly root: FileSystem;
  /** All others, in the order of mounting. */
  readonly mounts: readonly { readonly guest: string; readonly fs: FileSystem; readonly source: string }[];
  readonly overlays: Map<string, OverlayFs>;
  /** The option, at home, that keeps changes. */
  readonly keeping: Map<string, string>;
  memory(mode: number): FileSystem;
}

export async function connectTrees(
  trees: readonly Tree[],
  host: NodeHost,
  dial: Dial,
  log: (line: string) => void,
): Promise<CrewTrees> {
  let devices = FIRST_DEVICE;
  const device = () => makeDevice(0, devices++);
  const memory = (mode: number, firstInode = 1) =>
    new MemFs({ device: device(), firstInode, now: host.realtime(), mode });
  const overlays = new Map<string, OverlayFs>();
  const keeping = new Map<string, string>();

  /** An empty tree for changes, whose root looks like the one that it stands before. */
  const likeness = async (lower: FileSystem): Promise<MemFs> => {
    const upper = memory(0o755, UPPER_INODES);
    const looked = await askInode(host, (s) => lower.root.attributes(s));
    if (typeof looked === 'number') return upper;
    const { mode, uid, gid, atime, mtime } = looked;
    await askInode(host, (s) => upper.root.change(s, { mode: mode & 0o7777, uid, gid, atime, mtime }));
    return upper;
  };

  const connect = async ({ guest, mode, keep }: Tree): Promise<FileSystem> => {
    const fs = await RemoteFs.connect({ dial, retry: 0, log, path: guest, device: device(), io: 'cached' });
    if (mode !== 'cow' || fs.root.type !== S_IFDIR) return fs;
    const overlay = new OverlayFs({ device: device(), upper: await likeness(fs), lower: fs });
    overlays.set(guest, overlay);
    if (keep !== undefined) keeping.set(guest, keep);
    return overlay;
  };

  const all = await Promise.all(trees.map(async (tree) => ({ ...tree, fs: await connect(tree) })));
  const root = all.find(({ guest }) => guest === '/')?.fs ?? memory(0o755);
  return { root, mounts: all.filter(({ guest }) => guest !== '/'), overlays, keeping, memory };
}
