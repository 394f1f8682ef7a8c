/** FSIN, FCOS, FSINCOS, FPTAN, FPATAN, F2XM1, FYL2X, FYL2XP1 (SDM Vol. 1, section 8.3.7). */
import type { Emitter } from '../emit/emitter.ts';
import { type Routine, routine } from '../emit/routine.ts';
import { f80Atan2 } from '../f80/atan.ts';
import { BIAS, C1, C2, IE, INTEGER_BIT, indefinite, isInfinite, outcome, SF } from '../f80/format.ts';
import { f80PowerOf2, f80YLog2X, f80YLog2X1 } from '../f80/log.ts';
import { f80Cos, f80Sin, f80Tan } from '../f80/trig.ts';
import type { Insn } from './insn.ts';
import { replaceAndPush } from './x87-arith.ts';
import { binary, flagsOf, isEmpty, physical, raise, readRegister, topRegister, unary, x87Insn } from './x87-stack.ts';

const note = 'within 1 ulp of the exact result; the bits may differ from a given processor';

function unaryInsn(name: string, row: string, compute: Routine, clear: number): Insn {
  const body = routine(`x87_${name}`, [], [], (e) => {
    unary(e, (sig, se) => e.call(compute, sig, se), clear);
    return [];
  });
  return x87Insn(name, [row], (e) => void e.call(body), { note });
}

/** ST(1) := f(ST(0), ST(1)), then pop. */
function binaryInsn(name: string, row: string, compute: Routine): Insn {
  const body = routine(`x87_${name}`, [], [], (e) => {
    binary(e, (operands) => e.call(compute, ...operands), 1);
    return [];
  });
  return x87Insn(name, [row], (e) => void e.call(body), { note });
}

/** ST(0) := lower, and push upper; an operand out of range stays alone, with C2. */
function pairInsn(
  name: string,
  row: string,
  compute: <V>(e: Emitter<V>, sig: V, se: V) => [readonly V[], readonly V[]],
): Insn {
  const body = routine(`x87_${name}`, [], [], (e) => {
    const st0 = topRegister(e);
    const lower = outcome(e),
      upper = outcome(e);
    const fault = (bits: number): void => {
      lower.set(indefinite(e, bits));
      upper.set(indefinite(e, bits));
    };
    e.if(
      isEmpty(e, st0),
      () => fault(IE | SF),
      () =>
        e.if(
          isEmpty(e, physical(e, e.const(7))),
          () => {
            const [below, above] = compute(e, ...readRegister(e, st0));
            lower.set(below);
            upper.set(above);
          },
          () => fault(IE | SF | C1),
        ),
    );
    // C1 tells of FSINCOS's cosine, which is pushed.
    const both = e.or(e.and(lower.word.get(), e.const(~(C1 << 16))), upper.word.get());
    const flags = flagsOf(e, both);
    e.if(
      e.and(flags, e.const(C2)),
      () => void raise(e, flags, e.const(C1 | C2)),
      () => replaceAndPush(e, lower.get(), upper.get(), flags, C1 | C2),
    );
    return [];
  });
  return x87Insn(name, [row], (e) => void e.call(body), { note });
}

export const transcendentalInsns: Insn[] = [
  unaryInsn('f2xm1', 'D9 F0', f80PowerOf2, C1),
  binaryInsn('fyl2x', 'D9 F1', f80YLog2X),
  pairInsn('fptan', 'D9 F2', (e, sig, se) => {
    const tangent = e.call(f80Tan, sig, se);
    // A NaN is pushed twice, else 1.
    const nan = isInfinite(e, tangent[1]);
    const one = e.select(nan, tangent[0], e.const64(INTEGER_BIT));
    const rounding = e.and(tangent[1], e.const(C1 << 16));
    return [tangent, [one, e.select(nan, tangent[1], e.or(e.const(BIAS), rounding))]];
  }),
  binaryInsn('fpatan', 'D9 F3', f80Atan2),
  binaryInsn('fyl2xp1', 'D9 F9', f80YLog2X1),
  pairInsn('fsincos', 'D9 FB', (e, sig, se) => [e.call(f80Sin, sig, se), e.call(f80Cos, sig, se)]),
  unaryInsn('fsin', 'D9 FE', f80Sin, C1 | C2),
  unaryInsn('fcos', 'D9 FF', f80Cos, C1 | C2),
];
