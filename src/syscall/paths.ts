/** Path names and open files. */
import { EBADF, EFAULT, ENAMETOOLONG } from '../abi/errno.ts';
import { O_PATH } from '../abi/fs.ts';
import { PATH_MAX } from '../abi/path.ts';
import type { Task } from '../kernel/task.ts';
import type { OpenFile } from '../vfs/open-file.ts';
import { type Arg, quote, Refusal } from './arg.ts';
import { FAULT, readText } from './buffers.ts';

const TOO_LONG = new Refusal(ENAMETOOLONG);
const BAD_DESCRIPTOR = new Refusal(EBADF);

function readPath(task: Task, address: number): string | Refusal {
  const path = readText(task, address, PATH_MAX);
  if (typeof path !== 'number') return path;
  return path === -EFAULT ? FAULT : TOO_LONG;
}

/** A path name (abi/path.ts); shorter than PATH_MAX. An empty one reaches the handler: walk() answers -ENOENT. */
export function path(): Arg<string, 'path'>;
export function path<const N extends string>(name: N): Arg<string, N>;
export function path(name = 'path'): Arg<string> {
  return {
    name,
    kind: 'const char *',
    direction: 'in',
    words: 1,
    extent: { text: true },
    role: 'path',
    decode: (task, words, at) => readPath(task, words[at] >>> 0),
    show: (value) => quote(value, PATH_MAX),
  };
}

/** A path where NULL is allowed (utimensat, statx): null. */
export function optionalPath(): Arg<string | null, 'path'>;
export function optionalPath<const N extends string>(name: N): Arg<string | null, N>;
export function optionalPath(name = 'path'): Arg<string | null> {
  return {
    ...path(name),
    decode: (task, words, at) => (words[at] === 0 ? null : readPath(task, words[at] >>> 0)),
    show: (value) => (value === null ? 'NULL' : quote(value, PATH_MAX)),
  };
}

/** Other text (xattr names, keys): as a path, with its own limit and error. */
export function cstring<const N extends string>(name: N, limit: number, errno: number): Arg<string, N> {
  const tooLong = new Refusal(errno);
  return {
    ...path(name),
    role: undefined,
    decode(task, words, at) {
      const text = readText(task, words[at] >>> 0, limit);
      if (typeof text !== 'number') return text;
      return text === -EFAULT ? FAULT : tooLong;
    },
  };
}

function opened<const N extends string>(name: N, pathOnly: boolean): Arg<OpenFile, N, number> {
  return {
    name,
    kind: 'int',
    direction: 'value',
    words: 1,
    role: 'fd',
    decode(task, words, at) {
      const found = task.files.get(words[at]);
      return found === undefined || (!pathOnly && (found.flags & O_PATH) !== 0) ? BAD_DESCRIPTOR : found;
    },
    encode(number, words, at) {
      words[at] = number;
    },
    plain: (_file, words, at) => words[at],
    show: (_file, shown, at) => String(shown.words[at]),
  };
}

/** An open descriptor, as its open file description; -EBADF for closed ones and for O_PATH. */
export function file(): Arg<OpenFile, 'fd', number>;
export function file<const N extends string>(name: N): Arg<OpenFile, N, number>;
export function file(name = 'fd'): Arg<OpenFile, string, number> {
  return opened(name, false);
}
/** The same, O_PATH included: fstat, fchdir, dup, fcntl. */
export function anyFile(): Arg<OpenFile, 'fd', number>;
export function anyFile<const N extends string>(name: N): Arg<OpenFile, N, number>;
export function anyFile(name = 'fd'): Arg<OpenFile, string, number> {
  return opened(name, true);
}
