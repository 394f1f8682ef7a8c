/** Non-temporal and masked stores, prefetches, fences, MXCSR (SDM Vol. 1, sections 10.4.6, 10.3.4 and 11.4.4). */

import type { Emitter } from '../emit/emitter.ts';
import { Exit } from '../exit.ts';
import { MXCSR_MASK } from '../float/mxcsr.ts';
import { EDI, STATE } from '../state.ts';
import type { Insn } from './insn.ts';
import { insn } from './insn.ts';

/**
 * MASKMOVQ and MASKMOVDQU: writes the bytes that the mask names, at DS:(E)DI. As on Intel's processors all of them must be
 * writable, those too that the mask does not name; the upper half is looked at first.
 */
export function maskedStore<V>(e: Emitter<V>, value: V, mask: V, size: 8 | 16): void {
  const start = e.register(EDI, e.addressSize);
  const half = (offset: number): V => e.zext(e.add(start, e.const(offset)), e.addressSize);
  const at = (place: V): V => e.add(e.select(e.and(place, e.const(8)), half(8), half(0)), e.and(place, e.const(7)));
  if (size === 16) e.probeWrite(half(8), 8);
  e.probeWrite(half(0), 8);
  e.if(mask, () => {
    const left = e.variable('i32', mask);
    e.while(
      () => left.get(),
      () => {
        const bits = left.get();
        const place = e.ctz(bits);
        const byte = e.v128.extractLane('i8x16', e.v128.swizzle(value, e.v128.i8x16Splat(place)), 0);
        e.write(at(place), byte, 1);
        left.set(e.and(bits, e.sub(bits, e.const(1))));
      },
    );
  });
}

const nothing = (): void => {};

export const streams: readonly Insn[] = [
  insn('movntps', { feature: 'sse' }, ['NP 0F 2B /r Mdq,Vps'], (e, dst, src) => {
    e.requireAligned(dst, 16);
    e.store(dst, e.load(src));
  }),
  insn('movntpd', { feature: 'sse2' }, ['66 0F 2B /r Mdq,Vpd'], (e, dst, src) => {
    e.requireAligned(dst, 16);
    e.store(dst, e.load(src));
  }),
  insn('movntdq', { feature: 'sse2' }, ['66 0F E7 /r Mdq,Vdq'], (e, dst, src) => {
    e.requireAligned(dst, 16);
    e.store(dst, e.load(src));
  }),
  insn('movnti', { feature: 'sse2' }, ['NP 0F C3 /r Md,Gd'], (e, dst, src) => e.store(dst, e.load(src))),
  insn('maskmovdqu', { feature: 'sse2' }, ['66 0F F7 /r Vdq,Udq'], (e, src, mask) =>
    maskedStore(e, e.load(src), e.v128.i8x16Bitmask(e.load(mask)), 16),
  ),
  insn('prefetchnta', { feature: 'sse', note: 'no effect' }, ['0F 18 /0m Mb'], nothing),
  insn('prefetcht0', { feature: 'sse', note: 'no effect' }, ['0F 18 /1m Mb'], nothing),
  insn('prefetcht1', { feature: 'sse', note: 'no effect' }, ['0F 18 /2m Mb'], nothing),
  insn('prefetcht2', { feature: 'sse', note: 'no effect' }, ['0F 18 /3m Mb'], nothing),
  insn('prefetchw', { note: 'no effect' }, ['0F 0D /r Mb'], nothing),
  insn('sfence', { feature: 'sse', note: 'tasks share one thread' }, ['NP 0F AE F8+i'], nothing),
  insn('lfence', { feature: 'sse2', note: 'tasks share one thread' }, ['NP 0F AE E8+i'], nothing),
  insn('mfence', { feature: 'sse2', note: 'tasks share one thread' }, ['NP 0F AE F0+i'], nothing),
  insn('clflush', { feature: 'clflush', note: 'faults as a load does' }, ['NP 0F AE /7m Mb'], (e, line) => {
    e.load(line);
  }),
  insn('ldmxcsr', { feature: 'sse' }, ['NP 0F AE /2m Md'], (e, src) => {
    const value = e.load(src);
    e.if(e.and(value, e.const(~MXCSR_MASK)), () => e.fault(Exit.generalProtection, e.const(0)));
    e.setState(STATE.mxcsr, value);
  }),
  insn('stmxcsr', { feature: 'sse' }, ['NP 0F AE /3m Md'], (e, dst) => e.store(dst, e.state(STATE.mxcsr))),
];
