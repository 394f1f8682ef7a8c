/**
 * A decoded instruction: 32 bytes in the VM's records. The next record follows it, so falling through is an addition.
 * Register operands are wasm indices of places in the register file; memory operands have a base pointer and a
 * displacement, and for the wider shapes an index or a segment.
 */
export const RECORD_SIZE = 32;
export const RECORD = {
  /** u16: the handler. */
  handler: 0,
  /** u8: bytes of the instruction. */
  length: 2,
  /** u8: scale of the index, as a shift count. */
  shift: 3,
  eip: 4,
  /** First and second register operand (x87: the number i). */
  a: 8,
  b: 12,
  /** Immediate; record of a branch target, 0 while unknown. */
  immediate: 16,
  /** Pointer to the base register; third register operand. */
  base: 20,
  /** Displacement; EIP of a branch target; second immediate; selector of a far pointer. */
  displacement: 24,
  /** u16 each: offsets in the register file of the index register and of the segment's base. */
  index: 28,
  segment: 30,
} as const;

/** How a record describes a memory operand: base + displacement, with a scaled index, with a segment base. */
export type MemoryShape = 'm' | 'x' | 's';
