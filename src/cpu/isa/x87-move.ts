/** FLD, FST, FILD, FIST, FBLD, FBSTP, FXCH, FCMOVcc and the constants. */
import type { Emitter, Operand, Size } from '../emit/emitter.ts';
import { type Routine, routine } from '../emit/routine.ts';
import { type Narrowing, narrowF32, narrowF64, type Widening, widenF32, widenF64 } from '../f80/convert-float.ts';
import { f80FromDecimal, f80ToDecimal, f80ToInt, widenInt } from '../f80/convert-int.ts';
import {
  C1,
  choose,
  IE,
  INTEGER_BIT,
  indefinite,
  isSignaling,
  joined,
  OE,
  outcome,
  PE,
  QUIET_BIT,
  roundingOf,
  SF,
  UE,
} from '../f80/format.ts';
import { STATE } from '../state.ts';
import type { Insn } from './insn.ts';
import {
  addFlags,
  DEFERRABLE,
  finish,
  isEmpty,
  physical,
  pop,
  push,
  pushIf,
  raise,
  readRegister,
  topRegister,
  writeRegister,
  x87Insn,
  x87Push,
} from './x87-stack.ts';

/** FLD m32, m64: normal numbers in place, so frequent it is; a signaling NaN becomes quiet on the way. */
function loadFloat(row: string, widening: Widening): Insn {
  const slow = routine(`x87_${row}`, ['i64'], [], (e, bits) => {
    const [sig, word] = widening.any(e, bits);
    const signaling = isSignaling(e, sig, word);
    const quiet = e.i64.or(sig, e.select(signaling, e.const64(QUIET_BIT), e.const64(0n)));
    push(e, [quiet, e.or(word, e.shl(signaling, e.const(16)))]);
    return [];
  });
  return x87Insn(
    'fld',
    [row],
    (e, src) => {
      const bits = src.size === 8 ? e.load(src) : e.i64.extendU(e.load(src));
      const { normal, value } = widening.fast(e, bits);
      pushIf(e, normal, [value.sig, joined(e, value)], () => void e.call(slow, bits), e.const(1));
    },
    DEFERRABLE,
  );
}

const loadInt = routine('x87_fild', ['i64'], [], (e, value) => {
  push(e, widenInt.any(e, value));
  return [];
});

/** (physical register), which may be empty. */
const loadAnyRegister = routine('x87_fld_st', ['i32'], [], (e, register) => {
  const out = outcome(e);
  e.if(
    isEmpty(e, register),
    () => out.set(indefinite(e, IE | SF)),
    () => out.set(readRegister(e, register)),
  );
  push(e, out.get());
  return [];
});

/** FLD STi: the register as it is. */
function loadRegister<V>(e: Emitter<V>, i: V): void {
  const register = physical(e, i);
  const value = readRegister(e, register);
  const isUsed = e.eqz(isEmpty(e, register));
  pushIf(e, isUsed, value, () => void e.call(loadAnyRegister, register), e.fpu.isNormal(register, value));
}

/** Top bits of a store's status bits: an unmasked exception is due, and it forbids the store. */
const DUE = 1 << 30;
const FORBIDDEN = 1 << 31;

function withUnmasked<V>(e: Emitter<V>, flags: V): V {
  const unmasked = e.and(flags, e.xor(e.and(e.state(STATE.fpuControl), e.const(0x3f)), e.const(0x3f)));
  const forbids = e.and(unmasked, e.const(IE | OE | UE));
  const top = e.select(forbids, e.const(DUE | FORBIDDEN), e.const(DUE));
  return e.or(flags, e.select(unmasked, top, e.const(0)));
}

/** Status bits of a store, and the pop that follows it. */
const storedSlow = [0, 1].map((pops) =>
  routine(`x87_stored_${pops}`, ['i32'], [], (e, flags) => {
    const done = e.geS(flags, e.const(0));
    raise(e, e.and(flags, e.select(done, e.const(0xffff), e.const(0xffff & ~(PE | C1)))));
    e.if(done, () => pop(e, pops));
    return [];
  }),
);

function stored<V>(e: Emitter<V>, flags: V, pops: number): void {
  e.if(
    e.eqz(e.and(flags, e.const(DUE))),
    () => {
      addFlags(e, flags);
      pop(e, pops);
    },
    () => void e.call(storedSlow[pops], flags),
  );
}

/** ST(0) converted for memory: value and status bits; `whenEmpty` is the indefinite of the format. */
function narrowed<V>(e: Emitter<V>, whenEmpty: V, convert: (sig: V, se: V) => readonly V[]): V[] {
  const value = e.variable('i64', whenEmpty),
    flags = e.variable('i32', e.const(IE | SF));
  const register = topRegister(e);
  e.if(e.eqz(isEmpty(e, register)), () => {
    const [bits, raised] = convert(...readRegister(e, register));
    value.set(bits);
    flags.set(raised);
  });
  return [value.get(), withUnmasked(e, flags.get())];
}

/** FST m32, m64. */
function storeFloat(name: string, narrowing: Narrowing, whenEmpty: bigint): Routine {
  const slow = routine(`${name}_slow`, [], ['i64', 'i32'], (e) =>
    narrowed(e, e.const64(whenEmpty), (sig, se) => e.call(narrowing.any, sig, se)),
  );
  return routine(name, [], ['i64', 'i32'], (e) => {
    const register = topRegister(e);
    const out = outcome(e);
    const { ready, bits, flags } = narrowing.fast(e, ...readRegister(e, register));
    e.if(
      e.and(ready, e.eqz(isEmpty(e, register))),
      () => out.set([bits, flags]),
      () => out.set(e.call(slow)),
    );
    return out.get();
  });
}
const storeF32 = storeFloat('x87_fst_f32', narrowF32, 0xffc00000n);
const storeF64 = storeFloat('x87_fst_f64', narrowF64, 0xfff8n << 48n);

/** (rounding control, largest value). */
const storeInt = routine('x87_fist', ['i32', 'i64'], ['i64', 'i32'], (e, rc, limit) => {
  const smallest = e.i64.sub(e.const64(-1n), limit);
  return narrowed(e, smallest, (sig, se) => e.call(f80ToInt, sig, se, rc, limit));
});

/** A store to memory: value and flags from `convert`, then the access, then the commitment. */
function storeTo<V>(e: Emitter<V>, dst: Operand, [value, flags]: readonly V[], pops: number): void {
  e.if(e.geS(flags, e.const(0)), () => e.store(dst, dst.size === 8 ? value : e.i64.wrap(value)));
  stored(e, flags, pops);
}

function storeFloats(name: string, digit: number, pops: number): Insn[] {
  return [
    x87Insn(name, [`D9 /${digit}m Md`], (e, dst) => storeTo(e, dst, e.call(storeF32), pops)),
    x87Insn(name, [`DD /${digit}m Mq`], (e, dst) => storeTo(e, dst, e.call(storeF64), pops)),
  ];
}

const limitOf = (size: Size): bigint => (1n << BigInt(size * 8 - 1)) - 1n;
const TRUNCATE = 3;

/** FIST, FISTP by rounding control; FISTTP truncates. */
function storeInts(name: string, rows: readonly string[], pops: number, truncate: boolean): Insn {
  return x87Insn(
    name,
    rows,
    (e, dst) => {
      const rc = truncate ? e.const(TRUNCATE) : roundingOf(e, e.state(STATE.fpuControl));
      storeTo(e, dst, e.call(storeInt, rc, e.const64(limitOf(dst.size))), pops);
    },
    truncate ? { feature: 'sse3' } : {},
  );
}

/** Ten bytes, by whatever name: value (low 8 bytes, high 2), status bits. */
function storeTen<V>(e: Emitter<V>, dst: Operand, [low, high, flags]: readonly V[]): void {
  e.if(e.geS(flags, e.const(0)), () => {
    // Two writes: where the second one faults, processors have done the first.
    e.write64(e.operandAddress(dst), low);
    e.write(e.partAddress(dst, 8), high, 2);
  });
  stored(e, flags, 1);
}

const storeExtended = routine('x87_fst_f80', [], ['i64', 'i32', 'i32'], (e) => {
  const out = outcome(e);
  const register = topRegister(e);
  e.if(
    isEmpty(e, register),
    () => out.set(indefinite(e, IE | SF)),
    () => out.set(readRegister(e, register)),
  );
  const [sig, word] = out.get();
  return [sig, word, withUnmasked(e, e.shrU(word, e.const(16)))];
});

const storeDecimal = routine('x87_fbstp', [], ['i64', 'i32', 'i32'], (e) => {
  const register = topRegister(e);
  const low = e.variable('i64', e.const64(3n << 62n)),
    high = e.variable('i32', e.const(0xffff)),
    flags = e.variable('i32', e.const(IE | SF));
  e.if(e.eqz(isEmpty(e, register)), () => {
    const rc = roundingOf(e, e.state(STATE.fpuControl));
    const [l, h, f] = e.call(f80ToDecimal, ...readRegister(e, register), rc);
    low.set(l);
    high.set(h);
    flags.set(f);
  });
  return [low.get(), high.get(), withUnmasked(e, flags.get())];
});

/** (physical register) by how many to pop: FST with an empty ST(0). */
const storeEmpty = [0, 1].map((pops) =>
  routine(`x87_fst_empty_${pops}`, ['i32'], [], (e, to) => {
    finish(e, to, indefinite(e, IE | SF), pops);
    return [];
  }),
);

/** ST(i) := ST(0), bit for bit, then pops. */
function storeRegister<V>(e: Emitter<V>, i: V, pops: 0 | 1): void {
  const st0 = topRegister(e),
    to = physical(e, i);
  const value = readRegister(e, st0);
  const isNormal = e.fpu.isNormal(st0, value);
  e.if(
    e.eqz(isEmpty(e, st0)),
    () => {
      writeRegister(e, to, ...value, isNormal);
      e.fpu.clearRoundUp();
      pop(e, pops);
    },
    () => void e.call(storeEmpty[pops], to),
  );
}

/** The undocumented D9 D8: an empty ST(0) is popped without a fault. */
const storeRegisterQuiet = routine('x87_fstp_quiet', ['i32'], [], (e, i) => {
  const st0 = topRegister(e);
  e.if(e.eqz(isEmpty(e, st0)), () => writeRegister(e, physical(e, i), ...readRegister(e, st0)));
  raise(e, e.const(0));
  pop(e, 1);
  return [];
});

/** Empty registers count as the default NaN. */
function readOrIndefinite<V>(e: Emitter<V>, register: V): [V, V] {
  const empty = isEmpty(e, register);
  const [sig, se] = readRegister(e, register);
  const [nan, nanWord] = indefinite(e, 0);
  return [e.select(empty, nan, sig), e.select(empty, nanWord, se)];
}

function writeBoth<V>(e: Emitter<V>, [r, s]: readonly [V, V], a: readonly [V, V], b: readonly [V, V]): void {
  writeRegister(e, r, ...a);
  writeRegister(e, s, ...b);
}

/** (physical registers), at least one of them empty. */
const exchangeEmpty = routine('x87_fxch_empty', ['i32', 'i32'], [], (e, st0, other) => {
  const a = readOrIndefinite(e, st0),
    b = readOrIndefinite(e, other);
  const unmasked = raise(e, e.const(IE | SF));
  e.if(e.eqz(unmasked), () => writeBoth(e, [st0, other], b, a));
  return [];
});

function exchange<V>(e: Emitter<V>, i: V): void {
  const st0 = topRegister(e),
    other = physical(e, i);
  const a = readRegister(e, st0),
    b = readRegister(e, other);
  const isNormal = [e.fpu.isNormal(st0, a), e.fpu.isNormal(other, b)];
  e.if(
    e.eqz(e.or(isEmpty(e, st0), isEmpty(e, other))),
    () => {
      writeRegister(e, st0, ...b, isNormal[1]);
      writeRegister(e, other, ...a, isNormal[0]);
      e.fpu.clearRoundUp();
    },
    () => void e.call(exchangeEmpty, st0, other),
  );
}

const moveIf = routine('x87_fcmov', ['i32', 'i32'], [], (e, condition, i) => {
  const st0 = topRegister(e),
    other = physical(e, i);
  const empty = e.or(isEmpty(e, st0), isEmpty(e, other));
  const out = outcome(e);
  choose(
    e,
    [
      [empty, () => out.set(indefinite(e, 0))],
      [condition, () => out.set(readRegister(e, other))],
    ],
    () => out.set(readRegister(e, st0)),
  );
  const [sig, word] = out.get();
  const unmasked = e.variable('i32', e.const(0));
  e.if(empty, () => unmasked.set(raise(e, e.const(IE | SF))));
  e.if(e.eqz(unmasked.get()), () => writeRegister(e, st0, sig, word));
  return [];
});

function conditionalMove(name: string, row: string, code: number): Insn {
  return x87Insn(name, [row], (e, _dst, src) => void e.call(moveIf, e.condition(code), e.load(src)), {
    feature: 'cmov',
  });
}

/** What a constant rounds to: its significand to nearest, and the change when rounding up or down and toward zero. */
function constant(name: string, row: string, se: number, nearest: bigint, down: bigint, up: bigint): Insn {
  return x87Insn(name, [row], (e) => {
    const rc = roundingOf(e, e.state(STATE.fpuControl));
    const other = e.select(e.eq(rc, e.const(2)), e.const64(up), e.const64(down));
    e.call(x87Push, e.select(rc, other, e.const64(nearest)), e.const(se));
  });
}
const exactly = (name: string, row: string, se: number, sig: bigint): Insn => constant(name, row, se, sig, sig, sig);

export const moveInsns: Insn[] = [
  loadFloat('D9 /0m Md', widenF32),
  loadFloat('DD /0m Mq', widenF64),
  x87Insn('fld', ['DB /5m Mt'], (e, src) => {
    const low = e.read64(e.operandAddress(src));
    e.call(x87Push, low, e.read(e.partAddress(src, 8), 2));
  }),
  x87Insn('fld', ['D9 C0+i STi'], (e, src) => loadRegister(e, e.load(src)), DEFERRABLE),
  x87Insn('fild', ['DF /0m Mw', 'DB /0m Md'], (e, src) => void e.call(loadInt, e.i64.extendS(e.loadSigned(src)))),
  x87Insn('fild', ['DF /5m Mq'], (e, src) => void e.call(loadInt, e.load(src))),
  x87Insn('fbld', ['DF /4m Mt'], (e, src) => {
    const low = e.read64(e.operandAddress(src));
    e.call(x87Push, ...e.call(f80FromDecimal, low, e.read(e.partAddress(src, 8), 2)));
  }),
  ...storeFloats('fst', 2, 0),
  ...storeFloats('fstp', 3, 1),
  storeInts('fist', ['DF /2m Mw', 'DB /2m Md'], 0, false),
  storeInts('fistp', ['DF /3m Mw', 'DB /3m Md', 'DF /7m Mq'], 1, false),
  storeInts('fisttp', ['DF /1m Mw', 'DB /1m Md', 'DD /1m Mq'], 1, true),
  x87Insn('fstp', ['DB /7m Mt'], (e, dst) => storeTen(e, dst, e.call(storeExtended))),
  x87Insn('fbstp', ['DF /6m Mt'], (e, dst) => storeTen(e, dst, e.call(storeDecimal))),
  x87Insn('fst', ['DD D0+i STi'], (e, dst) => storeRegister(e, e.load(dst), 0), DEFERRABLE),
  x87Insn('fstp', ['D9 D8+i STi'], (e, dst) => void e.call(storeRegisterQuiet, e.load(dst))),
  // DF D0 and DF D8 are undocumented names of the same.
  x87Insn(
    'fstp',
    ['DD D8+i STi', 'DF D0+i STi', 'DF D8+i STi'],
    (e, dst) => storeRegister(e, e.load(dst), 1),
    DEFERRABLE,
  ),
  x87Insn('fxch', ['D9 C8+i STi', 'DD C8+i STi', 'DF C8+i STi'], (e, other) => exchange(e, e.load(other)), DEFERRABLE),
  conditionalMove('fcmovb', 'DA C0+i ST0,STi', 2),
  conditionalMove('fcmove', 'DA C8+i ST0,STi', 4),
  conditionalMove('fcmovbe', 'DA D0+i ST0,STi', 6),
  conditionalMove('fcmovu', 'DA D8+i ST0,STi', 10),
  conditionalMove('fcmovnb', 'DB C0+i ST0,STi', 3),
  conditionalMove('fcmovne', 'DB C8+i ST0,STi', 5),
  conditionalMove('fcmovnbe', 'DB D0+i ST0,STi', 7),
  conditionalMove('fcmovnu', 'DB D8+i ST0,STi', 11),
  exactly('fld1', 'D9 E8', 0x3fff, INTEGER_BIT),
  constant('fldl2t', 'D9 E9', 0x4000, 0xd49a784bcd1b8afen, 0xd49a784bcd1b8afen, 0xd49a784bcd1b8affn),
  constant('fldl2e', 'D9 EA', 0x3fff, 0xb8aa3b295c17f0bcn, 0xb8aa3b295c17f0bbn, 0xb8aa3b295c17f0bcn),
  constant('fldpi', 'D9 EB', 0x4000, 0xc90fdaa22168c235n, 0xc90fdaa22168c234n, 0xc90fdaa22168c235n),
  constant('fldlg2', 'D9 EC', 0x3ffd, 0x9a209a84fbcff799n, 0x9a209a84fbcff798n, 0x9a209a84fbcff799n),
  constant('fldln2', 'D9 ED', 0x3ffe, 0xb17217f7d1cf79acn, 0xb17217f7d1cf79abn, 0xb17217f7d1cf79acn),
  exactly('fldz', 'D9 EE', 0, 0n),
];
