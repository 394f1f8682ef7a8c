/** FADD, FSUB, FMUL, FDIV and their forms; FSQRT, FABS, FCHS, FRNDINT, FSCALE, FPREM, FXTRACT. */
import type { Emitter } from '../emit/emitter.ts';
import { type Routine, routine } from '../emit/routine.ts';
import { f80Add } from '../f80/add.ts';
import { widenF32, widenF64 } from '../f80/convert-float.ts';
import { f80FromInt, f80RoundToInt } from '../f80/convert-int.ts';
import { f80Div, f80Sqrt } from '../f80/div.ts';
import {
  C0,
  C1,
  C2,
  C3,
  DE,
  EXPONENT,
  IE,
  indefinite,
  isNanOrUnsupported,
  outcome,
  SF,
  SIGN,
  ZE,
} from '../f80/format.ts';
import { f80Mul } from '../f80/mul.ts';
import { f80Extract, f80Prem, f80Prem1, f80Scale } from '../f80/remainder.ts';
import { STATE } from '../state.ts';
import type { Insn } from './insn.ts';
import {
  BEFORE,
  binary,
  finish,
  flagsOf,
  isEmpty,
  physical,
  raise,
  readRegister,
  unary,
  writeRegister,
  x87Insn,
} from './x87-stack.ts';

type Operation = <V>(e: Emitter<V>, aSig: V, aSe: V, bSig: V, bSe: V) => readonly V[];

/** ST(d) := ST(d) op ST(s), then pops. */
function registerForm(name: string, op: Operation): Routine {
  return routine(`x87_${name}_st`, ['i32', 'i32', 'i32'], [], (e, d, s, pops) => {
    const to = physical(e, d),
      from = physical(e, s);
    const out = outcome(e);
    e.if(
      e.or(isEmpty(e, to), isEmpty(e, from)),
      () => out.set(indefinite(e, IE | SF)),
      () => out.set(op(e, ...readRegister(e, to), ...readRegister(e, from))),
    );
    finish(e, to, out.get(), pops);
    return [];
  });
}

/** ST(0) := ST(0) op what `widen` makes of the memory operand. */
function memoryForm(name: string, op: Operation, widen: <V>(e: Emitter<V>, bits: V) => readonly V[]): Routine {
  return routine(`x87_${name}`, ['i64'], [], (e, bits) => {
    const top = e.state(STATE.fpuTop);
    const out = outcome(e);
    e.if(
      isEmpty(e, top),
      () => out.set(indefinite(e, IE | SF)),
      () => {
        const [sig, word] = widen(e, bits);
        const [aSig, aSe] = readRegister(e, top);
        out.set(op(e, aSig, aSe, sig, e.and(word, e.const(0xffff))));
        // A denormal operand was normalized on its way in; a NaN or a zero divisor takes precedence over it.
        e.if(e.shrU(word, e.const(16)), () => {
          const other = e.or(e.and(out.word.get(), e.const(ZE << 16)), isNanOrUnsupported(e, aSig, aSe));
          e.if(e.eqz(other), () => out.word.set(e.or(out.word.get(), e.const(DE << 16))));
        });
      },
    );
    finish(e, top, out.get(), e.const(0));
    return [];
  });
}

const fromInt = <V>(e: Emitter<V>, value: V): readonly V[] => e.call(f80FromInt, value);

/**
 * One operation: D8 /digit (single, and ST0,STi), DC /digit (double), DA and DE /digit (integers), DC and DE with ST(i) as
 * destination, where the manual exchanges the digits of the reversed operations.
 */
function arithmetic(name: string, digit: number, toDigit: number, op: Operation): Insn[] {
  const st = registerForm(name, op);
  const single = memoryForm(`${name}_f32`, op, widenF32);
  const double = memoryForm(`${name}_f64`, op, widenF64);
  const integer = memoryForm(`${name}_int`, op, fromInt);
  const modrm = (d: number): string => (0xc0 + d * 8).toString(16).toUpperCase();
  return [
    x87Insn(name, [`D8 ${modrm(digit)}+i ST0,STi`, `DC ${modrm(toDigit)}+i STi,ST0`], (e, dst, src) => {
      e.call(st, e.load(dst), e.load(src), e.const(0));
    }),
    x87Insn(`${name}p`, [`DE ${modrm(toDigit)}+i STi,ST0`], (e, dst) => {
      e.call(st, e.load(dst), e.const(0), e.const(1));
    }),
    x87Insn(name, [`D8 /${digit}m Md`], (e, src) => {
      e.call(single, e.i64.extendU(e.load(src)));
    }),
    x87Insn(name, [`DC /${digit}m Mq`], (e, src) => {
      e.call(double, e.load(src));
    }),
    x87Insn(name.replace('f', 'fi'), [`DA /${digit}m Md`, `DE /${digit}m Mw`], (e, src) => {
      e.call(integer, e.i64.extendS(e.loadSigned(src)));
    }),
  ];
}

const reversed =
  (op: Operation): Operation =>
  (e, aSig, aSe, bSig, bSe) =>
    op(e, bSig, bSe, aSig, aSe);
const add: Operation = (e, ...operands) => f80Add(e, ...operands, 0);
const sub: Operation = (e, ...operands) => f80Add(e, ...operands, SIGN);
const div: Operation = (e, ...operands) => e.call(f80Div, ...operands);

/** FABS and FCHS touch the sign only, whatever the register holds. */
function signChange(name: string, row: string, change: <V>(e: Emitter<V>, se: V) => V): Insn {
  const body = routine(`x87_${name}`, [], [], (e) => {
    unary(e, (sig, se) => [sig, change(e, se)]);
    return [];
  });
  return x87Insn(name, [row], (e) => void e.call(body));
}

function unaryInsn(name: string, row: string, compute: Routine): Insn {
  const body = routine(`x87_${name}`, [], [], (e) => {
    unary(e, (sig, se) => e.call(compute, sig, se));
    return [];
  });
  return x87Insn(name, [row], (e) => void e.call(body));
}

function binaryInsn(name: string, row: string, compute: Routine, clear: number): Insn {
  const body = routine(`x87_${name}`, [], [], (e) => {
    binary(e, (operands) => e.call(compute, ...operands), 0, clear);
    return [];
  });
  return x87Insn(name, [row], (e) => void e.call(body));
}

/** Replaces ST(0) by one value and pushes another; both are the default NaN where the stack forbids it. */
export function replaceAndPush<V>(
  e: Emitter<V>,
  lower: readonly V[],
  upper: readonly V[],
  flags: V,
  clear: number = C1,
): void {
  const st0 = e.state(STATE.fpuTop);
  const above = physical(e, e.const(7));
  const unmasked = raise(e, flags, clear);
  e.if(e.eqz(e.and(unmasked, e.const(BEFORE))), () => {
    writeRegister(e, st0, lower[0], lower[1]);
    writeRegister(e, above, upper[0], upper[1]);
    e.setState(STATE.fpuTop, above);
  });
}

const fxtractBody = routine('x87_fxtract', [], [], (e) => {
  const st0 = e.state(STATE.fpuTop);
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
          const [exponent, exponentWord, sig, word] = e.call(f80Extract, ...readRegister(e, st0));
          lower.set([exponent, exponentWord]);
          upper.set([sig, word]);
        },
        () => fault(IE | SF | C1),
      ),
  );
  replaceAndPush(e, lower.get(), upper.get(), flagsOf(e, upper.word.get()));
  return [];
});

export const arithmeticInsns: Insn[] = [
  ...arithmetic('fadd', 0, 0, add),
  ...arithmetic('fmul', 1, 1, (e, ...operands) => f80Mul(e, ...operands)),
  ...arithmetic('fsub', 4, 5, sub),
  ...arithmetic('fsubr', 5, 4, reversed(sub)),
  ...arithmetic('fdiv', 6, 7, div),
  ...arithmetic('fdivr', 7, 6, reversed(div)),
  signChange('fchs', 'D9 E0', (e, se) => e.xor(se, e.const(SIGN))),
  signChange('fabs', 'D9 E1', (e, se) => e.and(se, e.const(EXPONENT))),
  unaryInsn('fsqrt', 'D9 FA', f80Sqrt),
  unaryInsn('frndint', 'D9 FC', f80RoundToInt),
  binaryInsn('fscale', 'D9 FD', f80Scale, C1),
  binaryInsn('fprem', 'D9 F8', f80Prem, C0 | C1 | C2 | C3),
  binaryInsn('fprem1', 'D9 F5', f80Prem1, C0 | C1 | C2 | C3),
  x87Insn('fxtract', ['D9 F4'], (e) => void e.call(fxtractBody)),
];
