/**
 * One row per line of the manual's opcode tables, one body per instruction.
 *
 * A row is an encoding and its operands in the notation of SDM Vol. 2, chapter 3 and appendix A:
 *   [NP|NF|66|F2|F3] opcode bytes [/digit | /r | +r] [operands]
 * NP: no 66, F2 or F3 prefix; NF: no F2 or F3. Mandatory prefixes come first (`F2 0F 58 /r Vsd,Wsd`). +r: register in the low three bits.
 * A fixed ModRM byte is written as one more opcode byte (`D9 E8`, `0F 01 D0`); `D8 C0+i ST0,STi` covers eight.
 * `/digit` and `/r` may carry a restriction: `/0m` memory forms only, `/0r` register forms only.
 *
 * Operands (appendix A.2): E G M I J O X Y S R as there, with sizes b w d v(2 or 4) z y(4) q dq; Ibs = signed imm8 extended to the
 * operand size; Jb Jz; Ap far pointer; Mp far in memory; AL CL DX eAX(operand-sized) and so on for fixed ones, `1` for the
 * constant; Zb Zv the register of +r; Mt m80; Md Mq Mw m32 m64 m16; ST0 STi; Pq Qd Qq Nq mmx; Vdq Wdq Udq xmm or m128 (Wss = xmm or m32, Wsd/Wq = xmm or
 * m64 (a register operand is always the whole register, size 16 or 8: loadLow takes its part), Wps Wpd Wdq Wx = xmm or m128); Ma for BOUND; M for an address of no fixed size (LEA, FSAVE, FXSAVE, prefetch).
 */
import type { Emitter, Operand } from '../emit/emitter.ts';

/** CPUID features that a row may need; without it the row is #UD. */
export type Feature =
  | 'base'
  | 'cmov'
  | 'x87'
  | 'mmx'
  | 'sse'
  | 'sse2'
  | 'sse3'
  | 'ssse3'
  | 'sse4.1'
  | 'sse4.2'
  | 'popcnt'
  | 'movbe'
  | 'cx8'
  | 'tsc'
  | 'rdtscp'
  | 'clflush'
  | 'fxsr';

export interface InsnOptions {
  feature?: Feature;
  /** LOCK is allowed with a memory destination; elsewhere it is #UD. */
  lock?: boolean;
  /** Reads and writes its first operand, though LOCK is not allowed. */
  modifies?: boolean;
  /** F2/F3 repeat the instruction (string instructions). */
  rep?: boolean;
  /** Ends a block: control does not fall through unconditionally. */
  branch?: boolean;
  /** Control never reaches the instruction that follows. */
  ends?: boolean;
  /** POP m: the address of the operand is computed with ESP already incremented. */
  popsFirst?: boolean;
  /** Waits for pending unmasked x87 exceptions first (all x87 but the FN forms), and MMX. */
  waits?: boolean;
  /** An x87 instruction that, but for exceptions, leaves the stack alike on all paths: it may stay in locals. */
  deferrable?: boolean;
  /** Its operand is an image of words of the operand size: an alignment check asks for no more. */
  wordImage?: boolean;
  /** About segments, and rare: the evaluator runs it (stepper.ts). */
  evaluated?: boolean;
  /** One line for docs/ISA.md. */
  note?: string;
}

export type Body = <V>(e: Emitter<V>, ...operands: Operand[]) => void;

export interface Insn {
  readonly name: string;
  readonly options: InsnOptions;
  readonly rows: readonly string[];
  readonly body: Body;
}

export function insn(name: string, options: InsnOptions, rows: readonly string[], body: Body): Insn {
  return { name, options, rows, body };
}
