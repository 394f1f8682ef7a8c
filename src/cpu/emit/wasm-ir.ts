/**
 * What the wasm emitter writes down before it becomes bytes: statements in program order, each a value or an effect.
 *
 * Values that are used once, right after they were computed, stay on wasm's operand stack; others get a local, which is
 * free again after its last use. Few locals matter: V8 merges every assigned local at the head of the interpreter's loop.
 */
import type { WasmType } from './emitter.ts';
import type { Bytes } from './wasm-writer.ts';

/** Ways out of the code, resolved by the assembler: an exit, or execution goes on elsewhere. */
export type Exitway =
  | 'fault'
  | 'trap'
  | 'pageFault'
  | 'lookup'
  | 'link'
  | 'land'
  | 'restart'
  | 'next'
  | 'proceed'
  | 'join'
  | CompiledExit;
/** Those of compiled regions: to a block, to it with the registers loaded anew, to the block of a number, out with an answer. */
export type CompiledExit = 'block' | 'resume' | 'dispatch' | 'answer';

/** A local that a variable lives in; the index is known when the code is assembled. */
export interface LocalSlot {
  readonly type: WasmType;
  local: number;
}

/** Registers (a bit each) that are stored, and whether those as well that were not stored before the block at hand. */
export interface Spill {
  readonly dirty: number;
  readonly inherits: boolean;
}

/** Where an `escape` goes to: the second arm of its `if`. */
export interface Label {
  /** Nesting inside of the block that ends there. */
  depth: number;
  isUsed: boolean;
}

export interface Node {
  readonly kind: 'op' | 'if' | 'escape' | 'while' | 'goto' | 'call' | 'result' | 'spill';
  readonly type: WasmType | undefined;
  /** Opcode and immediates. */
  readonly code: readonly number[];
  readonly args: readonly Node[];
  /** Cheap and unchanging: written again at each use (constants, the record pointer). */
  readonly inline: boolean;
  /** Must be kept even when nobody uses the value. */
  effect: boolean;
  /** Value of an i32 constant. */
  readonly constant?: number;
  /** Only ever 0 or 1. */
  readonly isBool?: boolean;
  readonly lists?: readonly Node[][];
  /** while: the value that keeps it going, computed by the first list. */
  readonly condition?: Node;
  readonly exitway?: Exitway;
  /** goto 'block': which one of the region's. */
  readonly block?: number;
  readonly results?: readonly Node[];
  readonly label?: Label;
  /** if: its first list hardly ever runs. */
  isRare: boolean;
  readonly variable?: LocalSlot;
  /** spill: what goes to the register file. */
  readonly spill?: Spill;
  uses: number;
  local: number;
  loop: number;
}

export function node(fields: Partial<Node> & { code: readonly number[] }): Node {
  // Written out: an interpreter is some 100,000 of these.
  return {
    kind: fields.kind ?? 'op',
    type: fields.type,
    code: fields.code,
    args: fields.args ?? NO_ARGS,
    inline: fields.inline ?? false,
    effect: fields.effect ?? false,
    constant: fields.constant,
    isBool: fields.isBool,
    lists: fields.lists,
    condition: fields.condition,
    exitway: fields.exitway,
    block: fields.block,
    results: fields.results,
    label: fields.label,
    isRare: fields.isRare ?? false,
    variable: fields.variable,
    spill: fields.spill,
    uses: 0,
    local: -1,
    loop: 0,
  };
}
const NO_ARGS: readonly Node[] = [];

/** Hands out a function's locals by type. */
export class LocalPool {
  readonly #first: number;
  readonly types: WasmType[];
  #free: number[] = [];

  /** `fixed` are locals that are never handed out. */
  constructor(parameters: number, fixed: readonly WasmType[]) {
    this.#first = parameters;
    this.types = [...fixed];
  }

  take(type: WasmType): number {
    const at = this.#free.findIndex((index) => this.types[index - this.#first] === type);
    if (at >= 0) return this.#free.splice(at, 1)[0];
    this.types.push(type);
    return this.#first + this.types.length - 1;
  }

  give(index: number): void {
    this.#free.push(index);
  }

  /** Everything that was ever handed out is free again. */
  reset(fixed: number): void {
    this.#free = this.types.slice(fixed).map((_, i) => this.#first + fixed + i);
  }
}

/** Counts uses backwards and says what is alive: effects, and what they need. */
export function countUses(list: readonly Node[]): void {
  for (let i = list.length - 1; i >= 0; i--) {
    const one = list[i];
    if (one.kind === 'while') countLoop(one);
    else if (one.lists) countArms(one);
    if (isAlive(one)) for (const arg of one.args) arg.uses++;
  }
}

function countLoop(one: Node): void {
  countUses(one.lists![1]);
  one.condition!.uses++;
  countUses(one.lists![0]);
}

/** An `if` is needed for what its arms do. */
function countArms(one: Node): void {
  for (const list of one.lists!) countUses(list);
  one.effect = one.lists!.some((list) => list.some(isAlive));
}

function isAlive(one: Node): boolean {
  return one.effect || one.uses > 0;
}

interface Tree {
  readonly node: Node;
  /** Values that get their local inside this tree. */
  readonly teed: ReadonlySet<Node>;
  /** A tree to compute in place, or a value to get. */
  readonly args: readonly (Tree | Node)[];
}

const NONE: ReadonlySet<Node> = new Set();

/** What the arguments' trees give locals to, they themselves among it. */
function teedIn(args: readonly (Tree | Node)[]): ReadonlySet<Node> {
  let teed: Set<Node> | undefined;
  for (const arg of args) {
    if (!isTree(arg) || (arg.node.uses <= 1 && arg.teed.size === 0)) continue;
    teed ??= new Set();
    if (arg.node.uses > 1) teed.add(arg.node);
    for (const one of arg.teed) teed.add(one);
  }
  return teed ?? NONE;
}

const isTree = (arg: Tree | Node): arg is Tree => 'node' in arg;

export interface Assembler {
  readonly out: Bytes;
  readonly locals: LocalPool;
  /** Nesting of blocks and of while loops here. */
  depth: number;
  loop: number;
  /** Writes the way out; its argument, if any, is not yet on the stack. */
  leave(way: Exitway, argument: (() => void) | undefined, block: number | undefined): void;
  /** Where branches are that are hardly ever taken. */
  readonly rare?: number[];
  /** Compiled regions only. */
  spill?(what: Spill): void;
}

function isFetchedEarlier(args: readonly Node[], end: number, { node: top, teed }: Tree): boolean {
  for (let i = 0; i < end; i++) if (args[i] === top || teed.has(args[i])) return true;
  return false;
}

/** Folds values into their user where that keeps the order of everything. */
function foldTrees(list: readonly Node[], condition?: Node): { trees: Tree[]; last: Tree | Node | undefined } {
  const pending: Tree[] = [];
  const fold = (args: readonly Node[]): readonly (Tree | Node)[] => {
    if (args.length === 0) return NO_ARGS;
    const folded: (Tree | Node)[] = [...args];
    for (let i = args.length - 1; i >= 0; i--) {
      const top = pending.at(-1);
      if (top?.node !== args[i]) continue;
      // An argument further left would be fetched before its local is set.
      if (isFetchedEarlier(args, i, top)) break;
      folded[i] = pending.pop()!;
    }
    return folded;
  };
  for (const one of list) {
    if (one.inline || !isAlive(one)) continue;
    const args = fold(one.args);
    pending.push({ node: one, args, teed: teedIn(args) });
  }
  const last = condition && fold([condition])[0];
  return { trees: pending, last };
}

export function assemble(as: Assembler, list: readonly Node[]): void {
  for (const tree of foldTrees(list).trees) assembleStatement(as, tree);
}

function assembleStatement(as: Assembler, tree: Tree): void {
  const { node: one } = tree;
  assembleTree(as, tree);
  if (one.kind === 'call') for (const result of [...one.results!].reverse()) keep(as, result);
  else if (one.type) keep(as, one);
}

/** Takes a value off the stack into a local, or drops it. */
function keep(as: Assembler, one: Node): void {
  if (one.uses === 0) as.out.u8(0x1a);
  else as.out.u8(0x21).u32(assign(as, one));
}

function assign(as: Assembler, one: Node): number {
  one.local = as.locals.take(one.type!);
  one.loop = as.loop;
  return one.local;
}

function get(as: Assembler, one: Node): void {
  if (one.inline) {
    as.out.all(one.code);
    return;
  }
  if (one.local < 0) throw new Error('a value is used outside of where it was computed');
  as.out.u8(0x20).u32(one.local);
  release(as, one);
}

/** A use is done. Inside a loop that the value came into, it may be needed again. */
function release(as: Assembler, one: Node): void {
  if (--one.uses === 0 && one.loop === as.loop) as.locals.give(one.local);
}

function assembleArg(as: Assembler, arg: Tree | Node): void {
  if (!isTree(arg)) {
    get(as, arg);
    return;
  }
  assembleTree(as, arg);
  if (arg.node.uses === 1) return;
  as.out.u8(0x22).u32(assign(as, arg.node));
  release(as, arg.node);
}

function assembleTree(as: Assembler, { node: one, args }: Tree): void {
  if (one.kind === 'goto') {
    as.leave(one.exitway!, args.length ? () => assembleArg(as, args[0]) : undefined, one.block);
    return;
  }
  if (one.spill) {
    as.spill!(one.spill);
    return;
  }
  if (one.kind === 'if' && one.label) {
    assembleAttempt(as, one, args[0], one.label);
    return;
  }
  for (const arg of args) assembleArg(as, arg);
  if (one.kind === 'if') assembleIf(as, one);
  else if (one.kind === 'escape') as.out.u8(0x0d).u32(as.depth - one.label!.depth);
  else if (one.kind === 'while') assembleWhile(as, one);
  else as.out.all(one.code);
  if (one.variable) as.out.u32(one.variable.local);
}

function assembleIf(as: Assembler, one: Node): void {
  const [then, otherwise] = one.lists!;
  as.depth++;
  if (one.isRare) as.rare?.push(as.out.length);
  as.out.all([0x04, 0x40]);
  assemble(as, then);
  if (otherwise.some(isAlive)) {
    as.out.u8(0x05);
    assemble(as, otherwise);
  }
  as.out.u8(0x0b);
  as.depth--;
}

/** An `if` whose first arm may go to the second one. */
function assembleAttempt(as: Assembler, one: Node, condition: Tree | Node, label: Label): void {
  const [then, otherwise] = one.lists!;
  as.out.all([0x02, 0x40, 0x02, 0x40]);
  as.depth += 2;
  label.depth = as.depth;
  assembleArg(as, condition);
  as.out.all([0x45, 0x0d, 0]);
  assemble(as, then);
  as.out.all([0x0c, 1, 0x0b]);
  as.depth--;
  assemble(as, otherwise);
  as.out.u8(0x0b);
  as.depth--;
}

function assembleWhile(as: Assembler, one: Node): void {
  const [before, body] = one.lists!;
  as.out.all([0x02, 0x40, 0x03, 0x40]);
  as.depth += 2;
  as.loop++;
  const { trees, last } = foldTrees(before, one.condition);
  for (const tree of trees) assembleStatement(as, tree);
  assembleArg(as, last!);
  as.out.all([0x45, 0x0d, 1]);
  assemble(as, body);
  as.out.all([0x0c, 0, 0x0b, 0x0b]);
  as.depth -= 2;
  as.loop--;
}
