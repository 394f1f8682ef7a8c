/** --io session: views of served trees, whose changes are here until the program has ended. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { errnoName } from '../abi/errno.ts';
import { HostFs } from '../fs/host.ts';
import { MemFs } from '../fs/memfs.ts';
import { type Base, OverlayFs, UPPER_INODES } from '../fs/overlay.ts';
import { HostFiles, hostIds } from '../host/files.ts';
import { bringHome } from '../remote/homecoming/homecoming.ts';
import { keep } from '../remote/homecoming/keep.ts';
import type { Clock } from '../vfs/attendant.ts';
import type { FileSystem } from '../vfs/inode.ts';
import { askInode } from './ask-files.ts';
import { cacheDirectory } from './cache.ts';

export interface View {
  readonly overlay: OverlayFs;
  /** What the user calls it. */
  readonly source: string;
}

/**
 * A writable view of a tree that has to be asked, with its changes in memory.
 * @param bases where the changes will go home: what they were made from.
 */
export async function viewOf(
  lower: FileSystem,
  clock: Clock,
  device: () => number,
  bases?: Map<string, Base>,
): Promise<OverlayFs> {
  const upper = new MemFs({ device: device(), firstInode: UPPER_INODES, now: clock.realtime() });
  // The upper root stands before the lower one: it looks like it.
  const looked = await askInode(clock, (s) => lower.root.attributes(s));
  if (typeof looked !== 'number') {
    const { mode, uid, gid, atime, mtime } = looked;
    await askInode(clock, (s) => upper.root.change(s, { mode: mode & 0o7777, uid, gid, atime, mtime }));
  }
  return new OverlayFs({ device: device(), upper, lower, bases });
}

/** For names of what is on its way, and of what is kept: no two sessions have the same. */
export function newMark(): string {
  return randomBytes(6).toString('hex');
}

/** Sends all changes home; false: something could not, and was kept in a directory that a line names. */
export async function bringAllHome(
  views: readonly View[],
  clock: Clock,
  mark: string,
  say: (line: string) => void,
): Promise<boolean> {
  let all = true;
  for (const { overlay, source } of views) {
    const failure = await bringHome(overlay, (look) => askInode(clock, look), mark);
    if (failure === null) continue;
    all = false;
    say(`${source}: ${failure.reason}`);
    say(
      failure.partly
        ? `${source}: some changes of this session are there, others are not`
        : `${source}: nothing of this session was changed there`,
    );
    await keepView({ overlay, source }, clock, mark, say);
  }
  return all;
}

/** Changes that cannot go home at all. */
export async function keepView({ overlay, source }: View, clock: Clock, mark: string, say: (line: string) => void) {
  try {
    const place = join(cacheDirectory('kept'), `${mark}-${overlay.device}`);
    const files = join(place, 'files');
    mkdirSync(files, { recursive: true, mode: 0o700 });
    const fs = HostFs.open({ files: new HostFiles(), path: files, device: 0, readOnly: false, ...hostIds() });
    if (typeof fs === 'number') throw new Error(`${files}: ${errnoName(fs)}`);
    const lines = await keep(overlay, fs.root, (look) => askInode(clock, look));
    writeFileSync(join(place, 'CHANGES'), lines.map((line) => `${line}\n`).join(''));
    say(`${source}: all of them are kept at ${hostname()} in ${place}`);
  } catch (error) {
    say(`${source}: and they could not be kept here: ${(error as Error).message}`);
  }
}
