/** Where a call's paths and descriptors lead, for layers. */
import { EAGAIN } from '../abi/errno.ts';
import { AT_FDCWD } from '../abi/fs.ts';
import { startOf } from '../kernel/file-access.ts';
import type { Task } from '../kernel/task.ts';
import type { PathContext } from '../vfs/fs-context.ts';
import type { Location } from '../vfs/location.ts';
import { walk } from '../vfs/walk.ts';
import { BLOCKED, failed } from '../wait/wait.ts';
import type { Declaration } from './syscall.ts';

/** What is needed of a CallView. */
interface Located {
  readonly task: Task;
  readonly declaration: Declaration;
  argument(i: number): unknown;
}

/** Calls that work on a symbolic link itself. */
const ON_LINKS =
  /^(lchown|lstat|oldlstat|lgetxattr|lsetxattr|llistxattr|lremovexattr|readlink|unlink|rmdir|rename|symlink|link|mkdir|mknod)/;

export function describeFd(task: Task, fd: number): string {
  if (fd === AT_FDCWD) return pathOf(task, task.fs.cwd);
  return task.files.get(fd)?.describe() ?? '';
}

function pathOf(task: Task, place: Location): string {
  return task.namespace.path(place, task.fs.root).text;
}

/** The descriptor that a path argument starts from. */
function startDescriptor(call: Located, i: number): number {
  for (let j = i - 1; j >= 0; j--) if (call.declaration.args[j].role === 'dirfd') return call.argument(j) as number;
  return AT_FDCWD;
}

export function absolutePath(call: Located, i: number): string {
  const text = (call.argument(i) as string | null) ?? '';
  const start = text.startsWith('/') ? '' : describeFd(call.task, startDescriptor(call, i));
  return normalize(`${start}/${text}`);
}

/** An absolute path without `.`, `..` and double slashes. */
export function normalize(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}

/** Without sleeping: where a file system would, the rest of the path is taken as it is written. */
export function resolvedPath(call: Located, i: number): string {
  const { task } = call;
  // Still the task, for /proc/self.
  const awake: PathContext = Object.create(task, {
    progress: { value: 0, writable: true },
    block: { value: () => -EAGAIN },
    once: { value: <T>(step: () => T) => step() },
  });
  const found = resolveFrom(awake, call, i);
  return typeof found === 'string' ? found : absolutePath(call, i);
}

/** The path with all links followed, as far as it exists; BLOCKED where the walk sleeps. */
export function resolveFrom(ctx: PathContext, call: Located, i: number): string | number {
  const { task } = call;
  const text = (call.argument(i) as string | null) ?? '';
  const start = startOf(task, startDescriptor(call, i), text);
  if (failed(start)) return absolutePath(call, i);
  const follow = !ON_LINKS.test(call.declaration.name);
  let missing = '';
  for (let path = text; ; ) {
    const place = path === '' ? start : walk(ctx, start, path, { follow: missing !== '' || follow });
    if (place === BLOCKED) return BLOCKED;
    if (!failed(place)) return normalize(`${pathOf(task, place)}/${missing}`);
    const trimmed = path.replace(/\/+$/, '');
    const slash = trimmed.lastIndexOf('/');
    missing = `${trimmed.slice(slash + 1)}/${missing}`;
    path = slash < 0 ? '' : slash === 0 ? '/' : trimmed.slice(0, slash);
    if (trimmed === '') return absolutePath(call, i);
  }
}
