import { PAGE_SIZE, STACK_GUARD_GAP } from './page.ts';
import type { SharedObject } from './shared-object.ts';

/** What distinguishes one mapping from its neighbour. */
export interface VmaKind {
  /** PROT_READ | PROT_WRITE | PROT_EXEC. */
  readonly prot: number;
  /** MAP_SHARED. */
  readonly shared: boolean;
  /** Prot bits that mprotect may set: a shared mapping of a file that is open for reading only lacks PROT_WRITE. */
  readonly maxProt: number;
  /** The mapped object; null for private anonymous memory. */
  readonly object: SharedObject | null;
  /** A stack: extends downwards on a fault (MAP_GROWSDOWN). */
  readonly growsDown: boolean;
  readonly locked: boolean;
  /** Its pages get their content on use, so an access may fault and must be resumable. */
  readonly lazy: boolean;
  /** A private mapping of a file whose pages the guest may have changed: it is or was writable. */
  readonly copied: boolean;
  readonly noReserve: boolean;
  /** MADV_DONTFORK, MADV_WIPEONFORK, MADV_DONTDUMP. */
  readonly dontFork: boolean;
  readonly wipeOnFork: boolean;
  readonly dontDump: boolean;
}

export const PLAIN: VmaKind = {
  prot: 0,
  shared: false,
  maxProt: 7,
  object: null,
  growsDown: false,
  locked: false,
  lazy: false,
  copied: false,
  noReserve: false,
  dontFork: false,
  wipeOnFork: false,
  dontDump: false,
};

/** A range of pages that were mapped alike: Linux's vm_area_struct. Immutable; sets replace it. */
export interface Vma extends VmaKind {
  readonly start: number;
  readonly end: number;
  /** Of `start` within the object, bytes. */
  readonly offset: number;
}

/** The part of a VMA within [start, end). */
export function clip(vma: Vma, start: number, end: number): Vma {
  if (vma.start >= start && vma.end <= end) return vma;
  const from = Math.max(vma.start, start);
  return place(vma, from, Math.min(vma.end, end), vma.offset + (from - vma.start));
}

/** A VMA of this kind. Written out: a spread with overrides costs V8 a microsecond, and this is called all the time. */
export function place(kind: VmaKind, start: number, end: number, offset: number): Vma {
  const { prot, shared, maxProt, object, growsDown, locked, lazy, copied, noReserve, dontFork, wipeOnFork, dontDump } =
    kind;
  return {
    start,
    end,
    offset,
    prot,
    shared,
    maxProt,
    object,
    growsDown,
    locked,
    lazy,
    copied,
    noReserve,
    dontFork,
    wipeOnFork,
    dontDump,
  };
}

const KIND_KEYS = Object.keys(PLAIN) as (keyof VmaKind)[];

/** True when `next` continues `vma` so that one VMA can stand for both. */
export function continues(vma: Vma, next: Vma): boolean {
  if (vma.end !== next.start) return false;
  if (vma.object !== null && vma.offset + (vma.end - vma.start) !== next.offset) return false;
  return KIND_KEYS.every((key) => vma[key] === next[key]);
}

/** Where the VMA begins for whoever looks for a free place: a stack keeps a gap below. */
export function gapStart(vma: Vma): number {
  return vma.growsDown ? Math.max(0, vma.start - STACK_GUARD_GAP) : vma.start;
}

export const pages = (vma: Vma): number => (vma.end - vma.start) / PAGE_SIZE;

/** Linux counts private writable memory that is no stack as data (RLIMIT_DATA). */
export const isData = (vma: VmaKind): boolean => !vma.shared && (vma.prot & 2) !== 0 && !vma.growsDown;
