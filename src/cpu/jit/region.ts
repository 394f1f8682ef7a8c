/** Finds what is compiled together: the blocks that hot code reaches by direct jumps, calls excepted. */
import type { Decoded } from '../decode/decoded.ts';

export interface RegionInsn {
  readonly decoded: Decoded;
  /** Its record: where the interpreter would run it. */
  readonly record: number;
}

export interface Block {
  readonly index: number;
  readonly insns: readonly RegionInsn[];
  /** Where control goes on behind its last instruction. */
  readonly next: number;
}

export interface Region {
  readonly blocks: readonly Block[];
  /** Block by the EIP that it starts at. */
  readonly byEip: ReadonlyMap<number, Block>;
  /** Blocks at which control may come in: the hot place, and where calls return to. */
  readonly entries: readonly Block[];
}

/** What the processor knows of its decoded code. */
export interface CodeSource {
  /** Undefined where the instruction is not to be compiled. */
  compilable(eip: number): RegionInsn | undefined;
}

const MAX_INSNS = 200;
/** Jumps farther than this leave the region. */
const MAX_DISTANCE = 0x8000;

const relativeTarget = ({ operands }: Decoded): number | undefined =>
  operands.find((operand) => operand.kind === 'relative')?.value;

/** All instructions that are reached, by EIP; and the EIPs that start blocks or that control can come back to. */
class Scout {
  readonly insns = new Map<number, RegionInsn>();
  readonly leaders = new Set<number>();
  readonly entries = new Set<number>();
  readonly #source: CodeSource;
  readonly #start: number;
  readonly #open: number[] = [];

  constructor(source: CodeSource, start: number) {
    this.#source = source;
    this.#start = start;
    this.#lead(start);
    this.entries.add(start);
    while (this.#open.length > 0 && this.insns.size < MAX_INSNS) this.#follow(this.#open.shift()!);
  }

  #lead(eip: number): void {
    if (this.leaders.has(eip) || Math.abs(eip - this.#start) > MAX_DISTANCE) return;
    this.leaders.add(eip);
    this.#open.push(eip);
  }

  #follow(from: number): void {
    for (let eip = from; !this.insns.has(eip) && this.insns.size < MAX_INSNS; ) {
      const insn = this.#source.compilable(eip);
      if (!insn) return;
      this.insns.set(eip, insn);
      const { options, name } = insn.decoded.insn;
      eip += insn.decoded.length;
      if (!options.branch) continue;
      const target = relativeTarget(insn.decoded);
      const isCall = name.startsWith('call');
      if (target !== undefined && !isCall) this.#lead(target);
      if (!options.ends) this.#lead(eip);
      if (isCall) this.entries.add(eip);
      return;
    }
  }
}

/** The region around `start`; undefined when there is nothing to compile. */
export function findRegion(source: CodeSource, start: number): Region | undefined {
  const scout = new Scout(source, start);
  if (!scout.insns.has(start)) return undefined;
  const addresses = [...scout.insns.keys()].sort((a, b) => a - b);
  const blocks: Block[] = [];
  const byEip = new Map<number, Block>();
  let insns: RegionInsn[] = [];
  addresses.forEach((eip, i) => {
    const insn = scout.insns.get(eip)!;
    insns.push(insn);
    const next = eip + insn.decoded.length;
    const following = addresses[i + 1] === next ? scout.insns.get(next) : undefined;
    // Credit counts records: a block's lie in a row.
    const isOpen =
      following &&
      !scout.leaders.has(next) &&
      following.record === insn.record + 32 &&
      !insn.decoded.insn.options.branch;
    if (isOpen) return;
    const block = { index: blocks.length, insns, next };
    blocks.push(block);
    byEip.set(insns[0].decoded.eip, block);
    insns = [];
  });
  const entries = [...scout.entries].flatMap((eip) => byEip.get(eip) ?? []);
  return { blocks, byEip, entries };
}
