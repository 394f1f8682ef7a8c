/** A case and its answer have one layout, that of fixtures/native/cpu-oracle.c: 1 KiB each, in one array. */

export const CODE = 0x1000_0000;
export const CODE_SIZE = 0x2000;
export const ENTRY = CODE + 0x800;
export const INT3 = 0xcc;

/** A read-only page, then two writable ones; nothing before and after them. */
export const DATA = 0x2000_0000;
export const DATA_SIZE = 0x3000;
/** Bases of the three TLS segments, and their selectors (arch/x86/include/asm/segment.h). */
export const TLS_BASES = [DATA, DATA - 0xe000, 0] as const;
export const TLS_SELECTORS = [0x63, 0x6b, 0x73] as const;
export const USER_CS = 0x23;
export const USER_DS = 0x2b;
/**
 * The LDT, from entry 1 on, as struct user_desc: base, limit and its bits (1 32-bit, 2 expands down, 4 code, 8 read- or
 * execute-only, 0x10 limit in pages, 0x20 not present, 0x40 useable).
 */
export const LDT = [
  [DATA, 0x2fff, 0x41],
  [DATA, 0xfffff, 0x51],
  [DATA, 0xfff, 0x43],
  [DATA - 0x8000, 0x8fff, 0x02],
  [DATA, 0x20ff, 0x40],
  [DATA, 0x2fff, 0x49],
  [0, 0xfffff, 0x51],
  [DATA, 0x2fff, 0x61],
  [CODE, 0x1fff, 0x45],
  [CODE, 0x1fff, 0x4d],
  [CODE, 0x1fff, 0x44],
  [0, 0xfffff, 0x55],
  [CODE, 0x1fff, 0x67],
] as const;
export const LDT_SELECTORS = LDT.map((_, i) => ((i + 1) << 3) | 7);

/** The parts of the data that a case sets and an answer shows; elsewhere there is `pattern`. */
export const WINDOWS = [
  { from: 0x1000, to: 0x1080, at: 0 },
  { from: 0x1f80, to: 0x2080, at: 128 },
  { from: 0x2f80, to: 0x3000, at: 384 },
] as const;
export const WINDOWS_SIZE = 512;
export const GAPS = [
  { from: 0x1080, to: 0x1f80 },
  { from: 0x2080, to: 0x2f80 },
] as const;

/** Offsets in bytes. */
export const SLOT = {
  gpr: 0,
  eflags: 32,
  eip: 36,
  /** u16: es cs ss ds fs gs. */
  selectors: 40,
  codeAddress: 52,
  codeLength: 56,
  /** 1: the code is that of the slot before. */
  isSameCode: 60,
  code: 64,
  /** FXSAVE image: control, status, tags, opcode, ip, data pointer, mxcsr; st from 32, xmm from 160. */
  fx: 128,
  st: 160,
  xmm: 288,
  windows: 416,
  /** What an answer has besides: siginfo, the frame's trapno, err and cr2, a hash of what changed between the windows. */
  signo: 928,
  siCode: 932,
  siAddr: 936,
  trapno: 940,
  error: 944,
  cr2: 948,
  outside: 952,
} as const;
export const SLOT_SIZE = 1024;
export const CODE_MAX = 64;

/** Many slots, and every way to look at them. */
export class Slots {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly count: number;

  constructor(count: number) {
    const buffer = new ArrayBuffer(count * SLOT_SIZE);
    this.count = count;
    this.u8 = new Uint8Array(buffer);
    this.u16 = new Uint16Array(buffer);
    this.u32 = new Uint32Array(buffer);
  }

  /** A field of slot `i` as u32. */
  get(i: number, offset: number): number {
    return this.u32[(i * SLOT_SIZE + offset) >> 2];
  }
  set(i: number, offset: number, value: number): void {
    this.u32[(i * SLOT_SIZE + offset) >> 2] = value;
  }
  bytes(i: number, offset: number, length: number): Uint8Array {
    const at = i * SLOT_SIZE + offset;
    return this.u8.subarray(at, at + length);
  }
  copy(i: number, from: Slots, j: number): void {
    this.u8.set(from.bytes(j, 0, SLOT_SIZE), i * SLOT_SIZE);
  }
}

/** What the data pages hold where nothing else is said. */
export const pattern = Uint8Array.from({ length: DATA_SIZE }, (_, i) => Math.imul(i, 0x9e3779b1) >>> 24);

/** Where an offset into the data lies in the windows, or -1. */
export function windowOffset(offset: number): number {
  for (const { from, to, at } of WINDOWS) if (offset >= from && offset < to) return offset - from + at;
  return -1;
}
