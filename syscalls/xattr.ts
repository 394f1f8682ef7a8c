/** Extended attributes (xattr(7)). */
import { E2BIG, EINVAL, ERANGE } from '../src/abi/errno.ts';
import { AT_FDCWD, XATTR_CREATE, XATTR_NAME_MAX, XATTR_REPLACE, XATTR_SIZE_MAX } from '../src/abi/fs.ts';
import { placeOf, walkAt } from '../src/kernel/file-access.ts';
import type { Task } from '../src/kernel/task.ts';
import { cstring, file, flags, inBuf, outBuf, path, size, syscall } from '../src/syscall/index.ts';
import type { Location } from '../src/vfs/location.ts';
import {
  getxattr as getAttribute,
  listxattr as listAttributes,
  removexattr as removeAttribute,
  setxattr as setAttribute,
} from '../src/vfs/xattr.ts';
import { failed } from '../src/wait/wait.ts';

const family = { class: 'file' } as const;
const onDescriptor = { class: 'desc' } as const;

/** An empty name is out of range, as one that is too long. */
const name = cstring('name', XATTR_NAME_MAX + 1, ERANGE);
const bits = flags('flags', { XATTR_CREATE, XATTR_REPLACE });

const named = (task: Task, pathname: string, follow: boolean) => walkAt(task, AT_FDCWD, pathname, { follow });

function set(
  task: Task,
  place: Location | number,
  attribute: string,
  content: Uint8Array,
  length: number,
  how: number,
): number {
  if ((how & ~(XATTR_CREATE | XATTR_REPLACE)) !== 0) return -EINVAL;
  if (attribute === '') return -ERANGE;
  if (length > XATTR_SIZE_MAX) return -E2BIG;
  return failed(place) ? place : setAttribute(task, place, attribute, content, how);
}
function get(task: Task, place: Location | number, attribute: string, into: Uint8Array): number {
  if (attribute === '') return -ERANGE;
  return failed(place) ? place : getAttribute(task, place, attribute, into);
}
function enumerate(task: Task, place: Location | number, into: Uint8Array): number {
  return failed(place) ? place : listAttributes(task, place, into);
}
function remove(task: Task, place: Location | number, attribute: string): number {
  if (attribute === '') return -ERANGE;
  return failed(place) ? place : removeAttribute(task, place, attribute);
}

export const setxattr = syscall(
  226,
  'setxattr',
  [path(), name, inBuf('value', 3), size('size'), bits],
  (task, pathname, attribute, content, length, how) =>
    set(task, named(task, pathname, true), attribute, content, length, how),
  family,
);
export const lsetxattr = syscall(
  227,
  'lsetxattr',
  [path(), name, inBuf('value', 3), size('size'), bits],
  (task, pathname, attribute, content, length, how) =>
    set(task, named(task, pathname, false), attribute, content, length, how),
  family,
);
export const fsetxattr = syscall(
  228,
  'fsetxattr',
  [file(), name, inBuf('value', 3), size('size'), bits],
  (task, opened, attribute, content, length, how) => set(task, placeOf(opened), attribute, content, length, how),
  onDescriptor,
);

export const getxattr = syscall(
  229,
  'getxattr',
  [path(), name, outBuf('value', 3), size('size')],
  (task, pathname, attribute, into) => get(task, named(task, pathname, true), attribute, into),
  family,
);
export const lgetxattr = syscall(
  230,
  'lgetxattr',
  [path(), name, outBuf('value', 3), size('size')],
  (task, pathname, attribute, into) => get(task, named(task, pathname, false), attribute, into),
  family,
);
export const fgetxattr = syscall(
  231,
  'fgetxattr',
  [file(), name, outBuf('value', 3), size('size')],
  (task, opened, attribute, into) => get(task, placeOf(opened), attribute, into),
  onDescriptor,
);

export const listxattr = syscall(
  232,
  'listxattr',
  [path(), outBuf('list', 2), size('size')],
  (task, pathname, into) => enumerate(task, named(task, pathname, true), into),
  family,
);
export const llistxattr = syscall(
  233,
  'llistxattr',
  [path(), outBuf('list', 2), size('size')],
  (task, pathname, into) => enumerate(task, named(task, pathname, false), into),
  family,
);
export const flistxattr = syscall(
  234,
  'flistxattr',
  [file(), outBuf('list', 2), size('size')],
  (task, opened, into) => enumerate(task, placeOf(opened), into),
  onDescriptor,
);

export const removexattr = syscall(
  235,
  'removexattr',
  [path(), name],
  (task, pathname, attribute) => remove(task, named(task, pathname, true), attribute),
  family,
);
export const lremovexattr = syscall(
  236,
  'lremovexattr',
  [path(), name],
  (task, pathname, attribute) => remove(task, named(task, pathname, false), attribute),
  family,
);
export const fremovexattr = syscall(
  237,
  'fremovexattr',
  [file(), name],
  (task, opened, attribute) => remove(task, placeOf(opened), attribute),
  onDescriptor,
);
