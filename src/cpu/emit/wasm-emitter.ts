/**
 * The wasm emitter: bodies become WebAssembly. What differs between the interpreter (operands from the decoded record) and
 * compiled code (operands constant) is left to subclasses: operands, addresses and the ways out.
 */
import { PERMISSION_READ, PERMISSION_WRITE, VM_PERMISSIONS } from '../../memory/vm-layout.ts';
import { Inner } from '../inner.ts';
import { VM_STATE } from '../layout.ts';
import { STATE } from '../state.ts';
import type { MemoryType } from './base-emitter.ts';
import { MEMORY_BYTES } from './base-emitter.ts';
import { CompiledEmitter } from './compiled-emitter.ts';
import type { Arm, ConditionCode, Flags, Operand, Variable, WasmType } from './emitter.ts';
import { applyOp } from './evaluate-ops.ts';
import { FlagOrigin } from './flag-origin.ts';
import { lazyFlags } from './flags.ts';
import type { NumericOp } from './ops.ts';
import { I32 } from './ops.ts';
import type { Routine } from './routine.ts';
import { accessCode, bytesOf } from './wasm-codes.ts';
import type { Exitway, Label, LocalSlot, Node } from './wasm-ir.ts';
import { node } from './wasm-ir.ts';
import {
  ACCESS_SIZE,
  ACCESS_WRITE,
  checkTypes,
  constantBytes,
  IDENTITY,
  isBoolOp,
  LANE_OPS,
  LOAD,
  STORE,
  VALUE_TYPE,
} from './wasm-tables.ts';
import { Bytes, leb, TYPE_CODE } from './wasm-writer.ts';

/** How emitted code reaches the VM's data, and who protects pages (DESIGN section 2). */
export interface WasmTarget {
  readonly protection: 'hardware' | 'software';
  readonly vmIndex: number;
  readonly vmOffset: number;
}

/** Functions that routines became. */
export interface RoutineTable {
  index(routine: Routine): number;
}

/** An arm that is taken in any case has no other one to go to. */
function withoutGivingUp(arm: Arm<Node>): void {
  arm(() => {
    throw new Error('an arm without another one');
  });
}

/** Ways out that are not a program's usual course. */
const RARE = new Set<Exitway>(['fault', 'trap', 'pageFault', 'restart', 'answer']);
const FLAG_WORDS = new Set<number>([STATE.flagResult, STATE.flagAux]);

export abstract class WasmEmitter extends CompiledEmitter<Node> {
  protected readonly target: WasmTarget;
  readonly #routines: RoutineTable;
  #list: Node[] = [];
  readonly #outer: Node[][] = [];
  readonly #outerEnded: boolean[] = [];
  #isEnded = false;
  #variables: LocalSlot[] = [];
  readonly #flagOrigin: FlagOrigin;
  /** The last store to each of the flags' words, while nothing could have read it; and the word that is being stored. */
  readonly #unseenFlags = new Map<number, { store: Node; list: Node[] }>();
  #nextFlagStore: number | undefined;
  override readonly flags: Flags<Node>;
  /** The access whose address STATE.lastAccess already holds here. */
  #noted: { address: Node; list: Node[]; kind: number } | undefined;

  constructor(target: WasmTarget, routines: RoutineTable) {
    super((op, args) => this.#apply(op, args), {
      shuffle: (a, b, indices) => this.#op([0xfd, 13, ...indices], 'v128', [a, b]),
      extractLane: (shape, a, lane) => this.#op([0xfd, LANE_OPS[shape].extract, lane], LANE_OPS[shape].type, [a]),
      replaceLane: (shape, a, lane, value) => this.#op([0xfd, LANE_OPS[shape].replace, lane], 'v128', [a, value]),
    });
    this.target = target;
    this.#routines = routines;
    this.#flagOrigin = new FlagOrigin(this);
    this.flags = this.#flagOrigin.remembering(this.deferFlags(lazyFlags(this)));
  }

  /** Compiled code computes flags only where somebody asks for them. */
  protected deferFlags(flags: Flags<Node>): Flags<Node> {
    return flags;
  }

  override condition(code: ConditionCode): Node {
    const positive = this.#flagOrigin.condition(code >> 1);
    if (!positive) return super.condition(code);
    return code & 1 ? this.eqz(positive) : positive;
  }

  /** The statements so far, and the mutable locals that they use. */
  get statements(): Node[] {
    return this.#list;
  }
  get variables(): readonly LocalSlot[] {
    return this.#variables;
  }
  /** Do values of this list hold here? */
  isVisible(list: Node[]): boolean {
    return list === this.#list || this.#outer.includes(list);
  }
  /** True when control cannot reach this point. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Other code, which begins with nothing known. */
  protected startOver(): void {
    this.#list = [];
    this.#isEnded = false;
    this.#variables = [];
    this.#flagOrigin.forget();
    this.#noted = undefined;
    this.#unseenFlags.clear();
  }

  /** Nothing that was noted about the running instruction holds any more. */
  protected forgetAccess(): void {
    this.#noted = undefined;
  }

  protected append(one: Node): Node {
    if (!this.#isEnded) this.#list.push(one);
    return one;
  }
  #op(code: readonly number[], type: WasmType | undefined, args: readonly Node[]): Node {
    return this.append(node({ code, type, args }));
  }

  #apply(op: NumericOp, args: Node[]): Node {
    checkTypes(args, op.parameters);
    if (IDENTITY.get(op) !== undefined && args[1].constant === IDENTITY.get(op)) return args[0];
    if (op.result === 'i32' && args.every((a) => a.constant !== undefined)) {
      const isTrapping = op.code >= I32.divS.code && op.code <= I32.remU.code && args[1].constant === 0;
      if (!isTrapping)
        return this.const(
          applyOp(
            op,
            args.map((a) => a.constant!),
          ) as number,
        );
    }
    return this.append(node({ code: bytesOf(op), type: op.result, args, isBool: isBoolOp(op, args) }));
  }

  readonly #constants = new Map<number, Node>();
  const(value: number): Node {
    const constant = value | 0;
    let known = this.#constants.get(constant);
    if (!known) {
      known = node({
        code: constantBytes(constant),
        type: 'i32',
        inline: true,
        constant,
        isBool: constant === 0 || constant === 1,
      });
      this.#constants.set(constant, known);
    }
    return known;
  }
  const64(value: bigint): Node {
    return node({ code: [...new Bytes().u8(0x42).s64(value).bytes()], type: 'i64', inline: true });
  }
  constF64(value: number): Node {
    const bytes = new Uint8Array(new Float64Array([value]).buffer);
    return node({ code: [0x44, ...bytes], type: 'f64', inline: true });
  }
  constV128(bytes: readonly number[]): Node {
    return node({ code: [0xfd, 12, ...bytes], type: 'v128', inline: true });
  }
  override bool(condition: Node): Node {
    return condition.isBool ? condition : super.bool(condition);
  }

  /** Loads and stores of the VM's own data: `address` counts from the wasm index 0 of its area. */
  protected vmLoad(address: Node, type: MemoryType, offset: number): Node {
    return this.#op(accessCode(LOAD, type, this.target.vmOffset + offset), VALUE_TYPE[type], [address]);
  }
  protected vmStore(address: Node, value: Node, type: MemoryType, offset: number): void {
    checkTypes([address, value], ['i32', VALUE_TYPE[type]]);
    const code = accessCode(STORE, type, this.target.vmOffset + offset);
    const store = this.append(node({ code, args: [address, value], effect: true }));
    if (this.#nextFlagStore !== undefined) this.#unseenFlags.set(this.#nextFlagStore, { store, list: this.#list });
    this.#nextFlagStore = undefined;
  }
  #vmAddress(index?: Node): Node {
    const base = this.const(this.target.vmIndex);
    return index === undefined ? base : this.add(index, base);
  }

  /** A store to one of the flags' words that nobody can have seen since: it need not be. */
  #overwriteFlags(offset: number): void {
    const unseen = this.#unseenFlags.get(offset);
    if (unseen?.list === this.#list) unseen.store.effect = false;
    this.#nextFlagStore = offset;
  }
  /** From here on the flags may be looked at: by a fault's handler, another path, other code. */
  #showFlags(): void {
    this.#unseenFlags.clear();
  }

  state(offset: number, type: MemoryType = 'i32', index?: Node): Node {
    if (FLAG_WORDS.has(offset) || index !== undefined) this.#showFlags();
    return this.vmLoad(this.#vmAddress(index), type, VM_STATE + offset);
  }
  setState(offset: number, value: Node, type: MemoryType = 'i32', index?: Node): void {
    if (FLAG_WORDS.has(offset)) {
      this.#flagOrigin.forget();
      this.#overwriteFlags(offset);
    }
    this.vmStore(this.#vmAddress(index), value, type, VM_STATE + offset);
  }

  /** The record that executes; undefined in routines, which may not touch guest memory. */
  protected abstract recordPointer(): Node | undefined;

  /** Before a guest access: where we are and what we touch, for whoever handles its fault. */
  protected note(address: Node, kind: number): void {
    const record = this.recordPointer();
    if (!record) throw new Error('a routine may not access guest memory');
    this.setState(STATE.record, this.or(record, this.const(kind)));
    this.setState(STATE.lastAccess, address);
  }

  /** The access that follows may fault: what is kept elsewhere than in the register file goes there. */
  protected beforeAccess(): void {}

  /** What was checked once need not be checked again: the store of a read-modify-write costs nothing more. */
  #checkAccess(address: Node, bytes: number, isWrite: boolean): void {
    this.beforeAccess();
    this.#showFlags();
    const kind = ACCESS_SIZE[bytes]! | (isWrite ? ACCESS_WRITE : 0);
    const { address: known, list, kind: knownKind } = this.#noted ?? {};
    const isKnown =
      known === address && list === this.#list && (kind === knownKind || (kind | ACCESS_WRITE) === knownKind);
    if (isKnown) return;
    if (this.target.protection === 'hardware') this.note(address, kind);
    else this.#checkPermission(address, bytes, kind);
    this.#noted = { address, list: this.#list, kind };
  }

  #checkPermission(address: Node, bytes: number, kind: number): void {
    const page = (at: Node): Node =>
      this.vmLoad(this.add(this.shrU(at, this.const(12)), this.const(this.target.vmIndex)), 'u8', VM_PERMISSIONS);
    const first = page(address);
    const both = bytes === 1 ? first : this.and(first, page(this.add(address, this.const(bytes - 1))));
    this.if(this.eqz(this.and(both, this.const(kind & ACCESS_WRITE ? PERMISSION_WRITE : PERMISSION_READ))), () => {
      this.note(address, kind);
      this.leave('pageFault');
    });
  }

  protected guestLoad(address: Node, type: MemoryType, isModified = false): Node {
    this.#checkAccess(address, MEMORY_BYTES[type], isModified);
    const code = accessCode(LOAD, type, 0);
    return this.append(node({ code, type: VALUE_TYPE[type], args: [address], effect: true }));
  }
  /** v128.load32_zero and load64_zero. */
  override loadExtended(operand: Operand, size: 4 | 8): Node {
    if (operand.kind !== 'memory') return super.loadExtended(operand, size);
    const address = this.operandAddress(operand);
    this.#checkAccess(address, size, false);
    const code = [0xfd, size === 4 ? 0x5c : 0x5d, 0, 0];
    return this.append(node({ code, type: 'v128', args: [address], effect: true }));
  }
  protected guestStore(address: Node, value: Node, type: MemoryType): void {
    checkTypes([address, value], ['i32', VALUE_TYPE[type]]);
    this.#checkAccess(address, MEMORY_BYTES[type], true);
    this.append(node({ code: accessCode(STORE, type, 0), args: [address, value], effect: true }));
  }
  /** In fs or gs, whose segments have a base and end at offset 4 GiB: what would go beyond is for the evaluator to refuse. */
  protected inSegment(offset: Node, base: Node, size: number): Node {
    this.if(this.gtU(offset, this.const(-size)), () => this.fault(Inner.evaluate));
    return this.add(offset, base);
  }

  select(condition: Node, a: Node, b: Node): Node {
    checkTypes([condition, b], ['i32', a.type!]);
    if (condition.constant !== undefined) return condition.constant ? a : b;
    const type = a.type!;
    const code = type === 'v128' ? [0x1c, 1, TYPE_CODE[type]] : [0x1b];
    return this.append(node({ code, type, args: [a, b, condition], isBool: a.isBool && b.isBool }));
  }

  variable(type: WasmType, initial: Node): Variable<Node> {
    const variable: LocalSlot = { type, local: -1 };
    this.#variables.push(variable);
    const set = (value: Node): void => {
      checkTypes([value], [type]);
      this.append(node({ code: [0x21], args: [value], effect: true, variable }));
    };
    set(initial);
    return { set, get: () => this.append(node({ code: [0x20], type, variable })) };
  }

  /** Fills a list; does it end, so that nothing runs behind it? */
  #inList(list: Node[], fill: () => void): boolean {
    this.#showFlags();
    const noted = this.#noted;
    this.#outer.push(this.#list);
    this.#outerEnded.push(this.#isEnded);
    this.#list = list;
    if (noted) this.#noted = { ...noted, list };
    fill();
    const isEnded = this.#isEnded;
    this.#list = this.#outer.pop()!;
    this.#isEnded = this.#outerEnded.pop()!;
    this.#noted = undefined;
    return isEnded;
  }

  if(condition: Node, then: Arm<Node>, otherwise: () => void = () => {}): void {
    if (condition.constant !== undefined) {
      if (condition.constant) withoutGivingUp(then);
      else otherwise();
      return;
    }
    const label: Label = { depth: -1, isUsed: false };
    const giveUp = (isDue: Node): void => {
      label.isUsed = true;
      this.append(node({ kind: 'escape', code: [], args: [isDue], label, effect: true }));
    };
    const noted = this.#noted;
    const lists: Node[][] = [[], []];
    const isThenEnded = this.#inList(lists[0], () => then(giveUp));
    this.#noted = noted && { ...noted, list: this.#list };
    const isElseEnded = this.#inList(lists[1], otherwise);
    // Where one arm always leaves, what holds in the other holds after it.
    if (isThenEnded && lists[1].length === 0) this.#noted = noted;
    const way = lists[0].at(-1)?.exitway;
    const isRare = way !== undefined && RARE.has(way);
    const used = label.isUsed ? label : undefined;
    this.append(node({ kind: 'if', code: [], args: [condition], lists, label: used, isRare }));
    if (isThenEnded && isElseEnded) this.#isEnded = true;
  }

  /** As `if`, of what hardly ever happens. */
  protected rarely(condition: Node, then: () => void): void {
    this.if(condition, then);
    const last = this.#list.at(-1);
    if (last?.kind === 'if') last.isRare = true;
  }

  while(condition: () => Node, body: () => void): void {
    let value: Node | undefined;
    this.#noted = undefined;
    const lists: Node[][] = [[], []];
    this.#inList(lists[0], () => {
      value = condition();
    });
    this.#inList(lists[1], body);
    this.append(node({ kind: 'while', code: [], lists, condition: value, effect: true }));
  }

  call(routine: Routine, ...args: Node[]): Node[] {
    const code = [0x10, ...leb(this.#routines.index(routine))];
    checkTypes(args, routine.parameters);
    this.#showFlags();
    const results = routine.results.map((type) => node({ kind: 'result', code: [], type }));
    this.append(node({ kind: 'call', code, args, results, effect: true }));
    return results;
  }

  /** Control leaves this code. */
  protected leave(exitway: Exitway, argument?: Node): void {
    this.#showFlags();
    this.append(node({ kind: 'goto', code: [], args: argument ? [argument] : [], exitway, effect: true }));
    this.end();
  }
  /** Nothing runs behind this point. */
  protected end(): void {
    this.#isEnded = true;
  }

  #stop(way: 'fault' | 'trap', reason: number, detail = this.const(0)): void {
    this.setState(STATE.exitReason, this.const(reason));
    this.setState(STATE.exitDetail, detail);
    this.leave(way);
  }
  fault(vector: number, detail?: Node): void {
    this.#stop('fault', vector, detail);
  }
  trap(reason: number, detail?: Node): void {
    this.#stop('trap', reason, detail);
  }
}
