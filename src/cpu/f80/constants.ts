/** Irrational constants to 192 bits and more, from their series, for the transcendental functions. */

const BITS = 256n;
const ONE = 1n << BITS;

/** Sum over k of sign**k / (2k + 1) / n**(2k + 1): atan(1/n) for sign -1, atanh(1/n) for 1. */
function inverseSeries(n: bigint, sign: bigint): bigint {
  let power = ONE / n,
    sum = 0n;
  for (let k = 0n; power !== 0n; k++) {
    sum += (k & 1n && sign < 0n ? -power : power) / (2n * k + 1n);
    power /= n * n;
  }
  return sum;
}

/** Machin's formula. */
const PI = 4n * (4n * inverseSeries(5n, -1n) - inverseSeries(239n, -1n));
export const LN2 = 2n * inverseSeries(3n, 1n);

/** value / 2**256 as a fixed-point number with `fraction` bits. */
export const fixed = (value: bigint, fraction: number): bigint => value >> (BITS - BigInt(fraction));
export const piFixed = (fraction: number): bigint => fixed(PI, fraction);

/** atan(numerator / denominator) for 0 <= ratio <= 1, with `fraction` bits. */
export function atanFixed(numerator: bigint, denominator: bigint, fraction: number): bigint {
  if (numerator === denominator) return piFixed(fraction) / 4n;
  // Twice atan(t / (1 + sqrt(1 + t**2))) converges well for every t.
  const x = (numerator * ONE) / denominator;
  const half = (x * ONE) / (ONE + squareRoot(ONE * ONE + x * x));
  const square = (half * half) / ONE;
  let power = half,
    sum = 0n;
  for (let k = 0n; power !== 0n; k++) {
    sum += (k & 1n ? -power : power) / (2n * k + 1n);
    power = (power * square) / ONE;
  }
  return fixed(2n * sum, fraction);
}

function squareRoot(n: bigint): bigint {
  let x = 1n << BigInt((n.toString(2).length + 1) >> 1);
  for (;;) {
    const next = (x + n / x) >> 1n;
    if (next >= x) return x;
    x = next;
  }
}

/** Coefficients scaled by 2**fraction, while they are not 0: computed when code is made of them. */
export function coefficients(fraction: number, count: number, term: (k: bigint) => bigint): () => readonly bigint[] {
  let made: readonly bigint[] | undefined;
  return () => {
    made ??= Array.from({ length: count }, (_, k) => fixed(term(BigInt(k)), fraction));
    return made;
  };
}

const factorial = (n: bigint): bigint => (n < 2n ? 1n : n * factorial(n - 1n));
export const inverseFactorial = (n: bigint): bigint => ONE / factorial(n);
export const inverse = (n: bigint): bigint => ONE / n;
/** 2 / ln 2 / n. */
export const doubleLog2e = (n: bigint): bigint => (2n * ONE * ONE) / (LN2 * n);
/** (ln 2)**n / n!. */
export function log2Power(n: bigint): bigint {
  let power = ONE;
  for (let i = 0n; i < n; i++) power = (power * LN2) / ONE;
  return power / factorial(n);
}
