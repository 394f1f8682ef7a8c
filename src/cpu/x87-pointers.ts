/**
 * FOP and FDP (SDM Vol. 1, 8.1.8 and 8.1.9), as processors keep them where CPUID.7.0:EBX says FDP_EXCPTN_ONLY: they change
 * with unmasked exceptions only.
 */
import type { Decoded } from './decode/decoded.ts';
import { STATE } from './state.ts';

export function notePointers(words: Int32Array, { row, modrm, operands }: Decoded): void {
  words[STATE.fpuOpcode / 4] = ((row.opcode & 7) << 8) | modrm;
  const address = operands.find(({ kind }) => kind === 'memory')?.address;
  if (!address) return;
  const { base, index, shift, displacement, narrow } = address;
  const offset = words[base / 4] + (words[index / 4] << shift) + displacement;
  words[STATE.fpuDataPointer / 4] = narrow ? offset & 0xffff : offset;
}
