/** struct user_desc and the descriptors made of it (arch/x86/include/asm/desc.h, kernel/ldt.c, kernel/tls.c). */
import type { Descriptor } from '../cpu/segment/descriptor.ts';
import { PRESENT } from '../cpu/segment/descriptor.ts';

export interface UserDesc {
  base: number;
  limit: number;
  /** The bits of struct user_desc. */
  flags: number;
}

export const SEG_32BIT = 0x01;
export const CONTENTS_SHIFT = 1;
export const READ_EXEC_ONLY = 0x08;
export const LIMIT_IN_PAGES = 0x10;
export const SEG_NOT_PRESENT = 0x20;
export const USEABLE = 0x40;
const KNOWN = 0x7f;

/** Present or not, for user code, privilege 3, and accessed: nobody has to write that down later. */
const ALWAYS = 0x7100;

/** Contents 3: conforming code. */
export const contentsOf = ({ flags }: UserDesc): number => (flags >> CONTENTS_SHIFT) & 3;

/** LDT_empty(): read_exec_only and seg_not_present, and nothing else. */
export const isEmptyLdt = ({ base, limit, flags }: UserDesc): boolean =>
  base === 0 && limit === 0 && (flags & KNOWN) === (READ_EXEC_ONLY | SEG_NOT_PRESENT);

/** fill_ldt() */
export function descriptorOf(desc: UserDesc): Descriptor {
  const { base, limit, flags } = desc;
  const bit = (flag: number, to: number): number => (flags & flag ? to : 0);
  const type = (contentsOf(desc) << 10) | (flags & READ_EXEC_ONLY ? 0 : 0x200);
  const size = bit(USEABLE, 0x10_0000) | bit(SEG_32BIT, 0x40_0000) | bit(LIMIT_IN_PAGES, 0x80_0000);
  const present = flags & SEG_NOT_PRESENT ? 0 : PRESENT;
  return {
    low: (limit & 0xffff) | (base << 16),
    high: ((base >>> 16) & 0xff) | (base & 0xff00_0000) | (limit & 0xf_0000) | ALWAYS | type | size | present,
  };
}
