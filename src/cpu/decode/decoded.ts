/** What the decoder makes of an instruction's bytes. */
import type { Operand } from '../emit/emitter.ts';
import type { Insn } from '../isa/insn.ts';
import type { Row } from './rows.ts';

/** Register-file offsets (state.ts) of the parts of a memory operand's address; STATE.zero where there is none. */
export interface Address {
  readonly base: number;
  readonly index: number;
  /** Scale as a shift count. */
  readonly shift: number;
  readonly displacement: number;
  /** Offset of the segment's base address; STATE.zero for es, cs, ss and ds, which are flat. */
  readonly segment: number;
  /** 16-bit addressing: the offset wraps at 64 KiB. */
  readonly narrow: boolean;
}

export interface DecodedOperand extends Operand {
  /** Where a register operand lies in the register file. */
  readonly offset: number;
  /** Immediate; target of a relative branch; offset of a far pointer; i of ST(i). */
  readonly value: number;
  /** Selector of a far pointer. */
  readonly selector: number;
  readonly address: Address | undefined;
}

export interface Decoded {
  readonly insn: Insn;
  readonly eip: number;
  readonly length: number;
  readonly operandSize: 2 | 4;
  readonly addressSize: 2 | 4;
  readonly repeat: 0 | 0xf2 | 0xf3;
  /** Segment override 0..5, or -1. */
  readonly segment: number;
  readonly operands: readonly DecodedOperand[];
  /** 0 where there is none. */
  readonly modrm: number;
  /** The line of the opcode tables that it is. */
  readonly row: Row;
}
