/** Which instructions the evaluator runs while es, cs, ss and ds are flat: what the fast ways do not check. */
import type { Decoded, DecodedOperand } from '../decode/decoded.ts';
import { CS, FS } from '../state.ts';

/** Segments fs and gs that hold data of 4 GiB: a bit each. */
export type OpenSegments = number;
export const ALL_OPEN: OpenSegments = 3;

const isAccessed = ({ insn: { name } }: Decoded): boolean => name !== 'nop' && name !== 'lea';

function memoryOperand({ operands }: Decoded): DecodedOperand | undefined {
  for (const operand of operands) if (operand.kind === 'memory') return operand;
  return undefined;
}

/** In ds, or what a prefix says: without a memory operand. */
const isImplicit = ({ insn: { name, options } }: Decoded): boolean =>
  options.rep === true || name === 'xlat' || name.startsWith('maskmov');

/** An operand whose end its size does not tell: wrapping offsets, images, the far bits of BT. */
const isExtended = ({ insn, row, addressSize }: Decoded): boolean =>
  addressSize === 2 ||
  insn.name.startsWith('bt') ||
  row.operands.some(({ letter, width }) => letter === 'M' && width === 'none');

export function isEvaluated(decoded: Decoded, open: OpenSegments): boolean {
  if (decoded.insn.options.evaluated) return true;
  const { segment } = decoded;
  // The other two are as flat as ds.
  if (segment !== CS && segment < FS) return false;
  const operand = memoryOperand(decoded);
  if (operand ? !isAccessed(decoded) : !isImplicit(decoded)) return false;
  return segment === CS || ((open >> (segment - FS)) & 1) === 0 || !operand || isExtended(decoded);
}
