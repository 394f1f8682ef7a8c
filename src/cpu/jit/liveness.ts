/** Which flags and registers are still asked for where a block begins. */
import type { Decoded } from '../decode/decoded.ts';
import type { FlagEffects } from '../emit/flag-effects.ts';
import { flagEffectsOf } from '../emit/flag-effects.ts';
import type { Block, CodeSource, Region } from './region.ts';
import { relativeTarget } from './region.ts';

const known = new WeakMap<Decoded, FlagEffects>();
export function flagEffects(decoded: Decoded): FlagEffects {
  let effects = known.get(decoded);
  if (!effects) {
    effects = flagEffectsOf(decoded.insn, decoded.operands, decoded.repeat !== 0);
    known.set(decoded, effects);
  }
  return effects;
}

/** Instructions of a called function that are looked at. */
const PEEK = 8;

/** Are flags that come with a call ever looked at? */
function isAskedAt(source: CodeSource, start: number): boolean {
  let eip = start;
  for (let i = 0; i < PEEK; i++) {
    const decoded = source.compilable(eip);
    if (!decoded || decoded.insn.options.branch) return true;
    const { reads, writes } = flagEffects(decoded);
    if (reads) return true;
    if (writes) return false;
    eip += decoded.length;
  }
  return true;
}

export interface FlagLiveness {
  /** Where an instruction of a block begins: the first, unless said. */
  isAsked(block: number, position?: number): boolean;
  /** By what a block's last instruction leads to outside of the region, a called function among it. */
  isAskedOutside(block: number): boolean;
}

/** `isExact`: everybody may look at the flags at any time. */
export function flagLiveness(source: CodeSource, region: Region, isExact: boolean): FlagLiveness {
  if (isExact) return { isAsked: () => true, isAskedOutside: () => true };
  const { blocks } = region;
  const asked = new Uint8Array(blocks.length);
  const outside = blocks.map((block) => askedOutside(source, block));
  const isAskedIn = ({ index, insns, isCall, successors }: Block, position: number): boolean => {
    for (let i = position; i < insns.length; i++) {
      const { reads, writes } = flagEffects(insns[i].decoded);
      if (reads) return true;
      if (writes) return false;
    }
    return outside[index] || (!isCall && successors.some((next) => asked[next] !== 0));
  };
  for (let changed = true; changed; ) {
    changed = false;
    for (let i = blocks.length - 1; i >= 0; i--) {
      if (asked[i] !== 0 || !isAskedIn(blocks[i], 0)) continue;
      asked[i] = 1;
      changed = true;
    }
  }
  const isAsked = (block: number, position = 0): boolean =>
    position === 0 ? asked[block] !== 0 : isAskedIn(blocks[block], position);
  return { isAsked, isAskedOutside: (block) => outside[block] };
}

function askedOutside(source: CodeSource, block: Block): boolean {
  if (!block.isCall) return block.leaves;
  const target = relativeTarget(block.insns[block.insns.length - 1].decoded);
  return target === undefined || isAskedAt(source, target);
}

/** What a block does with registers, a bit each. */
interface RegisterUse {
  /** Read before they are written; written in any case. */
  readonly uses: number;
  readonly definitions: number;
  /** Newer than the register file at its end; what was so at its beginning is among them, or has been stored. */
  readonly dirtyAtEnd: number;
  readonly inheritsAtEnd: boolean;
  readonly storesInherited: boolean;
}
type RegisterUses = readonly (RegisterUse | undefined)[];

/** Registers that may be newer in their locals than in the register file where a block begins. */
export function dirtyRegisters({ blocks }: Region, uses: RegisterUses): readonly number[] {
  const dirty = blocks.map(() => 0);
  for (let changed = true; changed; ) {
    changed = false;
    for (const [i, { successors, isCall }] of blocks.entries()) {
      const use = uses[i];
      if (!use || isCall) continue;
      const after = use.dirtyAtEnd | (use.inheritsAtEnd ? dirty[i] : 0);
      for (const next of successors) {
        if ((dirty[next] | after) === dirty[next]) continue;
        dirty[next] |= after;
        changed = true;
      }
    }
  }
  return dirty;
}

/** Registers that are in their locals where a block begins: those that it or a later one reads first, or stores. */
export function liveRegisters(region: Region, uses: RegisterUses, dirty: readonly number[]): readonly number[] {
  const live = uses.map((use, i) => (use ? use.uses | (use.storesInherited ? dirty[i] : 0) : 0));
  const own = [...live];
  const isIndirect = ({ leaves, isCall, insns }: Block): boolean =>
    leaves && !isCall && insns[insns.length - 1].decoded.insn.name === 'jmp';
  for (let changed = true; changed; ) {
    changed = false;
    for (let i = region.blocks.length - 1; i >= 0; i--) {
      const { successors, isCall } = region.blocks[i];
      // Behind a call they are loaded anew.
      let after = isCall ? 0 : successors.reduce((all, next) => all | live[next], 0);
      // It may come back to any of the region's entries.
      if (isIndirect(region.blocks[i])) for (const { index } of region.entries) after |= live[index];
      const before = own[i] | (after & ~(uses[i]?.definitions ?? 0));
      if (before === live[i]) continue;
      live[i] = before;
      changed = true;
    }
  }
  return live;
}
