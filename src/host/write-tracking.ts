/**
 * Which pages were written since somebody looked: the kernel write-protects them, and lets each first write through by itself
 * (userfaultfd(2) with UFFD_FEATURE_WP_ASYNC, ioctl_pagemap_scan(2); Linux 6.7). Nothing has to answer for the page.
 */
import { type Libc, libc } from './libc.ts';
import { pagemap } from './pagemap.ts';

const PAGE_SIZE = 4096;
/** userfaultfd(2) by architecture: 323 of x86-64, 282 of the others. */
const SYS_USERFAULTFD = process.arch === 'x64' ? 323 : 282;
/** O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY: what users without privileges may have. */
const FLAGS = 0x80000 | 0x800 | 1;

const UFFDIO_API = 0xc018aa3f;
const UFFDIO_REGISTER = 0xc020aa00;
const UFFDIO_WRITEPROTECT = 0xc018aa06;
const UFFD_API = 0xaan;
const WP_ASYNC = 1n << 15n;
const REGISTER_MODE_WP = 2n;
const WRITEPROTECT_MODE_WP = 1n;

const PAGEMAP_SCAN = 0xc0606610;
const PAGE_IS_WRITTEN = 2n;
/** struct page_region: start, end, categories. */
const REGION = 24;
const REGIONS = 512;

/** A range of addresses of this process. */
export type AddressRange = readonly [start: number, end: number];

export class WriteTracking {
  readonly #host: Libc;
  readonly #fd: number;
  readonly #regions = new Uint8Array(REGION * REGIONS);
  readonly #view = new DataView(this.#regions.buffer);
  readonly #vector: bigint;

  constructor(host: Libc, fd: number) {
    this.#host = host;
    this.#fd = fd;
    this.#vector = BigInt(host.address(this.#regions));
  }

  /** What was written since it was watched, and what is not watched. null: the host does not say. */
  written(address: number, length: number): AddressRange[] | null {
    const found: AddressRange[] = [];
    const end = address + length;
    for (let start = address; start < end; ) {
      const scan = words(96n, 0n, start, end, 0n, this.#vector, REGIONS, 0n, 0n, PAGE_IS_WRITTEN, 0n, PAGE_IS_WRITTEN);
      const count = this.#host.ioctl(pagemap(), PAGEMAP_SCAN, scan);
      if (count < 0) return null;
      for (let i = 0; i < count; i++) {
        found.push([
          Number(this.#view.getBigUint64(i * REGION, true)),
          Number(this.#view.getBigUint64(i * REGION + 8, true)),
        ]);
      }
      start = Number(new DataView(scan.buffer).getBigUint64(32, true));
    }
    return found;
  }

  /** From now on the next write of each of these pages is seen. false: not here, and they count as written. */
  watch(address: number, length: number): boolean {
    const registered = this.#host.ioctl(this.#fd, UFFDIO_REGISTER, words(address, length, REGISTER_MODE_WP, 0n));
    return registered >= 0 && this.#protect(address, length, WRITEPROTECT_MODE_WP);
  }

  /** They count as written again. */
  forget(address: number, length: number): void {
    this.#protect(address, length, 0n);
  }

  #protect(address: number, length: number, mode: bigint): boolean {
    return this.#host.ioctl(this.#fd, UFFDIO_WRITEPROTECT, words(address, length, mode)) >= 0;
  }
}

const words = (...values: readonly (number | bigint)[]): Uint8Array =>
  new Uint8Array(BigUint64Array.from(values, BigInt).buffer);

let tracking: WriteTracking | null | undefined;

/** null: this host cannot tell. */
export function writeTracking(): WriteTracking | null {
  tracking ??= open();
  return tracking;
}

function open(): WriteTracking | null {
  const host = libc();
  if (host === null || host.getpagesize() !== PAGE_SIZE || pagemap() < 0) return null;
  const fd = host.syscall(SYS_USERFAULTFD, FLAGS);
  if (fd < 0) return null;
  const opened = new WriteTracking(host, fd);
  if (host.ioctl(fd, UFFDIO_API, words(UFFD_API, WP_ASYNC, 0n)) >= 0 && works(host, opened)) return opened;
  host.close(fd);
  return null;
}

/** Tries it with two pages. */
function works(host: Libc, tracking: WriteTracking): boolean {
  const length = 2 * PAGE_SIZE;
  // PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS
  const address = host.mmap(0, length, 3, 0x22, -1, 0);
  if (address < 0) return false;
  const bytes = host.view(address, length);
  bytes.fill(1);
  const watched = tracking.watch(address, length) && tracking.written(address, length)?.length === 0;
  bytes[PAGE_SIZE] = 2;
  const [[start, end] = []] = tracking.written(address, length) ?? [];
  host.munmap(address, length);
  return watched && start === address + PAGE_SIZE && end === address + length;
}
