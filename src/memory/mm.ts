import { ENOMEM } from '../abi/errno.ts';
import { type Access, type FaultAnswer, GuestAccess } from './access.ts';
import type { Backing } from './backing.ts';
import { brk } from './brk.ts';
import { resolveFault } from './fault.ts';
import { clear, establish } from './fill.ts';
import { force } from './force.ts';
import { copyInto } from './fork.ts';
import { acquireMemory, forEachRun, type GuestMemory, hostMappings, type Protection } from './guest-memory.ts';
import { layoutFor, type MmapLayout } from './layout.ts';
import { DEFAULT_LIMITS, HostLimitError, type MemoryLimits } from './limits.ts';
import { lockAll, lockRange } from './lock.ts';
import { madvise } from './madvise.ts';
import { type MapSource, mmap, munmap } from './map.ts';
import { mremap } from './mremap.ts';
import { PAGE_SIZE, PRESENT, PROT_WRITE, pageDown, pageUp, TASK_SIZE, X } from './page.ts';
import { mprotect } from './protect.ts';
import { type Mapper, type SharedObject, SharedObjects } from './shared-object.ts';
import { mincore, msync, residency } from './sync.ts';
import { PLAIN, place, type Vma } from './vma.ts';
import { VmaSet } from './vma-set.ts';

const STACK_AT_ONCE = 8 << 20;

export interface MmOptions {
  /** Absent: what the host allows, or TALLSHIP_PROTECTION. */
  readonly protection?: Protection;
  /** Unsigned 32-bit random numbers, for address space randomisation. Absent: no randomisation. */
  readonly random?: () => number;
  readonly limits?: MemoryLimits;
  /** The objects that this machine's address spaces share. */
  readonly objects?: SharedObjects;
}

/** One guest address space: Linux's mm_struct. It is also the CPU's memory (cpu/memory.ts). */
export class Mm extends GuestAccess implements Mapper {
  readonly guest: GuestMemory;
  readonly vmas = new VmaSet();
  readonly objects: SharedObjects;
  readonly random: (() => number) | undefined;
  limits: MemoryLimits;
  layout: MmapLayout;
  /** Called when instructions in the range may have changed or gone: whoever decoded them must forget them. */
  onInvalidate: ((start: number, end: number) => void) | null = null;
  /** Windows of lazy mappings that were filled: each may be a mapping of the host. */
  fills = 0;
  /** READ_IMPLIES_EXEC of the personality: what is readable is executable. */
  readImpliesExec = false;
  /** MCL_FUTURE: new mappings are locked. */
  lockFuture = false;

  /** Set by the loader, shown by /proc and changed by prctl(PR_SET_MM). */
  startCode = 0;
  endCode = 0;
  startData = 0;
  endData = 0;
  startBrk = 0;
  brkEnd = 0;
  startStack = 0;
  argStart = 0;
  argEnd = 0;
  envStart = 0;
  envEnd = 0;
  vdso = 0;
  auxv = new Uint32Array(0);
  /** modify_ldt(2): descriptors of eight bytes each, as far as there are any. */
  ldt: Uint8Array | null = null;
  /** The program's file: /proc/pid/exe. */
  exe: Backing | null = null;

  readonly #held = new Set<SharedObject>();
  #users = 1;
  #counted = 0;

  constructor(options: MmOptions = {}, guest: GuestMemory = acquireMemory(options.protection)) {
    super();
    this.guest = guest;
    this.random = options.random;
    this.limits = options.limits ?? DEFAULT_LIMITS;
    this.objects = options.objects ?? new SharedObjects();
    this.layout = layoutFor(this.limits.stack, this.random);
  }

  /** A new address space, or -ENOMEM where the host has none to give: for what a guest asks for. */
  static tryNew(options: MmOptions): Mm | number {
    try {
      return new Mm(options);
    } catch (error) {
      if (error instanceof HostLimitError) return -ENOMEM;
      throw error;
    }
  }

  get protection(): Protection {
    return this.guest.protection;
  }
  get memory(): WebAssembly.Memory {
    return this.guest.memory;
  }
  get vmIndex(): number {
    return this.guest.vmIndex;
  }
  get vmOffset(): number {
    return this.guest.vmOffset;
  }
  get vm(): Uint8Array {
    return this.guest.vm;
  }
  get u8(): Uint8Array {
    return this.guest.u8;
  }
  /**
   * True while some pages get their content on use, so that code which runs here must be able to resume after a fault, or
   * where a fault need not be SIGSEGV.
   */
  get resumable(): boolean {
    return this.vmas.lazy > 0 || this.vmas.hasHoles || this.limits.stack > STACK_AT_ONCE;
  }

  /** The stack of a new program below layout.stackTop; `prot` says whether it is executable. */
  createStack(prot: number): number {
    // Made at its full usual size: growing it by faults would cost a trap per page, and nobody else is placed there.
    const size = Math.min(pageDown(this.limits.stack), STACK_AT_ONCE);
    const end = this.layout.stackTop;
    return this.add(place({ ...PLAIN, prot, growsDown: true }, end - size, end, 0));
  }

  // --- system calls; see the files they come from

  mmap(address: number, length: number, prot: number, flags: number, source: MapSource | null = null): number {
    return mmap(this, address >>> 0, length >>> 0, prot, flags, source);
  }
  munmap(address: number, length: number): number {
    return munmap(this, address >>> 0, length >>> 0);
  }
  mprotect(address: number, length: number, prot: number): number {
    return mprotect(this, address >>> 0, length >>> 0, prot);
  }
  mremap(address: number, oldLength: number, newLength: number, flags: number, newAddress = 0): number {
    return mremap(this, address >>> 0, oldLength >>> 0, newLength >>> 0, flags, newAddress >>> 0);
  }
  brk(address: number): number {
    return brk(this, address >>> 0);
  }
  madvise(address: number, length: number, advice: number): number {
    return madvise(this, address >>> 0, length >>> 0, advice);
  }
  msync(address: number, length: number, flags: number): number {
    return msync(this, address >>> 0, length >>> 0, flags);
  }
  mincore(address: number, length: number, vector: number): number {
    return mincore(this, address >>> 0, length >>> 0, vector >>> 0);
  }
  mlock(address: number, length: number): number {
    return lockRange(this, address >>> 0, length >>> 0, true);
  }
  munlock(address: number, length: number): number {
    return lockRange(this, address >>> 0, length >>> 0, false);
  }
  /** mlockall(flags); 0 is munlockall. */
  mlockall(flags: number): number {
    return lockAll(this, flags);
  }

  // --- faults and access

  /** A page fault at `address`; `length` is that of the access, which may reach into the next page. */
  fault(address: number, access: Access, length = 1): FaultAnswer {
    return resolveFault(this, address >>> 0, access, length);
  }

  /** Like `accessible`, for instruction bytes. */
  executable(address: number, length: number): boolean {
    return this.firstBad(address, length, 'fetch') === (address >>> 0) + length;
  }

  invalidateCode(start: number, end: number): void {
    this.onInvalidate?.(start, end);
  }

  /** Writes regardless of protection, as the loader and ptrace do. 0, or -EFAULT where something is not mapped. */
  poke(address: number, bytes: Uint8Array): number {
    const start = address >>> 0;
    const end = start + bytes.length;
    const answer = force(this, start, bytes.length, () => this.u8.set(bytes, start));
    if (answer !== 0) return answer;
    this.vmas.update(pageDown(start), pageUp(end), (vma) => (vma.object === null ? vma : { ...vma, copied: true }));
    this.settle();
    this.invalidateExecutable(pageDown(start), pageUp(end));
    return 0;
  }

  /** Reads regardless of protection: ptrace, core dumps, checkpoints. 0 or -EFAULT. */
  peek(address: number, into: Uint8Array): number {
    const start = address >>> 0;
    return force(this, start, into.length, () => into.set(this.u8.subarray(start, start + into.length)));
  }

  /** Bytes of the VMA that the host holds content for: Rss of /proc/pid/smaps. */
  residentBytes(vma: Vma): number {
    return residency(this, vma).reduce((sum, byte) => sum + byte, 0) * PAGE_SIZE;
  }

  // --- the set of mappings; used by the files of this folder

  /** Adds a VMA on a range that is free and puts its pages in place. */
  add(vma: Vma): number {
    const failed = establish(this.guest, vma);
    if (failed < 0) {
      clear(this.guest, vma.start, vma.end);
      return failed;
    }
    this.vmas.insert(vma);
    this.settle();
    return 0;
  }

  /** Takes VMAs and pages of [start, end) away; answers 0 or a negative errno. */
  drop(start: number, end: number): number {
    const parts = this.vmas.within(start, end);
    if (parts.length === 0) return 0;
    for (const part of parts) if (part.shared) this.#writeBack(part);
    this.invalidateExecutable(start, end);
    for (let i = 0; i < parts.length; ) {
      let next = i + 1;
      while (next < parts.length && parts[next].start === parts[next - 1].end) next++;
      const failed = clear(this.guest, parts[i].start, parts[next - 1].end);
      if (failed < 0) return failed;
      i = next;
    }
    this.vmas.remove(start, end);
    this.settle();
    return 0;
  }

  /** After VMAs changed: holds exactly the objects that are mapped, and counts host mappings. */
  settle(): void {
    for (const object of this.vmas.touched) {
      const mapped = this.vmas.objects.get(object)! > 0;
      if (mapped && !this.#held.has(object)) {
        this.#held.add(object);
        object.retain(this);
      }
      if (mapped) continue;
      this.vmas.objects.delete(object);
      if (this.#held.delete(object)) object.release(this);
    }
    this.vmas.touched.clear();
    if (this.protection !== 'hardware') return;
    if (this.vmas.lazy === 0) this.fills = 0;
    const estimate = this.vmas.count === 0 ? 0 : 2 * (this.vmas.count + this.fills) + 8;
    hostMappings.used += estimate - this.#counted;
    this.#counted = estimate;
  }

  /** Tells whoever decoded instructions in the range, if there can be any. */
  invalidateExecutable(start: number, end: number): void {
    if (this.onInvalidate === null) return;
    const permissions = this.guest.permissions;
    for (let page = start / PAGE_SIZE; page < end / PAGE_SIZE; page++) {
      if (permissions[page] & X) {
        this.onInvalidate(start, end);
        return;
      }
    }
  }

  #writeBack(part: Vma): void {
    part.object!.owner?.flush(part.object!);
    if (part.prot & PROT_WRITE) part.object!.writeBack(part.offset, part.offset + (part.end - part.start));
  }

  // --- shared pages in software mode

  /** This address space runs now: its copies of shared pages become the truth. */
  activate(): void {
    for (const object of this.#held) this.own(object);
  }

  /** Takes over an object's pages from the address space that ran before. */
  own(object: SharedObject): void {
    if (object.owner === this) return;
    object.owner?.flush(object);
    object.owner = this.guest.mapFile === undefined ? this : null;
    if (object.owner === this) this.refresh(object, 0, Number.POSITIVE_INFINITY);
  }

  flush(object: SharedObject): void {
    if (this.guest.mapFile !== undefined) return;
    this.#eachShared(object, (vma, from, to) => {
      if (vma.prot & PROT_WRITE) object.store.write(vma.offset + (from - vma.start), this.u8.subarray(from, to));
    });
  }

  refresh(object: SharedObject, offset: number, length: number): void {
    if (this.guest.mapFile !== undefined) return;
    this.#eachShared(object, (vma, from, to) => {
      const start = Math.max(from, vma.start + offset - vma.offset);
      const end = Math.min(to, vma.start + offset + length - vma.offset);
      if (start < end) object.store.read(vma.offset + (start - vma.start), this.u8.subarray(start, end));
    });
  }

  #eachShared(object: SharedObject, visit: (vma: Vma, from: number, to: number) => void): void {
    for (const vma of this.vmas) {
      if (vma.object !== object || !vma.shared) continue;
      forEachRun(this.guest.permissions, vma.start, vma.end, PRESENT, (from, to, present) => {
        if (present) visit(vma, from, to);
      });
    }
  }

  truncated(object: SharedObject, size: number): void {
    for (const vma of this.vmas) {
      if (vma.object !== object) continue;
      const end = Math.max(vma.start, vma.start + pageUp(size) - vma.offset);
      if (end < vma.end) {
        this.vmas.isCut = true;
        this.#takeAway(vma, end);
      }
      if (vma.shared) this.refresh(object, pageDown(size), PAGE_SIZE);
    }
  }

  #takeAway(vma: Vma, start: number): void {
    this.invalidateExecutable(start, vma.end);
    if (this.guest.mapFile !== undefined) {
      this.guest.permissions.fill(0, start / PAGE_SIZE, vma.end / PAGE_SIZE);
      if (!vma.shared) this.guest.discard(start, vma.end);
      this.guest.protect(start, vma.end, 0);
    } else clear(this.guest, start, vma.end);
  }

  /** What /proc/pid/maps shows in the last column. */
  nameOf(vma: Vma): string {
    if (vma.object?.backing != null) return vma.object.backing.path;
    if (vma.object !== null) return '/dev/zero (deleted)';
    if (vma.start === this.vdso) return '[vdso]';
    if (vma.start < this.brkEnd && vma.end > this.startBrk) return '[heap]';
    return vma.start <= this.startStack && this.startStack < vma.end ? '[stack]' : '';
  }

  /** Where a futex word lives: equal for every address space that shares it. null for private memory. */
  sharedLocation(address: number): { key: string; offset: number } | null {
    const vma = this.vmas.find(address >>> 0);
    if (vma?.shared !== true || vma.object === null) return null;
    return { key: vma.object.key, offset: vma.offset + ((address >>> 0) - vma.start) };
  }

  // --- life

  /** A copy for a new process, or a negative errno. */
  fork(): Mm | number {
    const tooMany = hostMappings.used + this.#counted > hostMappings.budget;
    return this.#forkAs(tooMany ? 'software' : this.protection);
  }

  #forkAs(protection: Protection): Mm | number {
    const { random, limits, objects } = this;
    const child = Mm.tryNew({ protection, random, limits, objects });
    if (typeof child === 'number') return child;
    const failed = copyInto(this, child);
    if (failed === 0) return child;
    child.release();
    return protection === 'hardware' ? this.#forkAs('software') : failed;
  }

  /** Tasks that use this address space. */
  get users(): number {
    return this.#users;
  }

  /** One more task uses this address space (CLONE_VM). */
  retain(): this {
    this.#users++;
    return this;
  }

  /** One user less; the last one gives the memory back. */
  release(): void {
    if (--this.#users > 0) return;
    // Nobody runs here any more.
    this.onInvalidate = null;
    this.drop(0, TASK_SIZE);
    this.guest.release();
  }
}
