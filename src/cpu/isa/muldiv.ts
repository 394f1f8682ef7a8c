/** Multiplication and division (SDM Vol. 1, 7.3.2.4). */
import type { Emitter } from '../emit/emitter.ts';
import { Exit } from '../exit.ts';
import { EAX, EDX } from '../state.ts';
import { generalSize } from './arith.ts';
import { insn } from './insn.ts';

type Narrow = 1 | 2;

/** CF and OF are defined. As on Intel's processors, SF and PF are those of the low half, ZF and AF clear. */
function productFlags<V>(e: Emitter<V>, low: V, size: 1 | 2 | 4, overflow: V): void {
  const no = e.const(0);
  const byte = e.and(low, e.const(0xff));
  const pf = e.eqz(e.and(e.popcnt(byte), e.const(1)));
  const sf = e.and(e.shrU(low, e.const(size * 8 - 1)), e.const(1));
  e.flags.set({ cf: overflow, of: overflow, sf, pf, zf: no, af: no });
}

/** Writes a product's halves to AH:AL or DX:AX; value is the whole product in the low 16 or 32 bits. */
function setNarrowProduct<V>(e: Emitter<V>, product: V, size: Narrow): void {
  if (size === 1) {
    e.setRegister(EAX, product, 2);
    return;
  }
  e.setRegister(EAX, product, 2);
  e.setRegister(EDX, e.shrU(product, e.const(16)), 2);
}

/** SDM Vol. 2B, MUL: CF and OF say whether the upper half is in use; the other flags are undefined. */
export const mul = insn('mul', {}, ['F7 /4 Ev', 'F6 /4 Eb'], (e, src) => {
  const size = generalSize(src);
  const a = e.register(EAX, size);
  const b = e.load(src);
  if (size === 4) {
    const product = e.i64.mul(e.i64.extendU(a), e.i64.extendU(b));
    const low = e.i64.wrap(product);
    const high = e.i64.wrap(e.i64.shrU(product, e.const64(32n)));
    e.setRegister(EAX, low, 4);
    e.setRegister(EDX, high, 4);
    productFlags(e, low, 4, high);
    return;
  }
  const product = e.mul(a, b);
  setNarrowProduct(e, product, size);
  const high = e.shrU(product, e.const(size * 8));
  productFlags(e, product, size, high);
});

/** Signed product of two operands: its low part, and whether it did not fit. */
function signedProduct<V>(e: Emitter<V>, a: V, b: V, size: 2 | 4): { low: V; overflow: V } {
  if (size === 4) {
    const product = e.i64.mul(e.i64.extendS(a), e.i64.extendS(b));
    const low = e.i64.wrap(product);
    return { low, overflow: e.i64.ne(product, e.i64.extendS(low)) };
  }
  const product = e.mul(e.sext(a, size), e.sext(b, size));
  return { low: product, overflow: e.ne(product, e.sext(product, size)) };
}

/** SDM Vol. 2A, IMUL with one operand. */
export const imul1 = insn('imul', {}, ['F7 /5 Ev', 'F6 /5 Eb'], (e, src) => {
  const size = generalSize(src);
  const a = e.register(EAX, size);
  const b = e.load(src);
  if (size === 4) {
    const product = e.i64.mul(e.i64.extendS(a), e.i64.extendS(b));
    const low = e.i64.wrap(product);
    const overflow = e.i64.ne(product, e.i64.extendS(low));
    e.setRegister(EAX, low, 4);
    e.setRegister(EDX, e.i64.wrap(e.i64.shrU(product, e.const64(32n))), 4);
    productFlags(e, low, 4, overflow);
    return;
  }
  const product = e.mul(e.sext(a, size), e.sext(b, size));
  setNarrowProduct(e, product, size);
  const overflow = e.ne(product, e.sext(product, size));
  productFlags(e, product, size, overflow);
});

/** SDM Vol. 2A, IMUL with two and with three operands. */
export const imul = insn('imul', {}, ['0F AF /r Gv,Ev', '6B /r Gv,Ev,Ibs', '69 /r Gv,Ev,Iz'], (e, dst, src, factor) => {
  const size = dst.size as 2 | 4;
  const a = e.load(src);
  const b = e.load(factor ?? dst);
  const { low, overflow } = signedProduct(e, a, b, size);
  e.store(dst, low);
  productFlags(e, low, size, overflow);
});

const divideError = <V>(e: Emitter<V>, condition: V): void => e.if(condition, () => e.fault(Exit.divideError));

/** SDM Vol. 2A, DIV: #DE for a divisor of 0 or a quotient that does not fit. All flags are undefined. */
export const div = insn('div', {}, ['F7 /6 Ev', 'F6 /6 Eb'], (e, src) => {
  const size = generalSize(src);
  const divisor = e.load(src);
  divideError(e, e.eqz(divisor));
  if (size === 4) {
    const high = e.register(EDX, 4);
    divideError(e, e.geU(high, divisor));
    const dividend = e.i64.or(e.i64.shl(e.i64.extendU(high), e.const64(32n)), e.i64.extendU(e.register(EAX, 4)));
    const wide = e.i64.extendU(divisor);
    const quotient = e.i64.wrap(e.i64.divU(dividend, wide));
    const remainder = e.i64.wrap(e.i64.remU(dividend, wide));
    e.setRegister(EAX, quotient, 4);
    e.setRegister(EDX, remainder, 4);
    return;
  }
  const dividend = narrowDividend(e, size);
  const quotient = e.divU(dividend, divisor);
  divideError(e, e.shrU(quotient, e.const(size * 8)));
  setQuotient(e, quotient, e.remU(dividend, divisor), size);
});

function narrowDividend<V>(e: Emitter<V>, size: Narrow): V {
  const low = e.register(EAX, 2);
  return size === 1 ? low : e.or(e.shl(e.register(EDX, 2), e.const(16)), low);
}

function setQuotient<V>(e: Emitter<V>, quotient: V, remainder: V, size: Narrow): void {
  if (size === 1) e.setRegister(EAX, e.or(e.zext(quotient, 1), e.shl(remainder, e.const(8))), 2);
  else {
    e.setRegister(EAX, quotient, 2);
    e.setRegister(EDX, remainder, 2);
  }
}

/** SDM Vol. 2A, IDIV. */
export const idiv = insn('idiv', {}, ['F7 /7 Ev', 'F6 /7 Eb'], (e, src) => {
  const size = generalSize(src);
  const divisor = e.loadSigned(src);
  divideError(e, e.eqz(divisor));
  if (size === 4) {
    const high = e.i64.shl(e.i64.extendU(e.register(EDX, 4)), e.const64(32n));
    const dividend = e.i64.or(high, e.i64.extendU(e.register(EAX, 4)));
    // The one dividend whose division by -1 would trap in wasm has no quotient of 32 bits anyway.
    divideError(e, e.i64.eq(dividend, e.const64(-(2n ** 63n))));
    const wide = e.i64.extendS(divisor);
    const quotient = e.i64.divS(dividend, wide);
    const low = e.i64.wrap(quotient);
    divideError(e, e.i64.ne(quotient, e.i64.extendS(low)));
    const remainder = e.i64.wrap(e.i64.remS(dividend, wide));
    e.setRegister(EAX, low, 4);
    e.setRegister(EDX, remainder, 4);
    return;
  }
  const unsigned = narrowDividend(e, size);
  const dividend = e.sext(unsigned, size === 1 ? 2 : 4);
  divideError(e, e.eq(dividend, e.const(0x8000_0000 | 0)));
  const quotient = e.divS(dividend, divisor);
  divideError(e, e.ne(quotient, e.sext(quotient, size)));
  setQuotient(e, quotient, e.remS(dividend, divisor), size);
});

export const muldiv = [imul, mul, imul1, div, idiv];
