/** Home's files as file systems of the machine on the other side. What is dropped at the end is kept in memory here. */
import { makeDevice, S_IFDIR } from '../../abi/fs.ts';
import { MemFs } from '../../fs/memfs.ts';
import type { OverlayFs } from '../../fs/overlay.ts';
import type { NodeHost } from '../../host/node.ts';
import { type IoMode, RemoteFs } from '../../remote/client/remote-fs.ts';
import type { Dial } from '../../remote/transport.ts';
import type { FileSystem } from '../../vfs/inode.ts';
import { type View, viewOf } from '../views.ts';
import type { Tree } from './messages.ts';

const FIRST_DEVICE = 0x1000;

export interface CrewTrees {
  readonly root: FileSystem;
  /** All others, in the order of mounting. */
  readonly mounts: readonly { readonly guest: string; readonly fs: FileSystem; readonly source: string }[];
  readonly overlays: Map<string, OverlayFs>;
  /** The option, at home, that keeps changes. */
  readonly keeping: Map<string, string>;
  /** --io session: what goes home at the end. */
  readonly views: readonly View[];
  memory(mode: number): FileSystem;
}

export async function connectTrees(
  trees: readonly Tree[],
  host: NodeHost,
  dial: Dial,
  log: (line: string) => void,
  io: IoMode = 'cached',
): Promise<CrewTrees> {
  let devices = FIRST_DEVICE;
  const device = () => makeDevice(0, devices++);
  const memory = (mode: number) => new MemFs({ device: device(), now: host.realtime(), mode });
  const overlays = new Map<string, OverlayFs>();
  const keeping = new Map<string, string>();
  const views: View[] = [];

  const connect = async ({ guest, mode, keep, source }: Tree): Promise<FileSystem> => {
    const fs = await RemoteFs.connect({ dial, retry: 0, log, path: guest, device: device(), io });
    const written = mode === 'rw' && io === 'session';
    if ((mode !== 'cow' && !written) || fs.root.type !== S_IFDIR) return fs;
    const overlay = await viewOf(fs, host, device, written ? new Map() : undefined);
    if (written) views.push({ overlay, source });
    else overlays.set(guest, overlay);
    if (keep !== undefined) keeping.set(guest, keep);
    return overlay;
  };

  const all = await Promise.all(trees.map(async (tree) => ({ ...tree, fs: await connect(tree) })));
  const root = all.find(({ guest }) => guest === '/')?.fs ?? memory(0o755);
  return { root, mounts: all.filter(({ guest }) => guest !== '/'), overlays, keeping, views, memory };
}
