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
import type { ConditionCode, Flags, Size, Variable, WasmType } from './emitter.ts';
import { applyOp } from './evaluate-ops.ts';
import { lazyFlags } from './flags.ts';
import type { NumericOp } from './ops.ts';
import { I32 } from './ops.ts';
import type { Routine } from './routine.ts';
import type { Exitway, LocalSlot, Node } from './wasm-ir.ts';
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
  memoryArgument,
  STORE,
  VALUE_TYPE,
} from './wasm-tables.ts';
import { Bytes, leb, opcodeBytes, TYPE_CODE } from './wasm-writer.ts';

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

const FLAG_WORDS = new Set<number>([STATE.flagResult, STATE.flagAux]);

const isDifference = ({ code, args }: Node, a: Node, b: Node): boolean =>
  code[0] === I32.sub.code && args[0] === a && args[1] === b;

/** A subtraction (two operands) or a logical operation whose flags are the present ones. */
interface FlagOrigin {
  readonly operands: readonly Node[] | undefined;
  readonly result: Node;
  readonly size: Size;
  readonly list: Node[];
}

/** Sizes that one access has. */
const PROBE_TYPE: Partial<Record<number, MemoryType>> = { 1: 'u8', 2: 'u16', 4: 'i32', 8: 'i64' };

const PAGE_SIZE = 4096;

export abstract class WasmEmitter extends CompiledEmitter<Node> {
  protected readonly target: WasmTarget;
  readonly #routines: RoutineTable;
  #list: Node[] = [];
  readonly #outer: Node[][] = [];
  #ended = new Set<Node[]>();
  readonly #variables: LocalSlot[] = [];
  #flagOrigin: FlagOrigin | undefined;
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
    this.flags = this.#rememberingFlags(lazyFlags(this));
  }

  /** As `lazy`, and notes what the flags come from: a condition on them is then a comparison of its own. */
  #rememberingFlags(lazy: Flags<Node>): Flags<Node> {
    const remember = (origin: Omit<FlagOrigin, 'list'>): void => {
      this.#flagOrigin = { ...origin, list: this.#list };
    };
    return {
      ...lazy,
      sub: (a, b, difference, size) => {
        lazy.sub(a, b, difference, size);
        // Not with a borrow (SBB).
        if (isDifference(difference, a, b)) remember({ operands: [a, b], result: difference, size });
      },
      logic: (result, size) => {
        lazy.logic(result, size);
        remember({ operands: undefined, result, size });
      },
    };
  }

  /** The condition from its origin, if that still holds here; null: it takes the flags. */
  #originCondition(positive: number): Node | null {
    const origin = this.#flagOrigin;
    if (!origin || (origin.list !== this.#list && !this.#outer.includes(origin.list))) return null;
    const signed = (value: Node): Node => this.sext(value, origin.size);
    const zero = this.const(0);
    const [a, b] = origin.operands?.map((value) => this.zext(value, origin.size)) ?? [
      this.zext(origin.result, origin.size),
      zero,
    ];
    switch (positive) {
      case 1:
        return origin.operands ? this.ltU(a, b) : zero;
      case 2:
        return this.eq(a, b);
      case 3:
        return origin.operands ? this.leU(a, b) : this.eqz(a);
      case 4:
        return this.ltS(signed(origin.result), zero);
      case 6:
        return this.ltS(signed(a), signed(b));
      case 7:
        return this.leS(signed(a), signed(b));
      default:
        return null;
    }
  }

  override condition(code: ConditionCode): Node {
    const positive = this.#originCondition(code >> 1);
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
  /** True when control cannot reach this point. */
  get isEnded(): boolean {
    return this.#ended.has(this.#list);
  }

  /** Nothing that was noted about the running instruction holds any more. */
  protected forgetAccess(): void {
    this.#noted = undefined;
  }

  protected append(one: Node): Node {
    if (!this.isEnded) this.#list.push(one);
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
    return this.append(node({ code: opcodeBytes(op.code), type: op.result, args, isBool: isBoolOp(op, args) }));
  }

  const(value: number): Node {
    const constant = value | 0;
    return node({
      code: constantBytes(constant),
      type: 'i32',
      inline: true,
      constant,
      isBool: constant === 0 || constant === 1,
    });
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
    return this.#op([...LOAD[type], ...memoryArgument(this.target.vmOffset + offset)], VALUE_TYPE[type], [address]);
  }
  protected vmStore(address: Node, value: Node, type: MemoryType, offset: number): void {
    checkTypes([address, value], ['i32', VALUE_TYPE[type]]);
    const code = [...STORE[type], ...memoryArgument(this.target.vmOffset + offset)];
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
      this.#flagOrigin = undefined;
      this.#overwriteFlags(offset);
    }
    this.vmStore(this.#vmAddress(index), value, type, VM_STATE + offset);
  }

  /** The record that executes; undefined in routines, which may not touch guest memory. */
  protected abstract recordPointer(): Node | undefined;

  /** Before a guest access: where we are and what we touch, for whoever handles its fault. */
  #note(address: Node, kind: number): void {
    const record = this.recordPointer();
    if (!record) throw new Error('a routine may not access guest memory');
    this.setState(STATE.record, this.or(record, this.const(kind)));
    this.setState(STATE.lastAccess, address);
  }

  /** What was checked once need not be checked again: the store of a read-modify-write costs nothing more. */
  #checkAccess(address: Node, bytes: number, isWrite: boolean): void {
    this.#showFlags();
    const kind = ACCESS_SIZE[bytes]! | (isWrite ? ACCESS_WRITE : 0);
    const { address: known, list, kind: knownKind } = this.#noted ?? {};
    const isKnown =
      known === address && list === this.#list && (kind === knownKind || (kind | ACCESS_WRITE) === knownKind);
    if (isKnown) return;
    if (this.target.protection === 'hardware') this.#note(address, kind);
    else this.#checkPermission(address, bytes, kind);
    this.#noted = { address, list: this.#list, kind };
  }

  #checkPermission(address: Node, bytes: number, kind: number): void {
    const page = (at: Node): Node =>
      this.vmLoad(this.add(this.shrU(at, this.const(12)), this.const(this.target.vmIndex)), 'u8', VM_PERMISSIONS);
    const first = page(address);
    const both = bytes === 1 ? first : this.and(first, page(this.add(address, this.const(bytes - 1))));
    this.if(this.eqz(this.and(both, this.const(kind & ACCESS_WRITE ? PERMISSION_WRITE : PERMISSION_READ))), () => {
      this.#note(address, kind);
      this.leave('pageFault');
    });
  }

  protected guestLoad(address: Node, type: MemoryType, isModified = false): Node {
    this.#checkAccess(address, MEMORY_BYTES[type], isModified);
    const code = [...LOAD[type], ...memoryArgument(0)];
    return this.append(node({ code, type: VALUE_TYPE[type], args: [address], effect: true }));
  }
  protected guestStore(address: Node, value: Node, type: MemoryType): void {
    checkTypes([address, value], ['i32', VALUE_TYPE[type]]);
    this.#checkAccess(address, MEMORY_BYTES[type], true);
    this.append(node({ code: [...STORE[type], ...memoryArgument(0)], args: [address, value], effect: true }));
  }
  noteException(): void {
    this.trap(Inner.exception);
  }

  /** Writes back one access, or the first and the last byte: no other task can see it. */
  probeWrite(address: Node, bytes: number): void {
    const type = PROBE_TYPE[bytes];
    if (type) return this.guestStore(address, this.guestLoad(address, type, true), type);
    // The first byte, and the first one on the next page where the range reaches it.
    const lastPage = this.and(this.add(address, this.const(bytes - 1)), this.const(-PAGE_SIZE));
    const second = this.select(this.gtU(lastPage, address), lastPage, address);
    for (const at of [address, second]) this.guestStore(at, this.guestLoad(at, 'u8', true), 'u8');
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

  #inList(list: Node[], fill: () => void): Node[] {
    this.#showFlags();
    const noted = this.#noted;
    this.#outer.push(this.#list);
    this.#list = list;
    if (noted) this.#noted = { ...noted, list };
    fill();
    this.#list = this.#outer.pop()!;
    this.#noted = undefined;
    return list;
  }

  if(condition: Node, then: () => void, otherwise: () => void = () => {}): void {
    if (condition.constant !== undefined) {
      if (condition.constant) then();
      else otherwise();
      return;
    }
    const noted = this.#noted;
    const lists = [this.#inList([], then), []];
    this.#noted = noted && { ...noted, list: this.#list };
    lists[1] = this.#inList([], otherwise);
    // Where one arm always leaves, what holds in the other holds after it.
    if (this.#ended.has(lists[0]) && lists[1].length === 0) this.#noted = noted;
    this.append(node({ kind: 'if', code: [], args: [condition], lists }));
    if (lists.every((list) => this.#ended.has(list))) this.#ended.add(this.#list);
  }

  while(condition: () => Node, body: () => void): void {
    let value: Node | undefined;
    this.#noted = undefined;
    const before = this.#inList([], () => {
      value = condition();
    });
    const lists = [before, this.#inList([], body)];
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
    this.#ended.add(this.#list);
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
