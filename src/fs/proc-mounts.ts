/** /proc/PID/mountinfo and mountstats; mounts is the name space's own (vfs/mounts.ts). */
import { majorOf, minorOf } from '../abi/fs.ts';
import type { Location, Mount } from '../vfs/location.ts';
import { type MountNamespace, mountOptions } from '../vfs/mounts.ts';

/** Mounts that a root can see, with their paths. */
function visible(namespace: MountNamespace, root: Location): { mount: Mount; path: string }[] {
  const seen: { mount: Mount; path: string }[] = [];
  for (const mount of namespace.mounts) {
    const at =
      mount.parent === null ? { mount, dentry: mount.root } : { mount: mount.parent, dentry: mount.mountpoint! };
    const { text, reachable } = namespace.path(at, root);
    if (reachable || mount.parent === null) seen.push({ mount, path: text });
  }
  return seen;
}

const quoted = (text: string) =>
  text.replace(/[ \t\n\\#]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`);

/** What a bind mount shows of its file system. */
function rootPath(mount: Mount): string {
  let text = '';
  for (let at = mount.root; at.parent !== null; at = at.parent) text = `/${at.name}${text}`;
  return text === '' ? '/' : text;
}

export function mountInfoText(namespace: MountNamespace, root: Location): string {
  return visible(namespace, root)
    .map(({ mount, path }) => {
      const device = `${majorOf(mount.fs.device)}:${minorOf(mount.fs.device)}`;
      const own = mountOptions(mount);
      const parent = mount.parent?.id ?? mount.id;
      const superblock = mount.fs.readOnly ? 'ro' : 'rw';
      const where = `${quoted(rootPath(mount))} ${quoted(path)}`;
      return `${mount.id} ${parent} ${device} ${where} ${own} - ${mount.fs.type} ${quoted(mount.source)} ${superblock}\n`;
    })
    .join('');
}

export function mountStatsText(namespace: MountNamespace, root: Location): string {
  return visible(namespace, root)
    .map(
      ({ mount, path }) => `device ${quoted(mount.source)} mounted on ${quoted(path)} with fstype ${mount.fs.type}\n`,
    )
    .join('');
}
