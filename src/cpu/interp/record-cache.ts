/** The decoded instructions of one address space. Each guest instruction is decoded once, in runs that follow each other. */

import { PERMISSION_EXECUTE, PERMISSION_WRITE, VM_PERMISSIONS } from '../../memory/vm-layout.ts';
import type { Decoded, DecodedOperand } from '../decode/decoded.ts';
import type { DecodeFault } from '../decode/decoder.ts';
import { decode, isFault } from '../decode/decoder.ts';
import type { Row, RowTable } from '../decode/rows.ts';
import { isDeferred, NOWHERE, segmentModes, violatesSegment } from '../emit/segment-check.ts';
import { Exit } from '../exit.ts';
import type { Insn } from '../isa/insn.ts';
import type { RegionInsn } from '../jit/region.ts';
import { HASH_ENTRIES, VM_COMPILED, VM_HASH, VM_RECORDS, VM_RECORDS_END, VM_STATE } from '../layout.ts';
import type { CpuMemory } from '../memory.ts';
import { STATE } from '../state.ts';
import { EipTable } from './eip-table.ts';
import { pairKey } from './fusions.ts';
import { findHandler, memoryShape, slots } from './handlers.ts';
import type { MemoryShape } from './record.ts';
import { RECORD, RECORD_SIZE } from './record.ts';
import { specialIndex } from './specials.ts';

const PAGE_SHIFT = 12;
const PAGE_SIZE = 1 << PAGE_SHIFT;
/** Instructions decoded at a time; a run ends earlier where control does not go on. */
const RUN_LENGTH = 48;
/** Records that one instruction and the end of its run can take. */
const RUN_RECORDS = RUN_LENGTH * 3 + 4;
/** Records that finding a region's code can take. */
const REGION_RECORDS = 8192;
/** Page-fault error code of an instruction fetch by user code (SDM Vol. 3A, 4.7). */
const FETCH_ERROR = 0x14;

/** Before the records proper: the faulting one, and those of an instruction that runs alone. */
const SINGLE = VM_RECORDS + RECORD_SIZE;
const FIRST_RECORD = SINGLE + 4 * RECORD_SIZE;

/** A handler, and the record's fields for the operands. */
export interface FoundHandler {
  readonly handler: number;
  readonly places: readonly number[];
}

/** An instruction of the run at hand: its record and handler, and the pages that it lies on. */
interface RunEntry {
  at: number;
  handler: number;
  first: number;
  last: number;
}

export interface Isa {
  readonly table: RowTable;
  readonly numbers: ReadonlyMap<Insn, number>;
  readonly handlers: ReadonlyMap<string, number>;
  /** Handlers that run two records, by pairKey (fusions.ts). */
  readonly fused: ReadonlyMap<number, number>;
  /** Handlers that were looked up: by row, and what else decides. */
  readonly found: Map<Row, Map<number, FoundHandler>>;
}

function memoryOperand({ operands }: Decoded): DecodedOperand | undefined {
  for (const operand of operands) if (operand.kind === 'memory') return operand;
  return undefined;
}

export class RecordCache {
  readonly #memory: CpuMemory;
  readonly #isa: Isa;
  readonly #vm: DataView;
  /** EIP to record, and the records on each page that has any (as record numbers: small integers). */
  readonly #records = new EipTable();
  readonly #pages = new Map<number, number[]>();
  /** Offset in the VM's area of the next free record. */
  #free = 0;
  readonly #code: { bytes: Uint8Array; limit: number };
  /** The run at hand; entries are used again. */
  readonly #run = Array.from({ length: RUN_LENGTH }, (): RunEntry => ({ at: 0, handler: 0, first: 0, last: 0 }));
  #runLength = 0;
  /** The record of an instruction that cannot be decoded: made anew each time. */
  #faulting = 0;
  /** Called when everything is forgotten. */
  onFlush: () => void = () => {};
  /** Counts what was decoded, for statistics. */
  decoded = 0;

  constructor(memory: CpuMemory, isa: Isa) {
    this.#memory = memory;
    this.#isa = isa;
    this.#code = { bytes: memory.u8, limit: 0 };
    const { vm } = memory;
    this.#vm = new DataView(vm.buffer, vm.byteOffset, vm.byteLength);
    this.flush();
  }

  /** See segment-check.ts; and whether any instruction has been decoded that it matters to. */
  #segments = 0;
  #hasOverrides = false;

  /** Forgets everything. */
  flush(): void {
    this.#records.clear();
    this.#pages.clear();
    this.#hasOverrides = false;
    this.#memory.vm.fill(0, VM_HASH, VM_HASH + HASH_ENTRIES * 8);
    // An empty entry must not match: 0 is the EIP of entry 0 only.
    this.#vm.setUint32(VM_HASH, 1, true);
    this.#faulting = VM_RECORDS;
    this.#free = FIRST_RECORD;
    this.onFlush();
  }

  /** What fs and gs hold decides which instructions can run at all: when that changes, they are decoded again. */
  setSegments(fs: number, gs: number): void {
    const modes = segmentModes(fs, gs);
    if (modes === this.#segments) return;
    this.#segments = modes;
    if (this.#hasOverrides) this.flush();
  }

  /** The record at which `eip` runs. */
  find(eip: number): number {
    return this.#records.get(eip) || this.#decodeRun(eip);
  }

  /** As find, and the interpreter will find it by itself next time. */
  findCached(eip: number): number {
    const record = this.find(eip);
    if (!this.#isFaulting(record)) {
      const entry = VM_HASH + (eip & (HASH_ENTRIES - 1)) * 8;
      this.#vm.setUint32(entry, eip, true);
      this.#vm.setUint32(entry + 4, record, true);
    }
    return record;
  }

  /** The instruction that single() was last asked for. */
  stepped: Decoded | undefined;

  /** Did the instruction's access to FORBIDDEN stand for one that its segment does not allow? */
  isForbidden(eip: number): boolean {
    this.#code.limit = 0;
    const decoded = this.#decodeAt(eip);
    return !isFault(decoded) && decoded.segment >= 0 && violatesSegment(decoded, this.#segments);
  }

  /** Records that run the one instruction at `eip` as it stands in memory, and then stop. */
  single(eip: number): number {
    this.#code.limit = 0;
    const decoded = this.#decodeAt(eip);
    this.stepped = isFault(decoded) ? undefined : decoded;
    if (isFault(decoded)) return this.#writeFault(eip, decoded);
    const free = this.#free;
    this.#free = SINGLE;
    this.#writeUnchecked(decoded);
    this.#writeHead(this.#free, specialIndex('stop'), eip + decoded.length, 0);
    this.#free = free;
    return SINGLE + this.#memory.vmIndex;
  }

  /** Records for a region to come are left: finding its code will not start the cache over. */
  get hasRoom(): boolean {
    return this.#free + REGION_RECORDS * RECORD_SIZE < VM_RECORDS_END;
  }

  /** The instruction for the compiler: not from a writable page, and not one that decides how others are decoded. */
  compilable(eip: number): RegionInsn | undefined {
    const record = this.find(eip);
    if (this.#isFaulting(record)) return undefined;
    this.#code.limit = 0;
    const decoded = this.#decodeAt(eip);
    if (isFault(decoded) || decoded.insn.options.loadsSegment) return undefined;
    if (decoded.segment >= 0 && violatesSegment(decoded, this.#segments)) return undefined;
    if ((this.#permissions(eip) | this.#permissions(eip + decoded.length - 1)) & PERMISSION_WRITE) return undefined;
    return { decoded, record };
  }

  /** Makes a record lead into a compiled region: the handler that it had, or undefined if it does so already. */
  enterCompiled(record: number, word: number): number | undefined {
    const at = record - this.#memory.vmIndex;
    const handler = this.#vm.getUint16(at + RECORD.handler, true);
    if (handler === specialIndex('compiled')) return undefined;
    this.#vm.setUint16(at + RECORD.handler, specialIndex('compiled'), true);
    this.#vm.setUint32(VM_COMPILED + ((at - VM_RECORDS) >> 3), word, true);
    return handler;
  }
  leaveCompiled(record: number, handler: number): void {
    this.#vm.setUint16(record - this.#memory.vmIndex + RECORD.handler, handler, true);
  }

  /** Tells a branch, or the end of a run, where it leads. */
  link(from: number): number {
    const at = from - this.#memory.vmIndex;
    const before = this.#free;
    const target = this.find(this.#vm.getUint32(at + RECORD.displacement, true));
    // Decoding may have started over.
    if (!this.#isFaulting(target) && this.#free >= before) this.#vm.setUint32(at + RECORD.immediate, target, true);
    return target;
  }

  /** The EIP, and the raw fields, of a record. */
  eipOf(record: number): number {
    return this.#vm.getUint32(record - this.#memory.vmIndex + RECORD.eip, true);
  }

  #isFaulting(record: number): boolean {
    return record - this.#memory.vmIndex === this.#faulting;
  }

  /** Instructions in this range are decoded again before they run again: what led to them finds the new ones. */
  invalidate(start: number, end: number): void {
    const first = start >>> PAGE_SHIFT;
    const last = Math.ceil(end / PAGE_SIZE);
    if (last - first < this.#pages.size) {
      for (let page = first; page < last; page++) this.#forgetPage(page);
    } else {
      for (const page of [...this.#pages.keys()]) if (page >= first && page < last) this.#forgetPage(page);
    }
  }

  #forgetPage(page: number): void {
    for (const number of this.#pages.get(page) ?? []) {
      const at = number * RECORD_SIZE;
      const eip = this.#vm.getUint32(at + RECORD.eip, true);
      // Forgotten already with its other page, and perhaps decoded anew since.
      if (this.#records.get(eip) !== at + this.#memory.vmIndex) continue;
      this.#records.delete(eip);
      this.#writeProceed(at, eip, 0);
    }
    this.#pages.delete(page);
  }

  #permissions(address: number): number {
    return this.#memory.vm[VM_PERMISSIONS + (address >>> PAGE_SHIFT)];
  }
  #isExecutable(address: number): boolean {
    if (!(this.#permissions(address) & PERMISSION_EXECUTE)) return false;
    return this.#memory.accessible(address & -PAGE_SIZE, PAGE_SIZE, false);
  }

  /** End of the executable bytes from eip on: an instruction reaches at most into the next page. */
  #codeLimit(eip: number): number {
    if (!this.#isExecutable(eip)) return eip;
    const next = (eip >>> PAGE_SHIFT) * PAGE_SIZE + PAGE_SIZE;
    if (next - eip >= 16) return next;
    return this.#isExecutable(next) ? next + PAGE_SIZE : next;
  }

  #decodeAt(eip: number): Decoded | DecodeFault {
    // The limit holds while a run stays clear of it.
    if (eip >= this.#code.limit - 16 || eip < this.#code.limit - PAGE_SIZE) this.#code.limit = this.#codeLimit(eip);
    return decode(this.#isa.table, this.#code, eip);
  }

  #decodeRun(start: number): number {
    if (this.#free + RUN_RECORDS * RECORD_SIZE > VM_RECORDS_END) this.flush();
    this.#code.limit = 0;
    const first = this.#decodeAt(start);
    if (isFault(first)) return this.#writeFault(start, first);
    const record = this.#free + this.#memory.vmIndex;
    let decoded = first;
    this.#runLength = 0;
    for (let count = 1; ; count++) {
      this.#writeInsn(decoded);
      const next = decoded.eip + decoded.length;
      if (decoded.insn.options.ends) break;
      const known = this.#records.get(next);
      const following = known === 0 && count < RUN_LENGTH ? this.#decodeAt(next) : undefined;
      if (following && !isFault(following)) {
        decoded = following;
        continue;
      }
      this.#writeProceed(this.#free, next, known);
      this.#free += RECORD_SIZE;
      break;
    }
    this.#fuseRun();
    return record;
  }

  /** Gives pairs of records in the run their fused handlers, so that as few handlers as possible run from any point on. */
  #fuseRun(): void {
    // How many handlers run from the next record to the end, and from the one after it.
    let costOfNext = 0;
    let costOfSecond = 0;
    for (let i = this.#runLength - 1; i >= 0; i--) {
      const one = this.#run[i];
      const fused = i + 1 < this.#runLength ? this.#fusedHandler(one, this.#run[i + 1]) : undefined;
      const isBetter = fused !== undefined && costOfSecond <= costOfNext;
      if (isBetter) this.#vm.setUint16(one.at + RECORD.handler, fused, true);
      const cost = 1 + (isBetter ? costOfSecond : costOfNext);
      costOfSecond = costOfNext;
      costOfNext = cost;
    }
  }

  /** Neighbours whose pages are forgotten together may be fused. */
  #fusedHandler(one: RunEntry, two: RunEntry): number | undefined {
    if (two.at !== one.at + RECORD_SIZE || two.first < one.first || two.last > one.last) return undefined;
    return this.#isa.fused.get(pairKey(one.handler, two.handler));
  }

  #noteForFusion(at: number, handler: number, eip: number, length: number): void {
    const entry = this.#run[this.#runLength++];
    entry.at = at;
    entry.handler = handler;
    entry.first = eip >>> PAGE_SHIFT;
    entry.last = (eip + length - 1) >>> PAGE_SHIFT;
  }

  #writeHead(at: number, handler: number, eip: number, length: number): void {
    for (let i = 0; i < RECORD_SIZE; i += 4) this.#vm.setUint32(at + i, 0, true);
    this.#vm.setUint16(at + RECORD.handler, handler, true);
    this.#vm.setUint8(at + RECORD.length, length);
    this.#vm.setUint32(at + RECORD.eip, eip, true);
  }

  #writeProceed(at: number, eip: number, target: number): void {
    this.#writeHead(at, specialIndex('proceed'), eip, 0);
    this.#vm.setUint32(at + RECORD.immediate, target, true);
    this.#vm.setUint32(at + RECORD.displacement, eip, true);
  }

  #writeFault(eip: number, { vector, address }: DecodeFault): number {
    const at = this.#faulting;
    this.#writeHead(at, specialIndex('decodeFault'), eip, 0);
    const isPresent = this.#permissions(address) !== 0;
    this.#vm.setUint32(at + RECORD.immediate, vector, true);
    this.#vm.setUint32(at + RECORD.displacement, vector === Exit.pageFault ? FETCH_ERROR | Number(isPresent) : 0, true);
    this.#vm.setUint32(at + RECORD.b, address, true);
    return at + this.#memory.vmIndex;
  }

  #remember(decoded: Decoded): void {
    this.#records.set(decoded.eip, this.#free + this.#memory.vmIndex);
    this.decoded++;
    const lastPage = (decoded.eip + decoded.length - 1) >>> PAGE_SHIFT;
    for (let page = decoded.eip >>> PAGE_SHIFT; page <= lastPage; page++) {
      const list = this.#pages.get(page);
      if (list) list.push(this.#free / RECORD_SIZE);
      else this.#pages.set(page, [this.#free / RECORD_SIZE]);
    }
  }

  /** Appends an instruction's records: a check of its bytes on a writable page, an unusual address, itself. */
  #writeInsn(decoded: Decoded): void {
    const { eip, length } = decoded;
    this.#remember(decoded);
    if ((this.#permissions(eip) | this.#permissions(eip + length - 1)) & PERMISSION_WRITE) this.#writeCheck(decoded);
    this.#writeUnchecked(decoded);
  }

  #writeUnchecked(decoded: Decoded): void {
    const { eip, length } = decoded;
    const isForbidden = decoded.segment >= 0 && violatesSegment(decoded, this.#segments);
    this.#hasOverrides ||= decoded.segment >= 0;
    const memory = memoryOperand(decoded);
    if (isForbidden && !isDeferred(decoded)) return this.#writeViolation(eip);
    const shape = isForbidden ? 'special' : memory && memoryShape(decoded, memory);
    if (memory && shape === 'special') this.#writeAddress(decoded, isForbidden ? NOWHERE : memory);
    const { handler, places } = this.#handler(decoded, shape === 'special' ? 'm' : shape);
    const at = this.#free;
    this.#writeHead(at, handler, eip, length);
    if (this.#runLength < RUN_LENGTH) this.#noteForFusion(at, handler, eip, length);
    this.#vm.setUint16(at + RECORD.segment, decoded.dataSegment, true);
    for (let i = 0; i < decoded.operands.length; i++) {
      const operand = decoded.operands[i];
      if (operand.kind === 'memory') this.#writeMemory(at, operand, shape === 'special');
      else this.#vm.setUint32(at + places[i], this.#operandValue(at, operand), true);
    }
    this.#free += RECORD_SIZE;
  }

  #writeViolation(eip: number): void {
    const at = this.#free;
    const handler = specialIndex('decodeFault');
    this.#writeHead(at, handler, eip, 0);
    this.#vm.setUint32(at + RECORD.immediate, Exit.generalProtection, true);
    if (this.#runLength < RUN_LENGTH) this.#noteForFusion(at, handler, eip, 1);
    this.#free += RECORD_SIZE;
  }

  /** The handler of a row depends on few things more: each is looked up by its name once. */
  #handler(decoded: Decoded, shape: MemoryShape | undefined): FoundHandler {
    const { row, insn, operandSize, addressSize, repeat } = decoded;
    const variant = (operandSize << 10) | (addressSize << 13) | (repeat << 16) | (shape ? shape.charCodeAt(0) : 0);
    let variants = this.#isa.found.get(row);
    if (!variants) {
      variants = new Map();
      this.#isa.found.set(row, variants);
    }
    let found = variants.get(variant);
    if (!found) {
      const forms = decoded.operands.map(({ kind, size }) =>
        kind === 'memory' ? { kind, size, shape } : { kind, size },
      );
      const handler = findHandler(this.#isa.handlers, this.#isa.numbers.get(insn)!, decoded, forms);
      if (handler === undefined) throw new Error(`no handler for ${insn.name} (${row.text})`);
      found = { handler, places: slots(decoded.operands) };
      variants.set(variant, found);
    }
    return found;
  }

  #writeCheck({ eip, length }: Decoded): void {
    const at = this.#free;
    this.#writeHead(at, specialIndex('check'), eip, length);
    this.#memory.vm.set(this.#memory.u8.subarray(eip, eip + length), at + RECORD.a);
    this.#free += RECORD_SIZE;
  }

  #pointer(offset: number): number {
    return this.#memory.vmIndex + VM_STATE + offset;
  }

  /** What goes into the operand's slot; a branch's target is linked when it is first taken. */
  #operandValue(at: number, operand: DecodedOperand): number {
    switch (operand.kind) {
      case 'relative':
        this.#vm.setUint32(at + RECORD.displacement, operand.value, true);
        return 0;
      case 'far':
        this.#vm.setUint32(at + RECORD.displacement, operand.selector, true);
        return operand.value;
      case 'immediate':
      case 'x87':
        return operand.value;
      default:
        return this.#pointer(operand.offset);
    }
  }

  #writeMemory(at: number, operand: DecodedOperand, isComputed: boolean): void {
    if (isComputed) {
      this.#vm.setUint32(at + RECORD.base, this.#pointer(STATE.address), true);
      return;
    }
    const { base, index, shift, displacement, segment } = operand.address!;
    this.#vm.setUint32(at + RECORD.base, this.#pointer(base), true);
    this.#vm.setInt32(at + RECORD.displacement, displacement, true);
    this.#vm.setUint16(at + RECORD.index, index, true);
    this.#vm.setUint16(at + RECORD.segment, segment, true);
    this.#vm.setUint8(at + RECORD.shift, shift);
  }

  #writeAddress({ eip, length, insn }: Decoded, operand: DecodedOperand): void {
    const at = this.#free;
    this.#writeHead(at, specialIndex(operand.address!.narrow ? 'narrowAddress' : 'address'), eip, length);
    this.#writeMemory(at, operand, false);
    if (insn.name === 'lea') this.#vm.setUint16(at + RECORD.segment, STATE.zero, true);
    this.#free += RECORD_SIZE;
  }
}
