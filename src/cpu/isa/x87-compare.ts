/** FCOM, FUCOM, FCOMI, FTST, FXAM. */
import type { Emitter } from '../emit/emitter.ts';
import { type Routine, routine } from '../emit/routine.ts';
import { f80Compare, f80Examine } from '../f80/compare.ts';
import { type Widening, widenF32, widenF64 } from '../f80/convert-float.ts';
import { widenInt } from '../f80/convert-int.ts';
import { C0, C1, C2, C3, DE, IE, SF } from '../f80/format.ts';
import type { Insn } from './insn.ts';
import { BEFORE, flagsOf, isEmpty, physical, pop, raise, readRegister, topRegister, x87Insn } from './x87-stack.ts';

const CODES = C0 | C1 | C2 | C3;
const UNORDERED = C0 | C2 | C3;

/** (i, quiet) -> status bits of comparing ST(0) with ST(i). */
const compareRegisters = routine('x87_compare', ['i32', 'i32'], ['i32'], (e, i, quiet) => {
  const st0 = topRegister(e),
    other = physical(e, i);
  const status = e.variable('i32', e.const(UNORDERED | IE | SF));
  e.if(e.eqz(e.or(isEmpty(e, st0), isEmpty(e, other))), () => {
    status.set(e.call(f80Compare, ...readRegister(e, st0), ...readRegister(e, other), quiet)[0]);
  });
  return [status.get()];
});

/** Sets the condition codes unless an unmasked exception forbids it, and pops. */
function conclude<V>(e: Emitter<V>, status: V, pops: number): void {
  const unmasked = raise(e, status, e.const(CODES));
  e.if(e.eqz(e.and(unmasked, e.const(BEFORE))), () => pop(e, pops));
}

/** (i, quiet) by how many to pop. */
const fcom = [0, 1, 2].map((pops) =>
  routine(`x87_fcom_st_${pops}`, ['i32', 'i32'], [], (e, i, quiet) => {
    conclude(e, e.call(compareRegisters, i, quiet)[0], pops);
    return [];
  }),
);

/** FCOM with memory: what `widening` makes of the operand, by how many to pop. */
function compareMemory(name: string, widening: Widening): Routine[] {
  return [0, 1].map((pops) =>
    routine(`${name}_${pops}`, ['i64'], [], (e, bits) => {
      const st0 = topRegister(e);
      const status = e.variable('i32', e.const(UNORDERED | IE | SF));
      e.if(e.eqz(isEmpty(e, st0)), () => {
        const [sig, word] = widening.any(e, bits);
        const [result] = e.call(f80Compare, ...readRegister(e, st0), sig, e.and(word, e.const(0xffff)), e.const(0));
        // A denormal operand was normalized on its way in; a NaN takes precedence over it.
        const unordered = e.and(result, e.const(C2));
        const denormal = e.and(flagsOf(e, word), e.const(DE));
        status.set(e.or(result, e.select(unordered, e.const(0), denormal)));
      });
      conclude(e, status.get(), pops);
      return [];
    }),
  );
}
const fcomF32 = compareMemory('x87_fcom_f32', widenF32);
const fcomF64 = compareMemory('x87_fcom_f64', widenF64);
const fcomInt = compareMemory('x87_fcom_int', widenInt);

/** ZF PF CF := C3 C2 C0, the others 0; also where an unmasked exception is due. */
function compareToFlags(name: string, row: string, quiet: number, pops: number): Insn {
  return x87Insn(
    name,
    [row],
    (e, _st0, src) => {
      const [status] = e.call(compareRegisters, e.load(src), e.const(quiet));
      e.call(raiseCompare[pops], status);
      const none = e.const(0);
      const [cf, pf, zf] = [C0, C2, C3].map((bit) => e.and(status, e.const(bit)));
      e.flags.set({ cf, pf, zf, of: none, sf: none, af: none });
    },
    { feature: 'cmov' },
  );
}

/** Exceptions of FCOMI, and its pop. The condition codes stay as they are, but for C1 at a stack fault. */
const raiseCompare = [0, 1].map((pops) =>
  routine(`x87_fcomi_${pops}`, ['i32'], [], (e, status) => {
    const flags = e.and(status, e.const(0xff));
    const unmasked = raise(e, flags, e.select(e.and(flags, e.const(SF)), e.const(C1), e.const(0)));
    e.if(e.eqz(e.and(unmasked, e.const(BEFORE))), () => pop(e, pops));
    return [];
  }),
);

const ftst = routine('x87_ftst', [], [], (e) => {
  const st0 = topRegister(e);
  const status = e.variable('i32', e.const(UNORDERED | IE | SF));
  e.if(e.eqz(isEmpty(e, st0)), () => {
    status.set(e.call(f80Compare, ...readRegister(e, st0), e.const64(0n), e.const(0), e.const(0))[0]);
  });
  conclude(e, status.get(), 0);
  return [];
});

const fxam = routine('x87_fxam', [], [], (e) => {
  const st0 = topRegister(e);
  raise(e, e.call(f80Examine, ...readRegister(e, st0), isEmpty(e, st0))[0], e.const(CODES));
  return [];
});

function compareInsn(name: string, rows: readonly string[], quiet: number, pops: number): Insn {
  return x87Insn(name, rows, (e, src) => void e.call(fcom[pops], e.load(src), e.const(quiet)));
}

function compareForms(name: string, digit: number, pops: number): Insn[] {
  return [
    x87Insn(name, [`D8 /${digit}m Md`], (e, src) => {
      e.call(fcomF32[pops], e.i64.extendU(e.load(src)));
    }),
    x87Insn(name, [`DC /${digit}m Mq`], (e, src) => void e.call(fcomF64[pops], e.load(src))),
    x87Insn(name.replace('f', 'fi'), [`DA /${digit}m Md`, `DE /${digit}m Mw`], (e, src) => {
      e.call(fcomInt[pops], e.i64.extendS(e.loadSigned(src)));
    }),
  ];
}

export const compareInsns: Insn[] = [
  // DC D0, DC D8 and DE D0 are undocumented names of the same.
  compareInsn('fcom', ['D8 D0+i STi', 'DC D0+i STi'], 0, 0),
  compareInsn('fcomp', ['D8 D8+i STi', 'DC D8+i STi', 'DE D0+i STi'], 0, 1),
  ...compareForms('fcom', 2, 0),
  ...compareForms('fcomp', 3, 1),
  x87Insn('fcompp', ['DE D9'], (e) => void e.call(fcom[2], e.const(1), e.const(0))),
  compareInsn('fucom', ['DD E0+i STi'], 1, 0),
  compareInsn('fucomp', ['DD E8+i STi'], 1, 1),
  x87Insn('fucompp', ['DA E9'], (e) => void e.call(fcom[2], e.const(1), e.const(1))),
  compareToFlags('fcomi', 'DB F0+i ST0,STi', 0, 0),
  compareToFlags('fcomip', 'DF F0+i ST0,STi', 0, 1),
  compareToFlags('fucomi', 'DB E8+i ST0,STi', 1, 0),
  compareToFlags('fucomip', 'DF E8+i ST0,STi', 1, 1),
  x87Insn('ftst', ['D9 E4'], (e) => void e.call(ftst)),
  x87Insn('fxam', ['D9 E5'], (e) => void e.call(fxam)),
];
