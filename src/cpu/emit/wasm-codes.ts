/** Bytes of instructions, made once each: an emitter asks for the same ones again and again. */
import type { MemoryType } from './base-emitter.ts';
import type { NumericOp } from './ops.ts';
import type { LOAD } from './wasm-tables.ts';
import { memoryArgument } from './wasm-tables.ts';
import { opcodeBytes } from './wasm-writer.ts';

const opcodes = new Map<NumericOp, readonly number[]>();
export function bytesOf(op: NumericOp): readonly number[] {
  let bytes = opcodes.get(op);
  if (!bytes) opcodes.set(op, (bytes = opcodeBytes(op.code)));
  return bytes;
}
const accesses = new Map<readonly number[], Map<number, readonly number[]>>();
/** A load or store at a constant offset. */
export function accessCode(table: typeof LOAD, type: MemoryType, offset: number): readonly number[] {
  const opcode = table[type];
  let known = accesses.get(opcode);
  if (!known) accesses.set(opcode, (known = new Map()));
  let code = known.get(offset);
  if (!code) known.set(offset, (code = [...opcode, ...memoryArgument(offset)]));
  return code;
}
