import { type Koffi, loadKoffi } from './koffi.ts';

/**
 * The host's C library, reached through koffi: the one place of the project that calls it. Every function answers as the
 * kernel does: a result >= 0, or the negative errno. Where koffi or a function is missing, `libc()` answers null or the
 * entry is absent, and callers take their portable way.
 *
 * Addresses are plain numbers: user space is 47 bits wide, a double holds 53.
 */
const DECLARATIONS = {
  mmap: 'intptr_t mmap(intptr_t address, size_t length, int prot, int flags, int fd, int64_t offset)',
  munmap: 'int munmap(intptr_t address, size_t length)',
  mprotect: 'int mprotect(intptr_t address, size_t length, int prot)',
  madvise: 'int madvise(intptr_t address, size_t length, int advice)',
  mremap: 'intptr_t mremap(intptr_t from, size_t length, size_t newLength, int flags, intptr_t to)',
  memfd_create: 'int memfd_create(const char *name, unsigned int flags)',
  ftruncate: 'int ftruncate(int fd, int64_t length)',
  memcpy: 'intptr_t memcpy(intptr_t to, intptr_t from, size_t length)',
  memcmp: 'int memcmp(intptr_t a, intptr_t b, size_t length)',
  getpagesize: 'int getpagesize(void)',

  openat: 'int openat(int dirfd, const char *path, int flags, unsigned int mode)',
  read: 'intptr_t read(int fd, _Out_ uint8_t *buf, size_t count)',
  write: 'intptr_t write(int fd, const uint8_t *buf, size_t count)',
  pread: 'intptr_t pread(int fd, _Out_ uint8_t *buf, size_t count, int64_t offset)',
  preadv2: 'intptr_t preadv2(int fd, const uint64_t *iov, int count, int64_t offset, int flags)',
  lseek: 'int64_t lseek(int fd, int64_t offset, int whence)',
  recv: 'intptr_t recv(int fd, _Out_ uint8_t *buf, size_t count, int flags)',
  send: 'intptr_t send(int fd, const uint8_t *buf, size_t count, int flags)',
  pwrite: 'intptr_t pwrite(int fd, const uint8_t *buf, size_t count, int64_t offset)',
  close: 'int close(int fd)',
  readlinkat: 'intptr_t readlinkat(int dirfd, const char *path, _Out_ uint8_t *buf, size_t size)',
  unlinkat: 'int unlinkat(int dirfd, const char *path, int flags)',
  mkdirat: 'int mkdirat(int dirfd, const char *path, unsigned int mode)',
  mkfifoat: 'int mkfifoat(int dirfd, const char *path, unsigned int mode)',
  mknodat: 'int mknodat(int dirfd, const char *path, unsigned int mode, unsigned long dev)',
  symlinkat: 'int symlinkat(const char *target, int dirfd, const char *path)',
  linkat: 'int linkat(int fromdir, const char *from, int todir, const char *to, int flags)',
  renameat: 'int renameat(int fromdir, const char *from, int todir, const char *to)',
  renameat2: 'int renameat2(int fromdir, const char *from, int todir, const char *to, unsigned int flags)',
  fchmodat: 'int fchmodat(int dirfd, const char *path, unsigned int mode, int flags)',
  fchownat: 'int fchownat(int dirfd, const char *path, unsigned int uid, unsigned int gid, int flags)',
  statx: 'int statx(int dirfd, const char *path, int flags, unsigned int mask, _Out_ uint8_t *buf)',
  lgetxattr: 'intptr_t lgetxattr(const char *path, const char *name, _Out_ uint8_t *value, size_t size)',
  lsetxattr: 'int lsetxattr(const char *path, const char *name, const uint8_t *value, size_t size, int flags)',
  llistxattr: 'intptr_t llistxattr(const char *path, _Out_ uint8_t *list, size_t size)',
  lremovexattr: 'int lremovexattr(const char *path, const char *name)',
  getdents64: 'intptr_t getdents64(int fd, _Out_ uint8_t *buf, size_t count)',
  utimensat: 'int utimensat(int dirfd, const char *path, const uint8_t *times, int flags)',
  fallocate: 'int fallocate(int fd, int mode, int64_t offset, int64_t length)',
  flock: 'int flock(int fd, int operation)',
  dup: 'int dup(int fd)',
  dup3: 'int dup3(int fd, int as, int flags)',
  pipe2: 'int pipe2(_Out_ int *fds, int flags)',
  fcntl: 'int fcntl(int fd, int command, intptr_t argument)',

  poll: 'int poll(_Inout_ uint8_t *fds, unsigned long count, int timeout)',
  getsockopt: 'int getsockopt(int fd, int level, int name, _Out_ void *value, _Inout_ uint32_t *length)',
  isatty: 'int isatty(int fd)',
  ioctl: 'int ioctl(int fd, unsigned long request, _Inout_ uint8_t *argument)',
  tcgetattr: 'int tcgetattr(int fd, _Out_ uint8_t *termios)',
  tcsetattr: 'int tcsetattr(int fd, int actions, const uint8_t *termios)',
  tcflush: 'int tcflush(int fd, int queue)',
  tcflow: 'int tcflow(int fd, int action)',
  tcdrain: 'int tcdrain(int fd)',
  tcsendbreak: 'int tcsendbreak(int fd, int duration)',
  tcgetpgrp: 'int tcgetpgrp(int fd)',
  tcsetpgrp: 'int tcsetpgrp(int fd, int group)',
  getpgrp: 'int getpgrp(void)',
  kill: 'int kill(int pid, int signal)',
  _exit: 'void _exit(int status)',
  syscall: 'intptr_t syscall(intptr_t number, intptr_t argument)',
  setrlimit: 'int setrlimit(int resource, const uint64_t *limit)',
} as const;

type Name = keyof typeof DECLARATIONS;

/** Functions answer numbers; a result that is too large for a double does not occur. */
export type HostFunction = (...args: readonly (number | bigint | string | null | ArrayBufferView)[]) => number;
export type Libc = { readonly [name in Name]: HostFunction } & {
  /** True when this C library has the function: musl and old glibc lack some. */
  has(name: Name): boolean;
  /** Address of the bytes a view shows. */
  address(view: Uint8Array): number;
  /** A view of host memory that nobody else owns; it must not outlive the mapping. */
  view(address: number, length: number): Uint8Array;
  /** poll(2) on a thread of the pool; `done` gets its answer. The array is written when it has returned. */
  pollAsync(fds: Uint8Array, count: number, timeout: number, done: (answer: number) => void): void;
};

/** `openat` and the other *at calls: relative to the current directory. */
export const AT_FDCWD = -100;

/** What the VM uses of the host's mmap family. x86-64, AArch64 and RISC-V agree on these. */
export const HOST = {
  PROT_NONE: 0,
  PROT_READ: 1,
  PROT_WRITE: 2,
  MAP_SHARED: 1,
  MAP_PRIVATE: 2,
  MAP_FIXED: 0x10,
  MAP_ANONYMOUS: 0x20,
  MAP_NORESERVE: 0x4000,
  MADV_DONTNEED: 4,
  /** MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP: page tables move, empty pages stay (Linux 5.7). */
  MREMAP_MOVE: 7,
  MFD_CLOEXEC: 1,
} as const;

let loaded: Libc | null | undefined;

/** The host's C library, or null where it cannot be called (no koffi for this platform, or not Linux). */
export function libc(): Libc | null {
  if (loaded === undefined) loaded = open();
  return loaded;
}

function open(): Libc | null {
  if (process.platform !== 'linux') return null;
  let koffi: Koffi;
  let library: ReturnType<Koffi['load']>;
  try {
    koffi = loadKoffi();
    library = koffi.load(null);
  } catch {
    return null;
  }
  const functions: Record<string, unknown> = {
    has: (name: Name) => bind(koffi, library, name) !== null,
    address: (view: Uint8Array) => Number(koffi.address(view)),
    view: (address: number, length: number) => new Uint8Array(koffi.view(address, length)),
    pollAsync: (fds: Uint8Array, count: number, timeout: number, done: (answer: number) => void) =>
      library.func(DECLARATIONS.poll).async(fds, count, timeout, (_: unknown, answer: number) => done(answer)),
  };
  for (const name of Object.keys(DECLARATIONS) as Name[]) {
    // Bound at first use: each costs koffi some 20 us, and most runs need ten of them.
    Object.defineProperty(functions, name, {
      configurable: true,
      get() {
        const value = bind(koffi, library, name) ?? (() => -38) /* ENOSYS */;
        Object.defineProperty(functions, name, { value });
        return value;
      },
    });
  }
  return functions as unknown as Libc;
}

function bind(koffi: Koffi, library: ReturnType<Koffi['load']>, name: Name): HostFunction | null {
  try {
    const call = library.func(DECLARATIONS[name]);
    return (...args) => {
      const result = call(...args);
      return result === -1 || result === -1n ? -koffi.errno() : Number(result);
    };
  } catch {
    return null;
  }
}
