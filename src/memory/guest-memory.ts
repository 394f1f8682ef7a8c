import { HOST, type Libc, libc } from '../host/libc.ts';
import { copiedPages, residentPages } from '../host/pagemap.ts';
import { fileSizeIsLimited, maxMapCount, trapHandlerGuards } from '../host/trap-probe.ts';
import { type AddressRange, writeTracking } from '../host/write-tracking.ts';
import { HostLimitError } from './limits.ts';
import { allowed, PAGE_SIZE, W } from './page.ts';
import { HARDWARE_PLACE, SOFTWARE_PLACE, VM_PERMISSIONS, VM_SIZE } from './vm-layout.ts';

export type Protection = 'hardware' | 'software';

/**
 * The wasm memory that is one guest's address space, and the host's pages below it.
 *
 * The operations work on page-aligned ranges and know nothing of VMAs. They answer 0 or a negative errno.
 */
export interface GuestMemory {
  readonly protection: Protection;
  readonly memory: WebAssembly.Memory;
  /** All 4 GiB. TypeScript may touch only pages that it knows to be accessible: others kill Node in hardware mode. */
  readonly u8: Uint8Array;
  readonly words: DataView;
  readonly vm: Uint8Array;
  readonly vmIndex: number;
  readonly vmOffset: number;
  /** One byte per page, see page.ts. */
  readonly permissions: Uint8Array;
  /** Makes the host's protection of the range what guest protection `prot` needs. */
  protect(start: number, end: number, prot: number): number;
  /** Drops the content: zeros from now on, still accessible. */
  discard(start: number, end: number): number;
  /** Drops content and mappings of any kind: inaccessible zeros. */
  reset(start: number, end: number): number;
  /** Maps a memory file here, inaccessible still. Absent in software mode. */
  mapFile?(start: number, end: number, fd: number, offset: number, shared: boolean): number;
  /** One byte per page of a private mapping of a memory file: 1 where the guest wrote. null: unknown. */
  copied?(start: number, end: number): Uint8Array | null;
  /** One byte per page, bit 0: the host holds content for it. null: unknown. */
  resident(start: number, end: number): Uint8Array | null;
  /** Pages that were written since they were watched, or are not watched. null: the host does not say. */
  written(start: number, end: number): readonly AddressRange[] | null;
  /** Watches for the next write of each of these pages, where the host can. */
  watch(start: number, end: number): void;
  /** Copies pages, which must be accessible in both memories. */
  copyFrom(source: GuestMemory, start: number, end: number, at?: number): void;
  /** Moves pages without copying them and with their protection, leaving zeros. Absent, or negative: copy instead. */
  move?(start: number, end: number, to: number): number;
  /** Gives the memory back. All of it has been reset; nobody may use it any more. */
  release(): void;
}

const GIB = 2 ** 30;
const POOLED = 16;
const VM_OF_HARDWARE = HARDWARE_PLACE.vmIndex + HARDWARE_PLACE.vmOffset;
const VM_OF_SOFTWARE = SOFTWARE_PLACE.vmIndex + SOFTWARE_PLACE.vmOffset;

const pools: Record<Protection, GuestMemory[]> = { hardware: [], software: [] };
let hardwareWorks: boolean | undefined;

/** The protection that this host allows, or the one that TALLSHIP_PROTECTION names. */
export function defaultProtection(): Protection {
  const wanted = globalThis.process?.env?.TALLSHIP_PROTECTION;
  if (wanted === 'software') return 'software';
  return hardwareAvailable() ? 'hardware' : 'software';
}

/** Probes once whether the host's page protection can be the guest's. */
export function hardwareAvailable(): boolean {
  if (hardwareWorks !== undefined) return hardwareWorks;
  const host = libc();
  hardwareWorks = false;
  if (host === null || host.getpagesize() !== PAGE_SIZE || !host.has('memfd_create')) return false;
  const memory = createMemory();
  const u8 = new Uint8Array(memory.buffer);
  if (!trapHandlerGuards(host.address(u8)) || fileSizeIsLimited()) return false;
  hardwareWorks = true;
  hostMappings.budget = Math.floor(maxMapCount() * 0.9);
  pools.hardware.push(new HardwareMemory(host, memory, u8));
  return true;
}

/** Host mappings (vm.max_map_count) that guests use, by estimate, and may use. */
export const hostMappings = { used: 0, budget: 58000 };

/** A memory whose pages are all inaccessible and zero. */
export function acquireMemory(protection: Protection = defaultProtection()): GuestMemory {
  if (protection === 'hardware' && !hardwareAvailable()) {
    throw new HostLimitError('the host cannot protect guest pages: no koffi, no 4 KiB pages, or no wasm trap handler');
  }
  const pooled = pools[protection].pop();
  if (pooled !== undefined) return pooled;
  const memory = createMemory();
  const u8 = new Uint8Array(memory.buffer);
  return protection === 'hardware' ? new HardwareMemory(libc()!, memory, u8) : new SoftwareMemory(memory, u8);
}

/** Made small and grown: on newer V8 that is 100 times faster than making it at full size. */
function createMemory(): WebAssembly.Memory {
  try {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true });
    memory.grow(65535);
    return memory;
  } catch {
    throw new HostLimitError('cannot reserve 10 GiB of address space for a process: raise the limit (ulimit -v)');
  }
}

class HardwareMemory implements GuestMemory {
  readonly protection = 'hardware';
  readonly memory: WebAssembly.Memory;
  readonly u8: Uint8Array;
  readonly words: DataView;
  readonly vm: Uint8Array;
  readonly vmIndex = HARDWARE_PLACE.vmIndex;
  readonly vmOffset = HARDWARE_PLACE.vmOffset;
  readonly permissions: Uint8Array;
  readonly base: number;
  readonly #host: Libc;
  #watched = false;

  constructor(host: Libc, memory: WebAssembly.Memory, u8: Uint8Array) {
    this.#host = host;
    this.memory = memory;
    this.u8 = u8;
    this.words = new DataView(memory.buffer);
    this.base = host.address(u8);
    const vm = this.base + VM_OF_HARDWARE;
    const made = this.#map(this.base, 4 * GIB, 0) || this.#map(vm, VM_SIZE, HOST.PROT_READ | HOST.PROT_WRITE);
    if (made < 0) throw new HostLimitError(`the host refuses pages for a guest (mmap: errno ${-made})`);
    this.vm = host.view(vm, VM_SIZE);
    this.permissions = this.vm.subarray(VM_PERMISSIONS, VM_PERMISSIONS + 0x100000);
  }

  protect(start: number, end: number, prot: number): number {
    const allow = allowed(prot);
    const host = allow === 0 ? HOST.PROT_NONE : allow & W ? HOST.PROT_READ | HOST.PROT_WRITE : HOST.PROT_READ;
    return this.#host.mprotect(this.base + start, end - start, host);
  }

  discard(start: number, end: number): number {
    return this.#host.madvise(this.base + start, end - start, HOST.MADV_DONTNEED);
  }

  reset(start: number, end: number): number {
    return this.#map(this.base + start, end - start, HOST.PROT_NONE);
  }

  mapFile(start: number, end: number, fd: number, offset: number, shared: boolean): number {
    const flags = (shared ? HOST.MAP_SHARED : HOST.MAP_PRIVATE) | HOST.MAP_FIXED | HOST.MAP_NORESERVE;
    return Math.min(0, this.#host.mmap(this.base + start, end - start, HOST.PROT_NONE, flags, fd, offset));
  }

  copied(start: number, end: number): Uint8Array | null {
    return copiedPages(this.base + start, end - start);
  }

  resident(start: number, end: number): Uint8Array | null {
    return residentPages(this.base + start, end - start);
  }

  written(start: number, end: number): readonly AddressRange[] | null {
    return writtenPages(this.base, start, end);
  }

  watch(start: number, end: number): void {
    this.#watched = writeTracking()?.watch(this.base + start, end - start) === true || this.#watched;
  }

  copyFrom(source: GuestMemory, start: number, end: number, at = start): void {
    const from = source instanceof HardwareMemory ? source.base : this.#host.address(source.u8);
    this.#host.memcpy(this.base + at, from + start, end - start);
  }

  move(start: number, end: number, to: number): number {
    const length = end - start;
    // Before Linux 6.13 the protection moves along, and nobody would hear of a write.
    if (this.#watched) writeTracking()?.forget(this.base + start, length);
    return Math.min(0, this.#host.mremap(this.base + start, length, length, HOST.MREMAP_MOVE, this.base + to));
  }

  release(): void {
    if (pools.hardware.length >= POOLED) return;
    this.#host.madvise(this.base + VM_OF_HARDWARE, VM_SIZE, HOST.MADV_DONTNEED);
    pools.hardware.push(this);
  }

  #map(address: number, length: number, prot: number): number {
    const flags = HOST.MAP_PRIVATE | HOST.MAP_ANONYMOUS | HOST.MAP_FIXED | HOST.MAP_NORESERVE;
    return Math.min(0, this.#host.mmap(address, length, prot, flags, -1, 0));
  }
}

/**
 * Protection by the permission bytes alone, which the CPU checks at each access. Needs nothing of the host, but asks it
 * which pages were touched and gives them back where it can be asked.
 */
class SoftwareMemory implements GuestMemory {
  readonly protection = 'software';
  readonly memory: WebAssembly.Memory;
  readonly u8: Uint8Array;
  readonly words: DataView;
  readonly vm: Uint8Array;
  readonly vmIndex = SOFTWARE_PLACE.vmIndex;
  readonly vmOffset = SOFTWARE_PLACE.vmOffset;
  readonly permissions: Uint8Array;
  readonly #host: Libc | null;
  readonly #base: number;

  constructor(memory: WebAssembly.Memory, u8: Uint8Array) {
    this.memory = memory;
    this.u8 = u8;
    this.words = new DataView(memory.buffer);
    this.vm = u8.subarray(VM_OF_SOFTWARE, VM_OF_SOFTWARE + VM_SIZE);
    this.permissions = this.vm.subarray(VM_PERMISSIONS, VM_PERMISSIONS + 0x100000);
    const host = libc();
    this.#host = host !== null && host.getpagesize() === PAGE_SIZE ? host : null;
    this.#base = this.#host?.address(u8) ?? 0;
  }

  protect(): number {
    return 0;
  }

  discard(start: number, end: number): number {
    if (this.#host !== null) return this.#host.madvise(this.#base + start, end - start, HOST.MADV_DONTNEED);
    // Reading an untouched page costs no memory, writing zeros to it does.
    for (let page = start; page < end; page += PAGE_SIZE) {
      if (!isZero(this.memory, page)) this.u8.fill(0, page, page + PAGE_SIZE);
    }
    return 0;
  }

  reset(start: number, end: number): number {
    return this.discard(start, end);
  }

  resident(start: number, end: number): Uint8Array | null {
    return this.#host === null ? null : residentPages(this.#base + start, end - start);
  }

  written(start: number, end: number): readonly AddressRange[] | null {
    return this.#host === null ? null : writtenPages(this.#base, start, end);
  }

  watch(start: number, end: number): void {
    if (this.#host !== null) writeTracking()?.watch(this.#base + start, end - start);
  }

  copyFrom(source: GuestMemory, start: number, end: number, at = start): void {
    for (let page = start; page < end; page += PAGE_SIZE) {
      if (!isZero(source.memory, page)) {
        this.u8.set(source.u8.subarray(page, page + PAGE_SIZE), at + (page - start));
      }
    }
  }

  release(): void {
    if (pools.software.length >= POOLED) return;
    this.discard(VM_OF_SOFTWARE, VM_OF_SOFTWARE + VM_SIZE);
    pools.software.push(this);
  }
}

function writtenPages(base: number, start: number, end: number): readonly AddressRange[] | null {
  const written = writeTracking()?.written(base + start, end - start) ?? null;
  return written?.map(([from, to]) => [from - base, to - base] as const) ?? null;
}

function isZero(memory: WebAssembly.Memory, page: number): boolean {
  const words = new Int32Array(memory.buffer, page, PAGE_SIZE / 4);
  for (let i = 0; i < words.length; i++) if (words[i] !== 0) return false;
  return true;
}

/** Calls `visit` for each maximal range of pages whose permission bytes are equal under `mask`. */
export function forEachRun(
  permissions: Uint8Array,
  start: number,
  end: number,
  mask: number,
  visit: (start: number, end: number, value: number) => void,
): void {
  const last = end / PAGE_SIZE;
  let first = start / PAGE_SIZE;
  while (first < last) {
    const value = permissions[first] & mask;
    let next = first + 1;
    while (next < last && (permissions[next] & mask) === value) next++;
    visit(first * PAGE_SIZE, next * PAGE_SIZE, value);
    first = next;
  }
}
