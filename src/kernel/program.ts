/** Finding the program that execve names: path, permission, and the files behind it (do_open_execat). */

import type { ProgramFile } from '../../loader/program-file.ts';
import { EACCES, ELOOP, ETXTBSY } from '../abi/errno.ts';
import { MAY_EXEC, MS_NOEXEC, O_LARGEFILE, O_RDONLY, S_IFLNK, S_IFREG } from '../abi/fs.ts';
import { guarded } from '../vfs/guard.ts';
import type { Location } from '../vfs/location.ts';
import { openInode } from '../vfs/open.ts';
import type { OpenFile } from '../vfs/open-file.ts';
import { allowWrite, denyWrite, prefetchProgram } from '../vfs/page-cache.ts';
import { permissionAt } from '../vfs/permission.ts';
import { walk } from '../vfs/walk.ts';
import { failed } from '../wait/wait.ts';
import type { Task } from './task.ts';
import type { ThreadGroup } from './thread-group.ts';

/** A program file that is open; close() it when it is not needed any more. */
export interface OpenProgram extends ProgramFile {
  readonly open: OpenFile;
  close(): void;
}

export function openProgram(task: Task, start: Location, path: string, follow = true): OpenProgram | number {
  const place = walk(task, start, path, { follow });
  return failed(place) ? place : openProgramAt(task, place, path);
}

/** What a place leads to, if it may be executed. */
export function openProgramAt(task: Task, place: Location, path: string): OpenProgram | number {
  const inode = place.dentry.inode!;
  if (inode.type === S_IFLNK) return -ELOOP;
  if (inode.type !== S_IFREG || (place.mount.flags & MS_NOEXEC) !== 0) return -EACCES;
  const allowed = guarded(task, place) || permissionAt(task, place, MAY_EXEC);
  if (allowed !== 0) return allowed;
  if (inode.writers > 0) return -ETXTBSY;
  const fetched = prefetchProgram(task, inode, path);
  if (fetched < 0) return fetched;
  const file = openInode(task, place, O_RDONLY | O_LARGEFILE);
  if (failed(file)) return file;
  file.hold();
  const backing = file.backing(task);
  if (failed(backing)) {
    file.drop();
    return backing;
  }
  return {
    path,
    open: file,
    size: () => backing.size(),
    read: (offset, into) => file.readAt(task, offset, into),
    backing: () => backing,
    close: () => file.drop(),
  };
}

/** The process runs this file from now on: nobody may open it for writing (ETXTBSY), and /proc/PID/exe leads to it. */
export function setProgram(group: ThreadGroup, file: OpenFile | null): void {
  if (file !== null) {
    file.hold();
    denyWrite(file.inode);
  }
  const { program } = group;
  group.program = file;
  if (program === null) return;
  allowWrite(program.inode);
  program.drop();
}
