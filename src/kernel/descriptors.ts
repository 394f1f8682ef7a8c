/** New descriptors, where a call makes more than one at once. */
import { EMFILE } from '../abi/errno.ts';
import type { OpenFile } from '../vfs/open-file.ts';
import type { Task } from './task.ts';

/**
 * Gives two files to the task and tells it the numbers: pipe(2), socketpair(2). Nothing stays open when there is no room
 * or the numbers cannot be told.
 */
export function installPair(
  task: Task,
  files: readonly [OpenFile, OpenFile],
  cloexec: boolean,
  tell: (fds: [number, number]) => number,
): number {
  const first = task.files.install(files[0], { cloexec });
  if (first < 0) {
    files[1].hold().drop();
    return -EMFILE;
  }
  const second = task.files.install(files[1], { cloexec });
  const told = second < 0 ? second : tell([first, second]);
  if (told < 0) {
    for (const fd of [first, second]) if (fd >= 0) task.files.close(task, fd, task.namespace.locks);
  }
  return told;
}
