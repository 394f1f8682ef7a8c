/** chmod, chown, utimensat on files of the host. */
import { S_IFDIR, S_ISGID, S_ISUID } from '../abi/fs.ts';
import type { AttributeChanges } from '../vfs/inode.ts';
import type { HostInode } from './host-inode.ts';

/** Of a file that is open: works on unlinked ones too. */
export function changeOpen(inode: HostInode, fd: number, { uid, gid, mode, atime, mtime }: AttributeChanges): number {
  const { files } = inode.fs;
  let answer = 0;
  if (uid !== undefined || gid !== undefined) answer = files.chownOpen(fd, uid ?? -1, gid ?? -1);
  if (answer === 0 && mode !== undefined) answer = files.chmodOpen(fd, grantable(inode, mode));
  if (answer < 0 || (atime === undefined && mtime === undefined)) return answer;
  return files.setTimesOpen(fd, atime, mtime);
}

/** By name, once it is sure that the name still means this file. */
export function changeNamed(inode: HostInode, { uid, gid, mode, atime, mtime }: AttributeChanges): number {
  const { files } = inode.fs;
  if (uid === undefined && gid === undefined && mode === undefined && atime === undefined && mtime === undefined)
    return 0;
  const directory = inode.fs.parentHandle(inode);
  if (directory < 0) return directory;
  const here = inode.verify(files.stat(directory, inode.name));
  if (here < 0) return here;
  let answer = 0;
  if (uid !== undefined || gid !== undefined) answer = files.chown(directory, inode.name, uid ?? -1, gid ?? -1);
  if (answer === 0 && mode !== undefined) answer = files.chmod(directory, inode.name, grantable(inode, mode));
  if (answer < 0 || (atime === undefined && mtime === undefined)) return answer;
  return files.setTimes(directory, inode.name, atime, mtime);
}

/** A guest makes no set-id programs for the host's users. */
function grantable(inode: HostInode, mode: number): number {
  return inode.type === S_IFDIR ? mode & 0o7777 : mode & 0o7777 & ~(S_ISUID | S_ISGID);
}
