/**
 * Segment descriptors (SDM Vol. 3A, 3.4.5), and those in the GDT of a 64-bit Linux (arch/x86/include/asm/segment.h) that a
 * 32-bit program may use: flat code and data, the code of 64-bit programs, the task's TLS, and one whose limit is the number
 * of the CPU.
 */
export interface Descriptor {
  readonly low: number;
  readonly high: number;
}

export const USER32_CS = 0x23;
export const USER_DS = 0x2b;
export const USER_CS = 0x33;
/** GDT entry of the first of three TLS segments. */
export const TLS_FIRST = 12;
export const TLS_ENTRIES = 3;

/** The entries that are always the same. All that the kernel uses itself is as good as absent to user code. */
export const GDT: ReadonlyMap<number, Descriptor> = new Map([
  [4, { low: 0xffff, high: 0x00cf_fb00 }],
  [5, { low: 0xffff, high: 0x00cf_f300 }],
  [6, { low: 0xffff, high: 0x00af_fb00 }],
  [15, { low: 0, high: 0x0040_f500 }],
]);

/** Bits of the upper half. */
export const PRESENT = 0x8000;
const GRANULARITY = 0x80_0000;
/** B of data, D of code: 32 bits. */
const BIG = 0x40_0000;
const LONG_CODE = 0x20_0000;
const CLASS = 0x1800;
const CODE = 0x1800;
const DATA = 0x1000;
/** E of data: expands down; C of code: conforming. */
const DOWN_OR_CONFORMING = 0x400;
const WRITE_OR_READ = 0x200;

/** Unsigned. */
export const baseOf = ({ low, high }: Descriptor): number =>
  ((low >>> 16) | ((high & 0xff) << 16) | (high & 0xff00_0000)) >>> 0;

export function limitOf({ low, high }: Descriptor): number {
  const raw = (low & 0xffff) | (high & 0xf_0000);
  return (high & GRANULARITY ? (raw << 12) | 0xfff : raw) >>> 0;
}

export const isPresent = ({ high }: Descriptor): boolean => (high & PRESENT) !== 0;
export const privilegeOf = ({ high }: Descriptor): number => (high >> 13) & 3;
export const isBig = ({ high }: Descriptor): boolean => (high & BIG) !== 0;
export const isLong = ({ high }: Descriptor): boolean => (high & LONG_CODE) !== 0;
export const isCode = ({ high }: Descriptor): boolean => (high & CLASS) === CODE;
export const isData = ({ high }: Descriptor): boolean => (high & CLASS) === DATA;
export const isConforming = (d: Descriptor): boolean => isCode(d) && (d.high & DOWN_OR_CONFORMING) !== 0;
export const expandsDown = (d: Descriptor): boolean => isData(d) && (d.high & DOWN_OR_CONFORMING) !== 0;
export const isReadable = (d: Descriptor): boolean => isData(d) || (isCode(d) && (d.high & WRITE_OR_READ) !== 0);
export const isWritable = (d: Descriptor): boolean => isData(d) && (d.high & WRITE_OR_READ) !== 0;

/** Data of 4 GiB that may be written: accesses need no check, except across its end. */
export const isOpen = (d: Descriptor): boolean =>
  isPresent(d) && isWritable(d) && !expandsDown(d) && limitOf(d) === 0xffff_ffff;

/** What LAR shows of the upper half. */
export const RIGHTS = 0x00ff_ff00;
