/** Control instructions: control, status and tag words, environments, FSAVE and FXSAVE images (SDM Vol. 1, 8.1.7 to 8.1.11). */
import type { Emitter, Operand } from '../emit/emitter.ts';
import { routine } from '../emit/routine.ts';
import { Exit } from '../exit.ts';
import { BUSY, C1, ES, exponentOf, isNormal } from '../f80/format.ts';
import { STATE } from '../state.ts';
import type { Insn, InsnOptions } from './insn.ts';
import { insn } from './insn.ts';
import { isEmpty, physical, readRegister, setEmpty, x87Insn } from './x87-stack.ts';

const WAITS: InsnOptions = { feature: 'x87', waits: true };
const NO_WAIT: InsnOptions = { feature: 'x87' };

/** The status word with TOP. */
const statusWord = <V>(e: Emitter<V>): V => e.or(e.state(STATE.fpuStatus), e.shl(e.state(STATE.fpuTop), e.const(11)));

/** Sets control and status; ES follows from the two. */
export const setControlAndStatus = routine('x87_control', ['i32', 'i32'], [], (e, control, status) => {
  const kept = e.or(e.and(control, e.const(0x1f3f)), e.const(0x40));
  const pending = e.and(e.and(status, e.const(0x3f)), e.xor(kept, e.const(0x3f)));
  const summary = e.select(pending, e.const(ES | BUSY), e.const(0));
  e.setState(STATE.fpuControl, kept);
  e.setState(STATE.fpuStatus, e.or(e.and(status, e.const(0x477f)), summary));
  return [];
});

/** Sets TOP from a status word, and which registers are empty from a bit for each physical one. */
const setStack = routine('x87_stack', ['i32', 'i32'], [], (e, status, empty) => {
  e.setState(STATE.fpuTop, e.and(e.shrU(status, e.const(11)), e.const(7)));
  for (let i = 0; i < 8; i++) {
    e.setState(STATE.fpuEmpty + i, e.and(e.shrU(empty, e.const(i)), e.const(1)), 'u8');
  }
  return [];
});

/** One bit for each physical register from two-bit tags: 11 is empty. */
function emptyFromTags<V>(e: Emitter<V>, tags: V): V {
  const both = e.and(tags, e.shrU(tags, e.const(1)));
  let bits = e.const(0);
  for (let i = 0; i < 8; i++) bits = e.or(bits, e.and(e.shrU(both, e.const(i)), e.const(1 << i)));
  return bits;
}

/** 00 valid, 01 zero, 10 special, 11 empty, for each physical register. */
const tagWord = routine('x87_tags', [], ['i32'], (e) => {
  let tags = e.const(0);
  for (let i = 0; i < 8; i++) {
    const register = e.const(i);
    const [sig, se] = readRegister(e, register);
    const exponent = exponentOf(e, se);
    const isZero = e.and(e.eqz(exponent), e.i64.eqz(sig));
    const special = e.select(isZero, e.const(1), e.const(2));
    const used = e.select(isNormal(e, sig, exponent), e.const(0), special);
    tags = e.or(tags, e.shl(e.select(isEmpty(e, register), e.const(3), used), e.const(2 * i)));
  }
  return [tags];
});

const init = routine('x87_fninit', [], [], (e) => {
  e.setState(STATE.fpuControl, e.const(0x37f));
  for (const field of [STATE.fpuStatus, STATE.fpuTop, STATE.fpuOpcode, STATE.fpuIp, STATE.fpuDataPointer]) {
    e.setState(field, e.const(0));
  }
  e.setState(STATE.fpuEmpty, e.const64(0x0101010101010101n), 'i64');
  return [];
});

/** Linear address of an image's byte. */
type PartAt<V> = (offset: number) => V;
const partsOf =
  <V>(e: Emitter<V>, operand: Operand): PartAt<V> =>
  (offset) =>
    e.partAddress(operand, offset);

/** Bytes of an environment: seven fields of the operand size. */
const environmentSize = <V>(e: Emitter<V>): number => e.operandSize * 7;

/** Control, status, tags, FIP, FCS and opcode, FDP, FDS. Selectors read as 0, as where CPUID deprecates them. */
function writeEnvironment<V>(e: Emitter<V>, at: PartAt<V>): void {
  const [tags] = e.call(tagWord);
  const words = [e.state(STATE.fpuControl), statusWord(e), tags];
  const ip = e.state(STATE.fpuIp),
    data = e.state(STATE.fpuDataPointer),
    opcode = e.state(STATE.fpuOpcode);
  const size = e.operandSize;
  const put = (i: number, value: V): void => e.write(at(i * size), value, size);
  if (size === 2) {
    for (const [i, value] of [...words, ip, e.const(0), data, e.const(0)].entries()) put(i, value);
    return;
  }
  const wide = [...words.map((w) => e.or(w, e.const(0xffff0000))), ip, e.shl(opcode, e.const(16)), data];
  for (const [i, value] of [...wide, e.const(0xffff0000)].entries()) put(i, value);
}

/** Processors look for the first field, then the last byte, before anything else. */
function probeImage<V>(e: Emitter<V>, at: PartAt<V>, bytes: number): void {
  e.probeWrite(at(0), e.operandSize);
  e.probeWrite(at(bytes - 1), 1);
}

function readEnvironment<V>(e: Emitter<V>, at: PartAt<V>, rest = 0): () => void {
  const size = e.operandSize;
  // Processors look for the first field, then the last byte, before anything else.
  e.read(at(0), size);
  e.read(at(environmentSize(e) + rest - 1), 1);
  const field = (i: number): V => e.read(at(i * size), size);
  const [control, status, tags, ip, selector, data] = [0, 1, 2, 3, 4, 5].map(field);
  const opcode = size === 2 ? e.const(0) : e.and(e.shrU(selector, e.const(16)), e.const(0x7ff));
  return () => {
    e.call(setControlAndStatus, control, status);
    e.call(setStack, status, emptyFromTags(e, tags));
    e.setState(STATE.fpuIp, ip);
    e.setState(STATE.fpuOpcode, opcode);
    e.setState(STATE.fpuDataPointer, data);
  };
}

/** ST(i), for i from 0. */
function writeStack<V>(e: Emitter<V>, store: (i: number, sig: V, se: V) => void): void {
  for (let i = 0; i < 8; i++) {
    store(i, ...readRegister(e, physical(e, e.const(i))));
  }
}

/** The registers from `start` on; the answer puts them in place, TOP being what it then is. */
function readStack<V>(e: Emitter<V>, at: PartAt<V>, start: number, stride: number): () => void {
  const values: (readonly [V, V])[] = [];
  for (let i = 0; i < 8; i++) {
    const low = e.read64(at(start + i * stride));
    values.push([low, e.read(at(start + i * stride + 8), 2)]);
  }
  return () => {
    for (const [i, [sig, se]] of values.entries()) {
      const slot = e.shl(physical(e, e.const(i)), e.const(4));
      e.setState(STATE.fpr, sig, 'i64', slot);
      e.setState(STATE.fpr + 8, se, 'i32', slot);
    }
  };
}

/** What FXSAVE writes, of an area that must be there whole. */
const FXSAVE_AREA = 512;
const MXCSR_MASK = 0xffff;

/** The 32-bit FXSAVE image; bytes from 288 on are not touched. */
const fxsave: Insn = insn('fxsave', { feature: 'fxsr' }, ['NP 0F AE /0m M'], (e, dst) => {
  e.requireAligned(dst, 16, true);
  const at = partsOf(e, dst);
  e.probeWrite(at(FXSAVE_AREA - 1), 1);
  e.probeWrite(at(0), 1);
  let used = e.const(0);
  for (let i = 0; i < 8; i++) used = e.or(used, e.shl(e.eqz(isEmpty(e, e.const(i))), e.const(i)));
  e.write(at(0), e.or(e.state(STATE.fpuControl), e.shl(statusWord(e), e.const(16))), 4);
  e.write(at(4), e.or(used, e.shl(e.state(STATE.fpuOpcode), e.const(16))), 4);
  e.write(at(8), e.state(STATE.fpuIp), 4);
  e.write(at(12), e.const(0), 4);
  e.write(at(16), e.state(STATE.fpuDataPointer), 4);
  e.write(at(20), e.const(0), 4);
  e.write(at(24), e.state(STATE.mxcsr), 4);
  e.write(at(28), e.const(MXCSR_MASK), 4);
  writeStack(e, (i, sig, se) => {
    e.write64(at(32 + i * 16), sig);
    e.write64(at(40 + i * 16), e.i64.extendU(se));
  });
  for (let i = 0; i < 8; i++) e.write128(at(160 + i * 16), e.state(STATE.xmm + i * 16, 'v128'));
});

const fxrstor: Insn = insn('fxrstor', { feature: 'fxsr' }, ['NP 0F AE /1m M'], (e, src) => {
  e.requireAligned(src, 16, true);
  const at = partsOf(e, src);
  e.read(at(FXSAVE_AREA - 1), 1);
  e.read(at(0), 1);
  const [control, status, used] = [e.read(at(0), 2), e.read(at(2), 2), e.read(at(4), 1)];
  const [opcode, ip, data, mxcsr] = [e.read(at(6), 2), e.read(at(8), 4), e.read(at(16), 4), e.read(at(24), 4)];
  const registers = readStack(e, at, 32, 16);
  const xmm = [0, 1, 2, 3, 4, 5, 6, 7].map((i) => e.read128(at(160 + i * 16)));
  e.if(e.and(mxcsr, e.const(~MXCSR_MASK)), () => e.fault(Exit.generalProtection, e.const(0)));
  e.call(setControlAndStatus, control, status);
  e.call(setStack, status, e.xor(used, e.const(0xff)));
  e.setState(STATE.fpuOpcode, e.and(opcode, e.const(0x7ff)));
  e.setState(STATE.fpuIp, ip);
  e.setState(STATE.fpuDataPointer, data);
  e.setState(STATE.mxcsr, mxcsr);
  registers();
  for (const [i, value] of xmm.entries()) e.setState(STATE.xmm + i * 16, value, 'v128');
});

const clearC1 = <V>(e: Emitter<V>): void => e.setState(STATE.fpuStatus, e.and(e.state(STATE.fpuStatus), e.const(~C1)));

/** Moves TOP without touching contents or tags. */
function turn(name: string, row: string, by: number): Insn {
  return x87Insn(name, [row], (e) => {
    e.setState(STATE.fpuTop, physical(e, e.const(by)));
    clearC1(e);
  });
}

export const controlInsns: Insn[] = [
  insn('fninit', NO_WAIT, ['DB E3'], (e) => void e.call(init)),
  insn('fnclex', NO_WAIT, ['DB E2'], (e) => {
    e.setState(STATE.fpuStatus, e.and(e.state(STATE.fpuStatus), e.const(0x7f00)));
  }),
  insn('fldcw', WAITS, ['D9 /5m Mw'], (e, src) => {
    e.call(setControlAndStatus, e.load(src), e.state(STATE.fpuStatus));
  }),
  insn('fnstcw', NO_WAIT, ['D9 /7m Mw'], (e, dst) => e.store(dst, e.state(STATE.fpuControl))),
  insn('fnstsw', NO_WAIT, ['DD /7m Mw', 'DF E0 AX'], (e, dst) => e.store(dst, statusWord(e))),
  insn('fnstenv', NO_WAIT, ['D9 /6m M'], (e, dst) => {
    const at = partsOf(e, dst);
    probeImage(e, at, environmentSize(e));
    writeEnvironment(e, at);
    e.call(setControlAndStatus, e.or(e.state(STATE.fpuControl), e.const(0x3f)), e.state(STATE.fpuStatus));
  }),
  insn('fldenv', WAITS, ['D9 /4m M'], (e, src) => readEnvironment(e, partsOf(e, src))()),
  insn('fnsave', { ...NO_WAIT, wordImage: true }, ['DD /6m M'], (e, dst) => {
    const at = partsOf(e, dst);
    const start = environmentSize(e);
    probeImage(e, at, start + 80);
    writeEnvironment(e, at);
    writeStack(e, (i, sig, se) => {
      e.write64(at(start + i * 10), sig);
      e.write(at(start + i * 10 + 8), se, 2);
    });
    e.call(init);
  }),
  insn('frstor', { ...WAITS, wordImage: true }, ['DD /4m M'], (e, src) => {
    const at = partsOf(e, src);
    const environment = readEnvironment(e, at, 80);
    const registers = readStack(e, at, environmentSize(e), 10);
    environment();
    registers();
  }),
  x87Insn('ffree', ['DD C0+i STi'], (e, st) => {
    setEmpty(e, physical(e, e.load(st)), 1);
    clearC1(e);
  }),
  // Undocumented: FFREE, then pop.
  x87Insn('ffreep', ['DF C0+i STi'], (e, st) => {
    setEmpty(e, physical(e, e.load(st)), 1);
    setEmpty(e, e.state(STATE.fpuTop), 1);
    e.setState(STATE.fpuTop, physical(e, e.const(1)));
    clearC1(e);
  }),
  turn('fincstp', 'D9 F7', 1),
  turn('fdecstp', 'D9 F6', 7),
  x87Insn('fnop', ['D9 D0'], () => {}),
  // 8087 and 80287 instructions that do nothing since the 80387: FENI, FDISI, FSETPM.
  insn('fnop', NO_WAIT, ['DB E0', 'DB E1', 'DB E4'], () => {}),
  insn('fwait', WAITS, ['9B'], () => {}),
  fxsave,
  fxrstor,
];
