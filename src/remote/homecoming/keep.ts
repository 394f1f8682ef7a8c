/** Changes that cannot go home, in a directory of whoever made them: nothing is lost, and people can take over. */
import { S_IFCHR, S_IFDIR } from '../../abi/fs.ts';
import { decodePath } from '../../abi/path.ts';
import { type OverlayFs, REDIRECT } from '../../fs/overlay.ts';
import type { Inode } from '../../vfs/inode.ts';
import { failed } from '../../wait/wait.ts';
import { type Ask, allOf } from './ask.ts';
import { good } from './plan.ts';
import { like, put } from './put.ts';

/** Copies everything new and changed; answers what a copy cannot show, as lines: what was deleted and what was moved. */
export async function keep(overlay: OverlayFs, target: Inode, ask: Ask): Promise<string[]> {
  const lines: string[] = [];
  await copy(overlay.upper.root, target, '', ask, lines);
  return lines.sort();
}

async function copy(upper: Inode, target: Inode, path: string, ask: Ask, lines: string[]): Promise<void> {
  const entries = good(await ask((s) => upper.entries(s, 0)), path);
  await allOf(entries, async ({ name }) => {
    const below = `${path}/${name}`;
    const inode = good(await ask((s) => upper.lookup(s, name)), below);
    const attributes = good(await ask((s) => inode.attributes(s)), below);
    if (inode.type === S_IFCHR && attributes.rdev === 0) return void lines.push(`deleted ${below}`);
    if (inode.type !== S_IFDIR) {
      const made = await put(ask, target, name, inode, attributes, below);
      return like(ask, made, inode, attributes, below);
    }
    const from = await ask((s) => inode.getxattr(s, REDIRECT));
    if (!failed(from)) lines.push(`moved ${decodePath(from)} to ${below}`);
    const { uid, gid } = attributes;
    const made = good(await ask((s) => target.mkdir(s, name, { mode: S_IFDIR | 0o700, uid, gid })), below);
    await copy(inode, made, below, ask, lines);
    await like(ask, made, inode, attributes, below);
  });
}
