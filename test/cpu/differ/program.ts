/** A few instructions of code, and what the registers must hold to make their memory operands land in the data. */
import type { Row } from '../../../src/cpu/decode/rows.ts';
import type { Random } from './random.ts';
import { CODE_MAX, DATA, ENTRY } from './slot.ts';

/** A memory operand: register numbers or -1. */
export interface Reference {
  readonly base: number;
  readonly index: number;
  readonly shift: number;
  readonly displacement: number;
  readonly segmentBase: number;
  readonly isNarrow: boolean;
}

export interface Step {
  readonly row: Row;
  /** Offset in the code, and bytes. */
  readonly at: number;
  readonly length: number;
  readonly memory: Reference | undefined;
  /** Operand size 2. */
  readonly isNarrow: boolean;
  /** ModRM.reg and a register operand of ModRM.rm. */
  readonly reg: number;
  readonly rm: number;
}

/** A register that addresses memory: a pointer, or a small number that scales. */
export interface Pin {
  readonly register: number;
  readonly value: number;
  readonly isPointer: boolean;
}

export interface Program {
  readonly steps: readonly Step[];
  readonly code: Uint8Array;
  readonly address: number;
  readonly pins: readonly Pin[];
}

/** An offset into the data: mostly in the windows, at times across the ends of pages. */
export function targetOffset(random: Random): number {
  const kind = random.below(100);
  if (kind < 55) return 0x1f90 + random.below(0xc0);
  if (kind < 65) return 0x2000 - random.below(17);
  if (kind < 75) return 0x1000 + random.below(0x60);
  if (kind < 82) return 0x1000 - random.below(17);
  if (kind < 91) return 0x2f90 + random.below(0x60);
  if (kind < 96) return 0x3000 - random.below(17);
  if (kind < 98) return random.below(0x1000);
  if (kind < 99) return -random.below(17);
  return random.u32() | 0;
}

/** Collects instructions; the address registers they use get values that suit the first. */
export class Builder {
  readonly random: Random;
  readonly bytes: number[] = [];
  readonly steps: Step[] = [];
  readonly #pins = new Map<number, Pin>();
  /** Places of branch displacements: [offset, bytes], filled in when all instructions are known. */
  readonly branches: { at: number; size: number; end: number }[] = [];
  /** Places of absolute code addresses. */
  readonly codePointers: { at: number; size: number }[] = [];

  constructor(random: Random) {
    this.random = random;
  }

  /** The value that a register has at the start if it is used as an address. */
  pointer(register: number): number {
    return this.#pin(register, true);
  }
  small(register: number): number {
    return this.#pin(register, false);
  }
  #pin(register: number, isPointer: boolean): number {
    let pin = this.#pins.get(register);
    if (!pin) {
      const { random } = this;
      const far = random.chance(50) ? random.below(8) : random.below(64) - 32;
      const value = isPointer ? (DATA + targetOffset(random)) | 0 : far;
      pin = { register, value: isPointer && random.chance(70) ? value & ~15 : value, isPointer };
      this.#pins.set(register, pin);
    }
    return pin.value;
  }

  add(step: Step, bytes: readonly number[]): boolean {
    if (this.bytes.length + bytes.length > CODE_MAX) return false;
    this.bytes.push(...bytes);
    this.steps.push(step);
    return true;
  }

  /** Branches go forwards, to a later instruction or the end. */
  finish(address = ENTRY): Program {
    const { random, bytes, steps } = this;
    const boundaries = [...steps.map((step) => step.at), bytes.length];
    const later = (from: number): number => random.pick(boundaries.filter((at) => at >= from));
    for (const { at, size, end } of this.branches) {
      const distance = later(end) - end;
      for (let i = 0; i < size; i++) bytes[at + i] = (distance >> (8 * i)) & 0xff;
    }
    for (const { at, size } of this.codePointers) {
      const target = address + later(at);
      for (let i = 0; i < size; i++) bytes[at + i] = (target >>> (8 * i)) & 0xff;
    }
    return { steps, code: Uint8Array.from(bytes), address, pins: [...this.#pins.values()] };
  }
}
