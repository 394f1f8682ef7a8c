/** Where two answers differ. */
import type { Slots } from './slot.ts';
import { SLOT, SLOT_SIZE } from './slot.ts';

const SIGSYS = 31;
/** All but the fixed bits. */
export const EFLAGS = 0x0025_4fd5;

interface Field {
  readonly name: string;
  readonly offset: number;
  readonly mask: number;
}

const word = (name: string, offset: number, mask = -1): Field => ({ name, offset, mask });
const GPR = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi'];
const range = (name: string, offset: number, bytes: number): Field[] =>
  Array.from({ length: bytes / 4 }, (_, i) => word(`${name}+${(i * 4).toString(16)}`, offset + i * 4));

/** Selectors of the x87 pointers are what the processor at hand makes of them. */
const FIELDS: readonly Field[] = [
  ...GPR.map((name, i) => word(name, SLOT.gpr + 4 * i)),
  word('eflags', SLOT.eflags, EFLAGS),
  word('eip', SLOT.eip),
  word('es cs', SLOT.selectors),
  word('ss ds', SLOT.selectors + 4),
  word('fs gs', SLOT.selectors + 8),
  word('fpu control status', SLOT.fx),
  word('fpu tags', SLOT.fx + 4, 0xff),
  word('fpu opcode', SLOT.fx + 4, 0x07ff_0000),
  word('fpu ip', SLOT.fx + 8),
  word('fpu data', SLOT.fx + 16),
  word('mxcsr', SLOT.fx + 24),
  ...Array.from({ length: 8 }, (_, i) => [
    word(`st${i}`, SLOT.st + 16 * i),
    word(`st${i}+4`, SLOT.st + 16 * i + 4),
    word(`st${i}+8`, SLOT.st + 16 * i + 8, 0xffff),
  ]).flat(),
  ...Array.from({ length: 8 }, (_, i) => range(`xmm${i}`, SLOT.xmm + 16 * i, 16)).flat(),
  ...range('memory', SLOT.windows, 512),
  word('signal', SLOT.signo),
  word('outside', SLOT.outside),
];
const SIGNAL_FIELDS: readonly Field[] = [
  word('si_code', SLOT.siCode),
  word('si_addr', SLOT.siAddr),
  word('trapno', SLOT.trapno),
  word('err', SLOT.error),
];
const offsets = Int32Array.from(FIELDS, (f) => f.offset >> 2);
const masks = Int32Array.from(FIELDS, (f) => f.mask);

export function isEqual(a: Slots, i: number, b: Slots, j: number): boolean {
  const x = a.u32;
  const y = b.u32;
  const from = (i * SLOT_SIZE) >> 2;
  const to = (j * SLOT_SIZE) >> 2;
  for (let n = 0; n < offsets.length; n++) {
    if ((x[from + offsets[n]] ^ y[to + offsets[n]]) & masks[n]) return false;
  }
  if (a.get(i, SLOT.signo) === SIGSYS) return true;
  return SIGNAL_FIELDS.every((f) => a.get(i, f.offset) === b.get(j, f.offset));
}

export interface Difference {
  readonly field: string;
  readonly native: number;
  readonly tallship: number;
  readonly offset: number;
}

export function differences(native: Slots, i: number, tallship: Slots, j: number): Difference[] {
  const fields = native.get(i, SLOT.signo) === SIGSYS ? FIELDS : [...FIELDS, ...SIGNAL_FIELDS];
  return fields.flatMap(({ name, offset, mask }) => {
    const a = (native.get(i, offset) & mask) >>> 0;
    const b = (tallship.get(j, offset) & mask) >>> 0;
    return a === b ? [] : [{ field: name, native: a, tallship: b, offset }];
  });
}
