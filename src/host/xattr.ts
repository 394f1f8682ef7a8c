/** Extended attributes of host files (xattr(7)): user.* only; others are the host's own affair. */
import { ENODATA, EOPNOTSUPP } from '../abi/errno.ts';
import { XATTR_LIST_MAX, XATTR_SIZE_MAX } from '../abi/fs.ts';
import { decodePath, encodePath } from '../abi/path.ts';
import { type Libc, libc } from './libc.ts';

/** A path whose last component is not followed: a name below a directory handle. Null: there is none. */
type Path = string | Uint8Array | null;

function supported(): Libc | null {
  const c = libc();
  return c?.has('lgetxattr') === true ? c : null;
}

const isOurs = (name: string) => name.startsWith('user.');
const bytesOf = (name: string) => Uint8Array.of(...encodePath(name), 0);

export function getxattr(path: Path, name: string): Uint8Array | number {
  const c = supported();
  if (c === null || path === null) return -EOPNOTSUPP;
  if (!isOurs(name)) return -ENODATA;
  const value = new Uint8Array(XATTR_SIZE_MAX);
  const length = c.lgetxattr(path, bytesOf(name), value, value.length);
  return length < 0 ? length : value.slice(0, length);
}

export function setxattr(path: Path, name: string, value: Uint8Array, flags: number): number {
  const c = supported();
  if (c === null || path === null || !isOurs(name)) return -EOPNOTSUPP;
  // The value may lie in guest memory.
  return c.lsetxattr(path, bytesOf(name), value.slice(), value.length, flags);
}

export function listxattr(path: Path): string[] | number {
  const c = supported();
  if (c === null || path === null) return [];
  const list = new Uint8Array(XATTR_LIST_MAX);
  const length = c.llistxattr(path, list, list.length);
  if (length < 0) return length === -EOPNOTSUPP ? [] : length;
  const names = decodePath(list.subarray(0, length)).split('\0');
  return names.filter(isOurs);
}

export function removexattr(path: Path, name: string): number {
  const c = supported();
  if (c === null || path === null) return -EOPNOTSUPP;
  if (!isOurs(name)) return -ENODATA;
  return c.lremovexattr(path, bytesOf(name));
}
