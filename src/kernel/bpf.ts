/** Classic BPF (linux/filter.h, bpf(4)), as seccomp filters use it: checked once, then interpreted over the call's data. */

/** struct sock_filter. */
export interface Instruction {
  code: number;
  jt: number;
  jf: number;
  k: number;
}
export type Program = readonly Instruction[];

export const BPF_MAXINSNS = 4096;
const MEMORY_WORDS = 16;

// The low three bits: the class.
const [LD, LDX, ST, STX, ALU, JMP, RET, MISC] = [0, 1, 2, 3, 4, 5, 6, 7];
/** The source bit: X instead of the constant. */
const X = 0x08;
/** Modes of loads of words. */
const [IMM, ABS, MEM, LEN] = [0x00, 0x20, 0x60, 0x80];
const RET_A = 0x16;
const [TAX, TXA] = [0x07, 0x87];
const [JA, JEQ, JGT, JGE, JSET] = [0x00, 0x10, 0x20, 0x30, 0x40];
const [DIV, NEG, LSH, RSH] = [0x30, 0x80, 0x60, 0x70];

const ARITHMETIC: Readonly<Record<number, (a: number, b: number) => number>> = {
  0: (a, b) => a + b,
  16: (a, b) => a - b,
  32: (a, b) => Math.imul(a, b),
  [DIV]: (a, b) => Math.floor(a / b),
  64: (a, b) => a | b,
  80: (a, b) => a & b,
  [LSH]: (a, b) => a << b,
  [RSH]: (a, b) => a >>> b,
  [NEG]: (a) => -a,
  160: (a, b) => a ^ b,
};
const CONDITIONS: Readonly<Record<number, (a: number, b: number) => boolean>> = {
  [JEQ]: (a, b) => a === b,
  [JGT]: (a, b) => a > b,
  [JGE]: (a, b) => a >= b,
  [JSET]: (a, b) => (a & b) !== 0,
};

/** bpf_check_classic and seccomp_check_filter: whether each instruction may stand where it does. `size`: of the data. */
export function isSound(program: Program, size: number): boolean {
  if (program.length === 0 || program.length > BPF_MAXINSNS) return false;
  const last = program[program.length - 1].code;
  if (last !== RET && last !== RET_A) return false;
  return (
    program.every((instruction, at) => isSoundAt(instruction, program.length - at - 1, size)) && storesFirst(program)
  );
}

function isSoundAt({ code, jt, jf, k }: Instruction, left: number, size: number): boolean {
  const mode = code & 0xf8;
  switch (code & 7) {
    case LD:
      return mode === ABS ? k < size && k % 4 === 0 : isPlainLoad(mode, k);
    case LDX:
      return isPlainLoad(mode, k);
    case ST:
    case STX:
      return mode === 0 && k < MEMORY_WORDS;
    case ALU:
      return isSoundArithmetic(code, k);
    case JMP: {
      if (code === (JMP | JA)) return k < left;
      return CONDITIONS[code & 0xf0] !== undefined && jt < left && jf < left;
    }
    case RET:
      return code === RET || code === RET_A;
    default:
      return code === (MISC & TAX) || code === TXA;
  }
}

const isPlainLoad = (mode: number, k: number) => mode === IMM || mode === LEN || (mode === MEM && k < MEMORY_WORDS);

function isSoundArithmetic(code: number, k: number): boolean {
  const operation = code & 0xf0;
  if (operation === NEG) return code === (ALU | NEG);
  if (ARITHMETIC[operation] === undefined) return false;
  if ((code & X) !== 0) return true;
  return operation === DIV ? k !== 0 : operation !== LSH && operation !== RSH ? true : k < 32;
}

/** No word of the scratch memory is read that no path before has stored (check_load_and_stores). */
function storesFirst(program: Program): boolean {
  const arriving = new Uint16Array(program.length).fill(0xffff);
  let stored = 0;
  for (const [at, { code, jt, jf, k }] of program.entries()) {
    stored &= arriving[at];
    const kind = code & 7;
    if (kind === ST || kind === STX) stored |= 1 << k;
    if ((kind === LD || kind === LDX) && (code & 0xf8) === MEM && (stored & (1 << k)) === 0) return false;
    if (kind !== JMP) continue;
    for (const skip of code === (JMP | JA) ? [k] : [jt, jf]) arriving[at + 1 + skip] &= stored;
    stored = 0xffff;
  }
  return true;
}

/** The value that the program returns for the data; 0 where it divides by zero. */
export function runProgram(program: Program, data: DataView): number {
  const memory = new Uint32Array(MEMORY_WORDS);
  let a = 0;
  let x = 0;
  for (let at = 0; ; at++) {
    const { code, jt, jf, k } = program[at];
    switch (code & 7) {
      case LD:
        a = load(code & 0xf8, k, memory, data);
        break;
      case LDX:
        x = load(code & 0xf8, k, memory, data);
        break;
      case ST:
        memory[k] = a;
        break;
      case STX:
        memory[k] = x;
        break;
      case ALU: {
        const operand = (code & X) !== 0 ? x : k;
        if ((code & 0xf0) === DIV && operand === 0) return 0;
        a = ARITHMETIC[code & 0xf0](a, operand) >>> 0;
        break;
      }
      case JMP:
        if (code === (JMP | JA)) at += k;
        else at += CONDITIONS[code & 0xf0](a, (code & X) !== 0 ? x : k) ? jt : jf;
        break;
      case RET:
        return code === RET_A ? a : k;
      default:
        if (code === TXA) a = x;
        else x = a;
    }
  }
}

function load(mode: number, k: number, memory: Uint32Array, data: DataView): number {
  if (mode === ABS) return data.getUint32(k, true);
  if (mode === MEM) return memory[k];
  return mode === LEN ? data.byteLength : k;
}
