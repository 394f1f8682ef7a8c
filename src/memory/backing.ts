import type { Sleeper } from '../wait/wait.ts';

/** What a VMA maps: a file (src/vfs implements it), shared anonymous memory, or nothing (private anonymous). */
export interface Backing {
  /** Same object, same key: identifies shared pages and invalidates code through writable aliases. */
  readonly key: string;
  /** For /proc/pid/maps. */
  readonly path: string;
  readonly device: number;
  readonly inode: number;
  /** Reading may have to wait for another machine. */
  readonly sleeps?: boolean;
  /** Bytes of content now; pages wholly beyond give SIGBUS. */
  size(): number;
  /** Fills `into` from `offset`; what lies beyond the end is left as it is. Answers bytes read or a negative errno. */
  read(offset: number, into: Uint8Array): number;
  /** Writes shared pages back (msync, munmap, exit). Absent when the mapping cannot be written. */
  write?(offset: number, from: Uint8Array): number;
  /**
   * Fetches a range ahead where read() would have to sleep: 0, a negative errno or BLOCKED. Asked by calls that can still
   * sleep (mmap, execve); page faults cannot.
   */
  prefetch?(s: Sleeper, offset: number, length: number): number;
  /** Called when the first VMA that maps it appears and when the last has gone, so that the owner can keep the file open and its cached pages coherent with read and write. */
  mapped?(pages: SharedPages): void;
  unmapped?(): void;
}

/** The pages of one shared object, alike in every address space that maps them. */
export interface SharedPages {
  /** Copies bytes out of the pages that are resident, so that read(2) sees what mappings wrote; answers false where none is. */
  peek(offset: number, into: Uint8Array): boolean;
  /** Updates resident pages, so that mappings see what write(2) wrote. */
  poke(offset: number, from: Uint8Array): void;
  /** The object was truncated: pages beyond give SIGBUS from now on. */
  truncate(size: number): void;
}
