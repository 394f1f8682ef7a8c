/** Files that the kernel's operator makes up: contents without a name. */
import { O_APPEND, O_CLOEXEC, O_NONBLOCK } from '../abi/fs.ts';
import { makeMemfd } from '../fs/memfd.ts';
import { failed } from '../wait/wait.ts';
import type { Task } from './task.ts';

/** Opens a file with this content for the task, readable and writable; answers its descriptor, or -EMFILE. */
export function giveFile(task: Task, name: string, content: Uint8Array, flags: number): number {
  const { fsuid: uid, fsgid: gid } = task.credentials;
  const file = makeMemfd(task, task.kernel.shm, task.namespace, name, { mode: 0o644, uid, gid, seals: 0 });
  if (content.length > 0) file.inode.write(task, 0, content);
  file.flags |= flags & (O_APPEND | O_NONBLOCK);
  return task.files.install(file, { cloexec: (flags & O_CLOEXEC) !== 0 });
}

/** All that a descriptor's file holds now; null where it cannot be read at once. */
export function contentOf(task: Task, fd: number): Uint8Array | null {
  const file = task.files.get(fd);
  const attributes = file?.attributes(task);
  if (file === undefined || attributes === undefined || failed(attributes)) return null;
  const bytes = new Uint8Array(attributes.size);
  const count = file.inode.read(task, 0, bytes);
  return failed(count) ? null : bytes.subarray(0, count);
}
