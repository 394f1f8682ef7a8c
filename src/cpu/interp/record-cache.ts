/** The decoded instructions of one address space. Each guest instruction is decoded once, in runs that follow each other. */

import { PERMISSION_WRITE } from '../../memory/vm-layout.ts';
import type { Decoded, DecodedOperand } from '../decode/decoded.ts';
import type { DecodeFault } from '../decode/decoder.ts';
import { decode, isFault } from '../decode/decoder.ts';
import { codeLimit, fetchError, isExecutable, permissionsOf } from '../decode/fetch.ts';
import type { Row, RowTable } from '../decode/rows.ts';
import type { Templates } from '../decode/templates.ts';
import { Exit } from '../exit.ts';
import { HASH_ENTRIES, VM_COMPILED, VM_HASH, VM_RECORDS, VM_RECORDS_END } from '../layout.ts';
import type { CpuMemory } from '../memory.ts';
import type { OpenSegments } from '../segment/evaluated.ts';
import { isEvaluated } from '../segment/evaluated.ts';
import { FS } from '../state.ts';
import { EipTable } from './eip-table.ts';
import { FastDecoder, MAX_LENGTH } from './fast-decoder.ts';
import { memoryShape } from './handlers.ts';
import { RECORD, RECORD_SIZE } from './record.ts';
import { RecordWriter } from './record-writer.ts';
import { type FusionTable, RunFusion } from './run-fusion.ts';
import { specialIndex } from './specials.ts';

const PAGE_SHIFT = 12;
const PAGE_SIZE = 1 << PAGE_SHIFT;
/** Instructions decoded at a time; a run ends earlier where control does not go on. */
export const RUN_LENGTH = 48;
/** Records that one instruction and the end of its run can take. */
const RUN_RECORDS = RUN_LENGTH * 3 + 4;
/** Records that finding a region's code can take. */
const REGION_RECORDS = 8192;

/** Before the records proper: the faulting one. */
const FIRST_RECORD = VM_RECORDS + RECORD_SIZE;

/** A handler, and the record's fields for the operands. */
export interface FoundHandler {
  readonly handler: number;
  readonly places: readonly number[];
}

export interface Isa {
  readonly table: RowTable;
  readonly handlers: ReadonlyMap<string, number>;
  /** Handlers that run two records. */
  readonly fusion: FusionTable;
  /** Handlers that were looked up: by row, and what else decides. */
  readonly found: Map<Row, Map<number, FoundHandler>>;
  /** Those of `table`; undefined: every instruction is decoded as the manual says. */
  readonly templates: Templates | undefined;
}

function memoryOperand({ operands }: Decoded): DecodedOperand | undefined {
  for (const operand of operands) if (operand.kind === 'memory') return operand;
  return undefined;
}

export class RecordCache {
  readonly #memory: CpuMemory;
  readonly #isa: Isa;
  readonly #vm: DataView;
  /** EIP to record, and on each page that has any the ranges of records: first, end, first, end ... (small integers). */
  readonly #records = new EipTable();
  readonly #pages = new Map<number, number[]>();
  readonly #writer: RecordWriter;
  readonly #code: { bytes: Uint8Array; limit: number };
  readonly #fusion: RunFusion;
  readonly #fast: FastDecoder | undefined;
  /** Handlers of the records that lead into compiled code instead. */
  readonly #underneath = new Map<number, number>();
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
    this.#writer = new RecordWriter(memory, isa, this.#vm);
    this.#fusion = new RunFusion(new Int32Array(vm.buffer, vm.byteOffset, vm.byteLength >> 2), isa.fusion);
    this.#fast = isa.templates && new FastDecoder(memory, isa.templates, this.#records);
    this.flush();
  }

  /** See segment/evaluated.ts; and whether any instruction has been decoded that it matters to. */
  #open: OpenSegments = 0;
  #hasOverrides = false;

  /** Forgets everything. */
  flush(): void {
    this.#records.clear();
    this.#pages.clear();
    this.#underneath.clear();
    this.#hasOverrides = false;
    this.#memory.vm.fill(0, VM_HASH, VM_HASH + HASH_ENTRIES * 8);
    // An empty entry must not match: 0 is the EIP of entry 0 only.
    this.#vm.setUint32(VM_HASH, 1, true);
    this.#faulting = VM_RECORDS;
    this.#writer.free = FIRST_RECORD;
    this.onFlush();
  }

  /** What fs and gs hold decides how instructions can run: when that changes, they are decoded again. */
  setSegments(open: OpenSegments): void {
    if (open === this.#open) return;
    this.#open = open;
    if (this.#fast) this.#fast.open = open;
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

  /** The instruction at `eip`, if there is one. */
  decodedAt(eip: number): Decoded | undefined {
    this.#code.limit = 0;
    const decoded = this.#decodeAt(eip);
    return isFault(decoded) ? undefined : decoded;
  }

  /** Records for a region to come are left: finding its code will not start the cache over. */
  get hasRoom(): boolean {
    return this.#writer.free + REGION_RECORDS * RECORD_SIZE < VM_RECORDS_END;
  }

  /** Before the compiler asks: memory may have changed. */
  beginCompiling(): void {
    this.#code.limit = 0;
  }
  /** The instruction for the compiler: not from a writable page, and not one for the evaluator. */
  compilable(eip: number): Decoded | undefined {
    const decoded = this.#decodeAt(eip);
    if (isFault(decoded) || isEvaluated(decoded, this.#open) || this.#isWritable(decoded)) return undefined;
    return decoded;
  }

  /** Has the interpreter met the instruction at `eip`, or one shortly before it? */
  isKnown(eip: number): boolean {
    return this.#records.get(eip) !== 0;
  }
  /** Has the branch at `eip` been taken, or its target been met? Then it knows its target's record. */
  isTaken(eip: number): boolean {
    const record = this.#records.get(eip);
    return record !== 0 && this.#vm.getUint32(record - this.#memory.vmIndex + RECORD.immediate, true) !== 0;
  }

  /** Makes a record lead into a compiled region; or false, if it leads into one already. */
  enterCompiled(record: number, word: number): boolean {
    const at = record - this.#memory.vmIndex;
    if (this.#underneath.has(at)) return false;
    this.#underneath.set(at, this.#vm.getUint16(at + RECORD.handler, true));
    this.#vm.setUint16(at + RECORD.handler, specialIndex('compiled'), true);
    this.#vm.setUint32(VM_COMPILED + ((at - VM_RECORDS) >> 3), word, true);
    return true;
  }
  leaveCompiled(record: number): void {
    const at = record - this.#memory.vmIndex;
    this.#vm.setUint16(at + RECORD.handler, this.handlerUnderneath(at), true);
    this.#underneath.delete(at);
  }
  /** What the record at this place does where it does not lead into compiled code. */
  handlerUnderneath(at: number): number {
    return this.#underneath.get(at) ?? this.#vm.getUint16(at + RECORD.handler, true);
  }

  /** Tells a branch, or the end of a run, where it leads. */
  link(from: number): number {
    const at = from - this.#memory.vmIndex;
    const before = this.#writer.free;
    const target = this.find(this.#vm.getUint32(at + RECORD.displacement, true));
    // Decoding may have started over.
    if (!this.#isFaulting(target) && this.#writer.free >= before)
      this.#vm.setUint32(at + RECORD.immediate, target, true);
    return target;
  }

  /** Where a branch, or the end of a run, leads. */
  targetOf(record: number): number {
    return this.#vm.getUint32(record - this.#memory.vmIndex + RECORD.displacement, true);
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
    const ranges = this.#pages.get(page) ?? [];
    for (let i = 0; i < ranges.length; i += 2) {
      for (let at = ranges[i]; at < ranges[i + 1]; at += RECORD_SIZE) this.#forget(at, page);
    }
    this.#pages.delete(page);
  }

  /** Forgets the instruction whose first record is at `at`, if it is one and has bytes on the page. */
  #forget(at: number, page: number): void {
    const eip = this.#vm.getUint32(at + RECORD.eip, true);
    // Forgotten already with its other page, and perhaps decoded anew since.
    if (this.#records.get(eip) !== at + this.#memory.vmIndex) return;
    // One that only raises an exception has a length of 0.
    const length = this.#vm.getUint8(at + RECORD.length) || MAX_LENGTH;
    if (eip >>> PAGE_SHIFT !== page && (eip + length - 1) >>> PAGE_SHIFT !== page) return;
    this.#records.delete(eip);
    this.#writer.proceed(at, eip, 0);
  }

  #isWritable({ eip, length }: Decoded): boolean {
    const both = permissionsOf(this.#memory, eip) | permissionsOf(this.#memory, eip + length - 1);
    return (both & PERMISSION_WRITE) !== 0;
  }

  #decodeAt(eip: number): Decoded | DecodeFault {
    // The limit holds while a run stays clear of it.
    if (eip >= this.#code.limit - 16 || eip < this.#code.limit - PAGE_SIZE)
      this.#code.limit = codeLimit(this.#memory, eip);
    const decoded = decode(this.#isa.table, this.#code, eip);
    // Nothing was executable there: that says nothing of what comes before.
    if (this.#code.limit === eip) this.#code.limit = 0;
    return decoded;
  }

  #decodeRun(start: number): number {
    const writer = this.#writer;
    const fast = this.#fast;
    if (writer.free + RUN_RECORDS * RECORD_SIZE > VM_RECORDS_END) this.flush();
    this.#code.limit = 0;
    const from = writer.free;
    let eip = start;
    for (let count = 0; ; ) {
      const end = fast ? this.#fastEnd(eip) : eip;
      const isFast = fast !== undefined && end > eip;
      if (isFast) {
        fast.decode(eip, end, writer.free, RUN_LENGTH - count);
        this.#hasOverrides ||= fast.hadOverride;
        this.decoded += fast.count;
        count += fast.count;
        eip = fast.eip;
        writer.free = fast.free;
        if (fast.ended) break;
      }
      const known = count > 0 ? this.#records.get(eip) : 0;
      // What has no template is often undefined, or never reached: it is decoded when it is.
      const isNext = known === 0 && count < RUN_LENGTH && !(isFast && count > 0);
      const following = isNext ? this.#decodeAt(eip) : undefined;
      if (count === 0 && isFault(following!)) return this.#writeFault(start, following);
      if (following === undefined || isFault(following)) {
        writer.proceed(writer.free, eip, known);
        writer.free += RECORD_SIZE;
        break;
      }
      this.#writeInsn(following);
      count++;
      eip += following.length;
      if (following.insn.options.ends) break;
    }
    this.#rememberRun(start, eip, from);
    fast?.link();
    this.#fusion.fuse(from, writer.free);
    return from + this.#memory.vmIndex;
  }

  /** Up to where the fast decoder may go: pages that are executable and cannot be written. */
  #fastEnd(eip: number): number {
    if (!this.#isPlain(eip)) return eip;
    const next = (eip >>> PAGE_SHIFT) * PAGE_SIZE + PAGE_SIZE;
    const last = next - MAX_LENGTH;
    if (eip <= last) return last + 1;
    return next < 2 ** 32 && this.#isPlain(next) ? next : eip;
  }
  #isPlain(address: number): boolean {
    return (permissionsOf(this.#memory, address) & PERMISSION_WRITE) === 0 && isExecutable(this.#memory, address);
  }

  #rememberRun(start: number, end: number, from: number): void {
    const lastPage = (end - 1) >>> PAGE_SHIFT;
    for (let page = start >>> PAGE_SHIFT; page <= lastPage; page++) {
      const ranges = this.#pages.get(page);
      if (ranges) ranges.push(from, this.#writer.free);
      else this.#pages.set(page, [from, this.#writer.free]);
    }
  }

  /** Appends an instruction's records: a check of its bytes on a writable page, an unusual address, itself. */
  #writeInsn(decoded: Decoded): void {
    this.#records.set(decoded.eip, this.#writer.free + this.#memory.vmIndex);
    this.decoded++;
    if (this.#isWritable(decoded)) this.#writer.check(decoded);
    this.#writeUnchecked(decoded);
  }

  #writeUnchecked(decoded: Decoded): void {
    const writer = this.#writer;
    this.#hasOverrides ||= decoded.segment >= FS;
    if (isEvaluated(decoded, this.#open)) {
      writer.evaluate(decoded);
      return;
    }
    const memory = memoryOperand(decoded);
    const shape = memory && memoryShape(decoded, memory);
    const isComputed = memory !== undefined && shape === 'special';
    if (isComputed) writer.address(decoded, memory);
    const handler = writer.handler(decoded, shape === 'special' ? 'm' : shape);
    writer.insn(decoded, handler, isComputed);
  }

  #writeFault(eip: number, { vector, address }: DecodeFault): number {
    const error = vector === Exit.pageFault ? fetchError(this.#memory, address) : 0;
    this.#writer.raise(this.#faulting, eip, vector, error, address);
    return this.#faulting + this.#memory.vmIndex;
  }
}
