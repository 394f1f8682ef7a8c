/** Memory: mappings, the heap, advice, locks. */
import { EACCES, EBADF, EFAULT, EINVAL, ENODEV, ENOSYS, EPERM } from '../src/abi/errno.ts';
import { MS_NOEXEC, O_ACCMODE, O_PATH, O_RDWR } from '../src/abi/fs.ts';
import { struct, u32 } from '../src/abi/struct.ts';
import type { Task } from '../src/kernel/task.ts';
import * as F from '../src/memory/flags.ts';
import { flags, inStruct, int, pointer, refused, size, syscall, uint } from '../src/syscall/index.ts';
import { failed } from '../src/wait/wait.ts';

const family = { class: 'memory' } as const;
const PAGE = 4096;
const PROT_READ = 1;
const PROT_WRITE = 2;
const PROT_EXEC = 4;
const PROT = { PROT_READ, PROT_WRITE, PROT_EXEC, PROT_GROWSDOWN: F.PROT_GROWSDOWN, PROT_NONE: 0 };
const MAP = {
  MAP_SHARED_VALIDATE: F.MAP_SHARED_VALIDATE,
  MAP_SHARED: F.MAP_SHARED,
  MAP_PRIVATE: F.MAP_PRIVATE,
  MAP_FIXED: F.MAP_FIXED,
  MAP_ANONYMOUS: F.MAP_ANONYMOUS,
  MAP_GROWSDOWN: F.MAP_GROWSDOWN,
  MAP_LOCKED: F.MAP_LOCKED,
  MAP_NORESERVE: F.MAP_NORESERVE,
  MAP_POPULATE: F.MAP_POPULATE,
  MAP_STACK: F.MAP_STACK,
  MAP_HUGETLB: F.MAP_HUGETLB,
  MAP_FIXED_NOREPLACE: F.MAP_FIXED_NOREPLACE,
};

/** What do_mmap() checks of a descriptor, then the mapping itself. `offset` in bytes. */
function map(
  task: Task,
  address: number,
  length: number,
  prot: number,
  bits: number,
  fd: number,
  offset: number,
): number {
  if ((bits & F.MAP_ANONYMOUS) !== 0) return task.mm.mmap(address, length, prot, bits) | 0;
  const file = task.files.get(fd);
  if (file === undefined || (file.flags & O_PATH) !== 0) return -EBADF;
  if (length === 0) return -EINVAL;
  if (!file.readable) return -EACCES;
  const shared = (bits & F.MAP_TYPE) !== F.MAP_PRIVATE;
  if (shared && (prot & PROT_WRITE) !== 0 && (file.flags & O_ACCMODE) !== O_RDWR) return -EACCES;
  const noExec = ((file.location?.mount.flags ?? 0) & MS_NOEXEC) !== 0;
  if (noExec && (prot & PROT_EXEC) !== 0) return -EPERM;
  const backing = file.backing(task);
  if (failed(backing)) return backing === -EINVAL ? -ENODEV : backing;
  const fetched = backing.prefetch?.(task, offset, length) ?? 0;
  if (fetched < 0) return fetched;
  const sealed = backing.write === undefined;
  if (shared && sealed && (prot & PROT_WRITE) !== 0) return -EPERM;
  const write = !shared || (!sealed && (file.flags & O_ACCMODE) === O_RDWR) ? PROT_WRITE : 0;
  const maxProt = PROT_READ | write | (noExec ? 0 : PROT_EXEC);
  return task.mm.mmap(address, length, prot, bits, { object: backing, offset, maxProt }) | 0;
}

const mapArgs = [pointer('addr'), size('length'), flags('prot', PROT), flags('flags', MAP), int('fd')] as const;

export const mmap2 = syscall(
  192,
  'mmap2',
  [...mapArgs, uint('pgoffset')],
  (task, address, length, prot, bits, fd, pages) => map(task, address, length, prot, bits, fd, pages * PAGE),
  family,
);

const oldMmapLayout = struct({ addr: u32, length: u32, prot: u32, flags: u32, fd: u32, offset: u32 });
/** The old call takes a pointer to its six arguments. */
export const mmap = syscall(
  90,
  'mmap',
  [inStruct('args', 'struct mmap_arg_struct', oldMmapLayout)],
  (task, a) => (a.offset % PAGE !== 0 ? -EINVAL : map(task, a.addr, a.length, a.prot, a.flags, a.fd | 0, a.offset)),
  family,
);

export const munmap = syscall(
  91,
  'munmap',
  [pointer('addr'), size('length')],
  (task, address, length) => task.mm.munmap(address, length),
  family,
);
export const mprotect = syscall(
  125,
  'mprotect',
  [pointer('addr'), size('len'), flags('prot', PROT)],
  (task, address, length, prot) => task.mm.mprotect(address, length, prot),
  family,
);
export const pkey_mprotect = syscall(
  380,
  'pkey_mprotect',
  [pointer('addr'), size('len'), flags('prot', PROT), int('pkey')],
  (task, address, length, prot, key) => (key === -1 ? task.mm.mprotect(address, length, prot) : -EINVAL),
  { ...family, level: 'partial', note: 'this CPU has no protection keys' },
);
export const mremap = syscall(
  163,
  'mremap',
  [
    pointer('old_address'),
    size('old_size'),
    size('new_size'),
    flags('flags', { MREMAP_MAYMOVE: 1, MREMAP_FIXED: 2, MREMAP_DONTUNMAP: 4 }),
    pointer('new_address'),
  ],
  (task, old, oldSize, newSize, bits, address) => task.mm.mremap(old, oldSize, newSize, bits, address) | 0,
  family,
);
/** Answers the new end of the heap, or the old one where it cannot be. */
export const brk = syscall(45, 'brk', [pointer('addr')], (task, address) => task.mm.brk(address) | 0, family);
export const madvise = syscall(
  219,
  'madvise',
  [pointer('addr'), size('length'), int('advice')],
  (task, address, length, advice) => task.mm.madvise(address, length, advice),
  family,
);
export const msync = syscall(
  144,
  'msync',
  [pointer('addr'), size('length'), flags('flags', { MS_ASYNC: 1, MS_INVALIDATE: 2, MS_SYNC: 4 })],
  (task, address, length, bits) => task.mm.msync(address, length, bits),
  family,
);
export const mincore = syscall(
  218,
  'mincore',
  [pointer('addr'), size('length'), pointer('vec')],
  (task, address, length, vector) => task.mm.mincore(address, length, vector),
  family,
);
export const mlock = syscall(
  150,
  'mlock',
  [pointer('addr'), size('len')],
  (task, address, length) => task.mm.mlock(address, length),
  family,
);
export const mlock2 = syscall(
  376,
  'mlock2',
  [pointer('addr'), size('len'), flags('flags', { MLOCK_ONFAULT: 1 })],
  (task, address, length, bits) => ((bits & ~1) !== 0 ? -EINVAL : task.mm.mlock(address, length)),
  family,
);
export const munlock = syscall(
  151,
  'munlock',
  [pointer('addr'), size('len')],
  (task, address, length) => task.mm.munlock(address, length),
  family,
);
export const mlockall = syscall(
  152,
  'mlockall',
  [flags('flags', { MCL_CURRENT: 1, MCL_FUTURE: 2, MCL_ONFAULT: 4 })],
  (task, bits) => ((bits & ~7) !== 0 || bits === 0 || bits === 4 ? -EINVAL : task.mm.mlockall(bits)),
  family,
);
export const munlockall = syscall(153, 'munlockall', [], (task) => task.mm.mlockall(0), family);

export const remap_file_pages = refused(257, 'remap_file_pages', ENOSYS, 'replaced by mmap in all programs', 'memory');
export const pkey_alloc = refused(381, 'pkey_alloc', EINVAL, 'this CPU has no protection keys', 'memory');
export const pkey_free = refused(382, 'pkey_free', EINVAL, 'this CPU has no protection keys', 'memory');
export const memfd_secret = refused(447, 'memfd_secret', ENOSYS, 'off, as by default on Linux', 'memory');
export const userfaultfd = refused(374, 'userfaultfd', ENOSYS, 'not there', 'memory');

/** One node, and everything on it. */
export const get_mempolicy = syscall(
  275,
  'get_mempolicy',
  [pointer('mode'), pointer('nodemask'), size('maxnode'), pointer('addr'), uint('flags')],
  (task, mode, nodes, maximum) => {
    if (nodes !== 0 && maximum < 1) return -EINVAL;
    if (mode !== 0 && task.mm.writeU32(mode, 0) < 0) return -EFAULT;
    return nodes !== 0 && maximum > 0 && task.mm.writeU32(nodes, 1) < 0 ? -EFAULT : 0;
  },
  { ...family, level: 'partial', note: 'one memory node' },
);
export const set_mempolicy = syscall(
  276,
  'set_mempolicy',
  [int('mode'), pointer('nodemask'), size('maxnode')],
  (_task, mode) => ((mode & 0xff) > 5 ? -EINVAL : 0),
  { ...family, level: 'partial', note: 'one memory node' },
);
export const mbind = syscall(
  274,
  'mbind',
  [pointer('addr'), size('len'), int('mode')],
  (task, address, length, mode) => {
    if (address % PAGE !== 0 || (mode & 0xff) > 5) return -EINVAL;
    return task.mm.accessible(address, length, false) ? 0 : -EFAULT;
  },
  { ...family, level: 'partial', note: 'one memory node' },
);
