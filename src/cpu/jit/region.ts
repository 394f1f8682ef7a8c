/**
 * Finds what is compiled together, about one function of the guest: the blocks that hot code reaches by jumps, and behind
 * calls. What was never jumped to stays out; if it is ever needed, the interpreter is there.
 */
import type { Decoded } from '../decode/decoded.ts';
import { ESP, STATE } from '../state.ts';
import type { Callee } from './routines.ts';

export interface RegionInsn {
  readonly decoded: Decoded;
  /** A call of a function that only loads its return address into a register (PIC code's), at this offset: done in place. */
  readonly thunk?: number;
}

export interface Block {
  readonly index: number;
  readonly insns: readonly RegionInsn[];
  readonly eip: number;
  /** Where control goes on behind its last instruction. */
  readonly next: number;
  /** Blocks that it leads to, twice where a jump leads to what follows it; by `call`, the one that the call returns to. */
  readonly successors: readonly number[];
  readonly isCall: boolean;
  /** Control may also go where no block of the region is. */
  readonly leaves: boolean;
}

export interface Region {
  readonly blocks: readonly Block[];
  /** Block by the EIP that it starts at. */
  readonly byEip: ReadonlyMap<number, Block>;
  /** Blocks at which control may come in: the hot place, where calls return to, targets of indirect jumps. */
  readonly entries: readonly Block[];
  readonly hasIndirectJumps: boolean;
}

/** What the processor knows of its decoded code. */
export interface CodeSource {
  /** Undefined where the instruction is not to be compiled. */
  compilable(eip: number): Decoded | undefined;
  /** Has the branch at `eip` ever been taken? */
  isTaken(eip: number): boolean;
  /** Where the indirect jump at `eip` has led. */
  jumpTargets(eip: number): readonly number[];
  /** Compiled code that begins at `eip` and may be called without looking for it. */
  callee(eip: number): Callee | undefined;
}

const MAX_INSNS = 3000;
const MAX_BLOCKS = 600;
/** Instructions in a block: slices end between blocks, and exact ones not much too late (cpu.ts, ROW). */
const MAX_BLOCK = 40;
/** Jumps farther than this leave the region. */
const MAX_DISTANCE = 0x1_0000;

export const relativeTarget = ({ operands }: Decoded): number | undefined =>
  operands.find((operand) => operand.kind === 'relative')?.value;

export const isNearCall = ({ insn }: Decoded): boolean => insn.name === 'call';

/** `mov (%esp), %reg; ret`: the register's offset. */
function thunkRegister(source: CodeSource, eip: number): number | undefined {
  const first = source.compilable(eip);
  if (first?.insn.name !== 'mov' || first.operands[1].kind !== 'memory' || first.operands[0].kind !== 'register')
    return undefined;
  const { base, index, displacement, segment } = first.operands[1].address!;
  const isTop = base === STATE.gpr + ESP * 4 && index === STATE.zero && segment === STATE.zero && displacement === 0;
  const { offset, size } = first.operands[0];
  if (!isTop || size !== 4 || offset === STATE.gpr + ESP * 4) return undefined;
  const second = source.compilable(eip + first.length);
  return second?.insn.name === 'ret' && second.operands.length === 0 && second.operandSize === 4 ? offset : undefined;
}

/** All instructions that are reached, by EIP; and the EIPs that start blocks or that control can come back to. */
class Scout {
  readonly insns = new Map<number, RegionInsn>();
  readonly leaders = new Set<number>();
  readonly entries = new Set<number>();
  hasIndirectJumps = false;
  readonly #source: CodeSource;
  readonly #start: number;
  readonly #isComplete: boolean;
  readonly #open: number[] = [];

  constructor(source: CodeSource, start: number, isComplete: boolean) {
    this.#source = source;
    this.#start = start;
    this.#isComplete = isComplete;
    this.#enter(start);
    while (this.#open.length > 0 && this.insns.size < MAX_INSNS) this.#follow(this.#open.shift()!);
  }

  #lead(eip: number): void {
    if (this.leaders.has(eip) || Math.abs(eip - this.#start) > MAX_DISTANCE) return;
    if (this.leaders.size >= MAX_BLOCKS) return;
    this.leaders.add(eip);
    this.#open.push(eip);
  }
  #enter(eip: number): void {
    this.#lead(eip);
    this.entries.add(eip);
  }

  #follow(from: number): void {
    for (let eip = from; !this.insns.has(eip) && this.insns.size < MAX_INSNS; ) {
      const decoded = this.#source.compilable(eip);
      if (!decoded) return;
      const next = eip + decoded.length;
      if (decoded.insn.options.branch) {
        this.insns.set(eip, this.#branch(decoded, next));
        return;
      }
      this.insns.set(eip, { decoded });
      eip = next;
    }
  }

  #branch(decoded: Decoded, next: number): RegionInsn {
    const { options, name } = decoded.insn;
    const target = relativeTarget(decoded);
    if (isNearCall(decoded) && target !== next) {
      const thunk = target === undefined || decoded.operandSize !== 4 ? undefined : thunkRegister(this.#source, target);
      if (thunk === undefined) this.#enter(next);
      else this.#lead(next);
      return { decoded, thunk };
    }
    const isTaken = this.#isComplete || options.ends || this.#source.isTaken(decoded.eip);
    if (target !== undefined && isTaken) this.#lead(target);
    if (!options.ends) this.#lead(next);
    // A system call comes back here.
    if (name === 'int') this.#enter(next);
    if (name === 'jmp' && target === undefined) {
      this.hasIndirectJumps = true;
      for (const one of this.#source.jumpTargets(decoded.eip)) this.#enter(one);
    }
    return { decoded };
  }
}

interface Draft {
  readonly index: number;
  readonly insns: RegionInsn[];
  readonly next: number;
}

function draftBlocks({ insns, leaders }: Scout): Draft[] {
  const drafts: Draft[] = [];
  let open: RegionInsn[] = [];
  const addresses = [...insns.keys()].sort((a, b) => a - b);
  addresses.forEach((eip, i) => {
    const insn = insns.get(eip)!;
    open.push(insn);
    const next = eip + insn.decoded.length;
    const isLast = addresses[i + 1] !== next || leaders.has(next) || open.length >= MAX_BLOCK;
    if (!isLast && !insn.decoded.insn.options.branch) return;
    drafts.push({ index: drafts.length, insns: open, next });
    open = [];
  });
  return drafts;
}

function finishBlock({ index, insns, next }: Draft, byEip: ReadonlyMap<number, Draft>): Block {
  const { decoded, thunk } = insns[insns.length - 1];
  const { ends, branch } = decoded.insn.options;
  const target = branch ? relativeTarget(decoded) : undefined;
  const isCall = isNearCall(decoded) && thunk === undefined && target !== next;
  const targets = [...(target === undefined || isCall || thunk !== undefined ? [] : [target]), ...(ends ? [] : [next])];
  const successors = targets.flatMap((eip) => byEip.get(eip)?.index ?? []);
  const leaves = (ends && target === undefined) || targets.some((eip) => !byEip.has(eip));
  return { index, insns, eip: insns[0].decoded.eip, next, successors, isCall, leaves };
}

/**
 * The region around `start`; undefined when there is nothing to compile. `isComplete`: with what was never jumped to. A slice may
 * have ended in the middle of a loop's straight code, which it would only tear apart: the region starts where that begins.
 */
export function findRegion(source: CodeSource, start: number, isComplete = false): Region | undefined {
  const region = regionFrom(source, start, isComplete);
  const isTorn = ({ insns, next }: Block): boolean =>
    next === start && !insns[insns.length - 1].decoded.insn.options.branch;
  const before = isComplete ? undefined : region?.blocks.find(isTorn);
  return before ? regionFrom(source, before.eip, false) : region;
}

function regionFrom(source: CodeSource, start: number, isComplete: boolean): Region | undefined {
  const scout = new Scout(source, start, isComplete);
  if (!scout.insns.has(start)) return undefined;
  const drafts = draftBlocks(scout);
  const draftByEip = new Map(drafts.map((draft) => [draft.insns[0].decoded.eip, draft]));
  const blocks = drafts.map((draft) => finishBlock(draft, draftByEip));
  const byEip = new Map(blocks.map((block) => [block.eip, block]));
  const entries = [...scout.entries].flatMap((eip) => byEip.get(eip) ?? []);
  return { blocks, byEip, entries, hasIndirectJumps: scout.hasIndirectJumps };
}
