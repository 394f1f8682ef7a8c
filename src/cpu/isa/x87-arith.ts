/** FADD, FSUB, FMUL, FDIV and their forms; FSQRT, FABS, FCHS, FRNDINT, FSCALE, FPREM, FXTRACT. */
import type { Emitter, GiveUp } from '../emit/emitter.ts';
import { type Routine, routine } from '../emit/routine.ts';
import { f80AddSlow, plainAdd } from '../f80/add.ts';
import { type Widening, widenF32, widenF64 } from '../f80/convert-float.ts';
import { f80RoundToInt, widenInt } from '../f80/convert-int.ts';
import { f80Div, f80Sqrt, plainDiv } from '../f80/div.ts';
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
  type Operands,
  outcome,
  type Parts,
  partsOf,
  SF,
  SIGN,
  ZE,
} from '../f80/format.ts';
import { f80MulSlow, plainMul } from '../f80/mul.ts';
import { f80Extract, f80Prem, f80Prem1, f80Scale } from '../f80/remainder.ts';
import { isPlain, type Plain } from '../f80/round.ts';
import type { Insn } from './insn.ts';
import {
  BEFORE,
  binary,
  DEFERRABLE,
  finish,
  flagsOf,
  isEmpty,
  physical,
  pop,
  raise,
  readRegister,
  topRegister,
  unary,
  writeRegister,
  x87Insn,
} from './x87-stack.ts';

/** An operation: of normal operands under plain control, and in general. */
interface Operation {
  readonly plain: <V>(e: Emitter<V>, giveUp: GiveUp<V>, a: Parts<V>, b: Parts<V>) => Plain<V>;
  readonly general: <V>(e: Emitter<V>, operands: Operands<V>) => readonly V[];
}

const normalAndUsed = <V>(e: Emitter<V>, register: V, value: readonly [V, V]): V =>
  e.select(isEmpty(e, register), e.const(0), e.fpu.isNormal(register, value));

/** A fast result goes to a register that was in use, and sets at most PE. */
function commitPlain<V>(e: Emitter<V>, register: V, { sig, se, lost, up }: Plain<V>, pops: number): void {
  e.fpu.replace(register, sig, se);
  e.fpu.round(lost, up);
  pop(e, pops);
}

/** ST(d) := ST(d) op ST(s), then pops. */
function registerForm(name: string, op: Operation, pops: number): <V>(e: Emitter<V>, d: V, s: V) => void {
  const slow = routine(`x87_${name}_st_slow`, ['i32', 'i32'], [], (e, to, from) => {
    const out = outcome(e);
    e.if(
      e.or(isEmpty(e, to), isEmpty(e, from)),
      () => out.set(indefinite(e, IE | SF)),
      () => out.set(op.general(e, [...readRegister(e, to), ...readRegister(e, from)])),
    );
    finish(e, to, out.get(), pops);
    return [];
  });
  return (e, d, s) => {
    const to = physical(e, d),
      from = physical(e, s);
    const a = readRegister(e, to),
      b = readRegister(e, from);
    const ready = e.and(normalAndUsed(e, to, a), normalAndUsed(e, from, b));
    e.if(
      e.and(isPlain(e), ready),
      (giveUp) => commitPlain(e, to, op.plain(e, giveUp, partsOf(e, a), partsOf(e, b)), pops),
      () => void e.call(slow, to, from),
    );
  };
}

/** ST(0) := ST(0) op what `widening` makes of the memory operand. */
function memoryForm(name: string, op: Operation, widening: Widening): <V>(e: Emitter<V>, bits: V) => void {
  const slow = routine(`x87_${name}_slow`, ['i64'], [], (e, bits) => {
    const top = topRegister(e);
    const out = outcome(e);
    e.if(
      isEmpty(e, top),
      () => out.set(indefinite(e, IE | SF)),
      () => {
        const [sig, word] = widening.any(e, bits);
        const [aSig, aSe] = readRegister(e, top);
        out.set(op.general(e, [aSig, aSe, sig, e.and(word, e.const(0xffff))]));
        // A denormal operand was normalized on its way in; a NaN or a zero divisor takes precedence over it.
        e.if(flagsOf(e, word), () => {
          const other = e.or(e.and(out.word.get(), e.const(ZE << 16)), isNanOrUnsupported(e, aSig, aSe));
          e.if(e.eqz(other), () => out.word.set(e.or(out.word.get(), e.const(DE << 16))));
        });
      },
    );
    finish(e, top, out.get(), 0);
    return [];
  });
  return (e, bits) => {
    const top = topRegister(e);
    const a = readRegister(e, top);
    const { normal, value } = widening.fast(e, bits);
    const isReady = normalAndUsed(e, top, a);
    e.if(
      e.and(isPlain(e), isReady),
      (giveUp) => {
        giveUp(e.eqz(normal));
        commitPlain(e, top, op.plain(e, giveUp, partsOf(e, a), value), 0);
      },
      () => void e.call(slow, bits),
    );
  };
}

/**
 * One operation: D8 /digit (single, and ST0,STi), DC /digit (double), DA and DE /digit (integers), DC and DE with ST(i) as
 * destination, where the manual exchanges the digits of the reversed operations.
 */
function arithmetic(name: string, digit: number, toDigit: number, op: Operation): Insn[] {
  const st = registerForm(name, op, 0),
    stPop = registerForm(`${name}p`, op, 1);
  const single = memoryForm(`${name}_f32`, op, widenF32);
  const double = memoryForm(`${name}_f64`, op, widenF64);
  const integer = memoryForm(`${name}_int`, op, widenInt);
  const modrm = (d: number): string => (0xc0 + d * 8).toString(16).toUpperCase();
  return [
    x87Insn(
      name,
      [`D8 ${modrm(digit)}+i ST0,STi`, `DC ${modrm(toDigit)}+i STi,ST0`],
      (e, dst, src) => st(e, e.load(dst), e.load(src)),
      DEFERRABLE,
    ),
    x87Insn(`${name}p`, [`DE ${modrm(toDigit)}+i STi,ST0`], (e, dst) => stPop(e, e.load(dst), e.const(0)), DEFERRABLE),
    x87Insn(name, [`D8 /${digit}m Md`], (e, src) => single(e, e.i64.extendU(e.load(src))), DEFERRABLE),
    x87Insn(name, [`DC /${digit}m Mq`], (e, src) => double(e, e.load(src)), DEFERRABLE),
    x87Insn(
      name.replace('f', 'fi'),
      [`DA /${digit}m Md`, `DE /${digit}m Mw`],
      (e, src) => integer(e, e.i64.extendS(e.loadSigned(src))),
      DEFERRABLE,
    ),
  ];
}

const reversed = ({ plain, general }: Operation): Operation => ({
  plain: (e, giveUp, a, b) => plain(e, giveUp, b, a),
  general: (e, [aSig, aSe, bSig, bSe]) => general(e, [bSig, bSe, aSig, aSe]),
});
const sum = (flip: number): Operation => ({
  plain: (e, giveUp, a, b) => plainAdd(e, giveUp, a, b, flip),
  general: (e, operands) => e.call(f80AddSlow, ...operands, e.const(flip)),
});
const add = sum(0);
const sub = sum(SIGN);
const mul: Operation = { plain: plainMul, general: (e, operands) => e.call(f80MulSlow, ...operands) };
const div: Operation = { plain: plainDiv, general: (e, operands) => e.call(f80Div, ...operands) };

const emptyOperand = routine('x87_empty', [], [], (e) => {
  finish(e, topRegister(e), indefinite(e, IE | SF), 0);
  return [];
});

/** FABS and FCHS touch the sign only, whatever the register holds. */
function signChange(name: string, row: string, change: <V>(e: Emitter<V>, se: V) => V): Insn {
  const body = <V>(e: Emitter<V>): void => {
    const register = topRegister(e);
    const [sig, se] = readRegister(e, register);
    const isNormal = e.fpu.isNormal(register, [sig, se]);
    e.if(
      e.eqz(isEmpty(e, register)),
      () => {
        writeRegister(e, register, sig, change(e, se), isNormal);
        e.fpu.clearRoundUp();
      },
      () => void e.call(emptyOperand),
    );
  };
  return x87Insn(name, [row], body, DEFERRABLE);
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
export function replaceAndPush<V>(e: Emitter<V>, lower: readonly V[], upper: readonly V[], flags: V, clear = C1): void {
  const st0 = topRegister(e);
  const above = physical(e, e.const(7));
  const unmasked = raise(e, flags, e.const(clear));
  e.if(e.eqz(e.and(unmasked, e.const(BEFORE))), () => {
    writeRegister(e, st0, lower[0], lower[1]);
    writeRegister(e, above, upper[0], upper[1]);
    e.fpu.turn(-1);
  });
}

const fxtractBody = routine('x87_fxtract', [], [], (e) => {
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
  ...arithmetic('fmul', 1, 1, mul),
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
