/** SSE3 (SDM Vol. 1, section 12.3). */
import type { Emitter } from '../emit/emitter.ts';
import { addFloat } from '../float/add.ts';
import type { Format } from '../float/format.ts';
import { BINARY32, BINARY64, signMask } from '../float/format.ts';
import { byLanes, vector } from '../float/vector.ts';
import type { Insn } from './insn.ts';
import { insn } from './insn.ts';
import { count, loadVector } from './simd.ts';
import type { Arithmetic } from './sse-arith.ts';
import { OPERATIONS, packedArithmetic } from './sse-arith.ts';

const sse3 = { feature: 'sse3' } as const;
const operation = (name: string): Arithmetic => OPERATIONS.find((op) => op.name === name)!;

/** Even lanes of two vectors side by side, or odd ones. */
function everyOther<V>(e: Emitter<V>, f: Format, a: V, b: V, odd: 0 | 1): V {
  const bytes = Array.from({ length: 16 / f.size }, (_, lane) => count((2 * lane + odd) * f.size, f.size));
  return e.v128.shuffle(a, b, bytes.flat());
}

function horizontal(name: string, op: Arithmetic, f: Format, row: string): Insn {
  const slow = byLanes(`${f.name}_${name}_lanes`, f, 2, (e, _lane, a, b) => op.slow(e, f, a, b));
  return insn(name, sse3, [row], (e, dst, src) => {
    const b = loadVector(e, src),
      a = e.load(dst);
    const even = everyOther(e, f, a, b, 0),
      odd = everyOther(e, f, a, b, 1);
    e.store(dst, packedArithmetic(e, op, f, slow, even, odd));
  });
}

/** Subtracts in even lanes, adds in odd ones. */
function alternating(name: string, f: Format, row: string): Insn {
  const alternate: Arithmetic = {
    ...operation('add'),
    vector(e, f, a, b) {
      const { add, sub } = vector(e, f);
      const bytes = Array.from({ length: 16 / f.size }, (_, lane) => count(lane * f.size + (lane % 2) * 16, f.size));
      return e.v128.shuffle(sub(a, b), add(a, b), bytes.flat());
    },
  };
  const slow = byLanes(`${f.name}_addsub_lanes`, f, 2, (e, lane, a, b) =>
    e.call(addFloat[f.name], a, b, e.const64(lane % 2 ? 0n : signMask(f))),
  );
  return insn(name, sse3, [row], (e, dst, src) => {
    const b = loadVector(e, src);
    e.store(dst, packedArithmetic(e, alternate, f, slow, e.load(dst), b));
  });
}

export const sse3Insns: readonly Insn[] = [
  alternating('addsubps', BINARY32, 'F2 0F D0 /r Vps,Wps'),
  alternating('addsubpd', BINARY64, '66 0F D0 /r Vpd,Wpd'),
  horizontal('haddps', operation('add'), BINARY32, 'F2 0F 7C /r Vps,Wps'),
  horizontal('haddpd', operation('add'), BINARY64, '66 0F 7C /r Vpd,Wpd'),
  horizontal('hsubps', operation('sub'), BINARY32, 'F2 0F 7D /r Vps,Wps'),
  horizontal('hsubpd', operation('sub'), BINARY64, '66 0F 7D /r Vpd,Wpd'),
  insn('movsldup', sse3, ['F3 0F 12 /r Vps,Wps'], (e, dst, src) => {
    const v = loadVector(e, src);
    e.store(dst, e.v128.shuffle(v, v, [0, 1, 2, 3, 0, 1, 2, 3, 8, 9, 10, 11, 8, 9, 10, 11]));
  }),
  insn('movshdup', sse3, ['F3 0F 16 /r Vps,Wps'], (e, dst, src) => {
    const v = loadVector(e, src);
    e.store(dst, e.v128.shuffle(v, v, [4, 5, 6, 7, 4, 5, 6, 7, 12, 13, 14, 15, 12, 13, 14, 15]));
  }),
  insn('movddup', sse3, ['F2 0F 12 /r Vpd,Wsd'], (e, dst, src) => e.store(dst, e.v128.i64x2Splat(e.loadLow(src, 8)))),
  insn('lddqu', sse3, ['F2 0F F0 /r Vdq,Mdq'], (e, dst, src) => e.store(dst, e.load(src))),
];
