/**
 * Ends a slice after an exact number of instructions. Rows of records count at their end only, and two records may run as a
 * pair; so for the slice's last instructions the record behind the last one is made a stop, and put back afterwards.
 */
import { VM_RECORDS_END } from '../layout.ts';
import { RECORD, RECORD_SIZE } from './record.ts';
import { type FusionTable, firstHandlers } from './run-fusion.ts';
import { specialIndex } from './specials.ts';

const STOP = specialIndex('stop');
/** They stand before an instruction, and are none. */
const PREFIXES = new Set((['address', 'narrowAddress', 'segmentAddress', 'check'] as const).map(specialIndex));
/** The row ends with them. */
const ENDS = new Set([STOP, specialIndex('proceed'), specialIndex('decodeFault')]);
const COMPILED = specialIndex('compiled');

export class ExactStop {
  readonly #vm: DataView;
  readonly #vmIndex: number;
  /** Of fused handlers: the handler of the first instruction alone. */
  readonly #firstOf: ReadonlyMap<number, number>;
  /** Handlers to put back. */
  readonly #changed: { at: number; handler: number }[] = [];

  readonly #handlerUnderneath: (at: number) => number;

  /** `handlerUnderneath`: what a record did before compiled code began there. */
  constructor(vm: DataView, vmIndex: number, fusion: FusionTable, handlerUnderneath: (at: number) => number) {
    this.#handlerUnderneath = handlerUnderneath;
    this.#vm = vm;
    this.#vmIndex = vmIndex;
    this.#firstOf = firstHandlers(fusion);
  }

  /** Lets at most `count` instructions run from `record` on, as long as control stays in its row. */
  place(record: number, count: number): void {
    let at = record - this.#vmIndex;
    for (let left = count; at + RECORD_SIZE <= VM_RECORDS_END; ) {
      let handler = this.#handler(at);
      if (handler === COMPILED && left > 0) {
        handler = this.#handlerUnderneath(at);
        this.#change(at, handler);
      }
      // Where another row begins, control lands, and the slice may end by itself.
      if (ENDS.has(handler)) return;
      if (left === 0) return this.#stopAt(at, record - this.#vmIndex);
      if (!PREFIXES.has(handler)) left--;
      at += RECORD_SIZE;
    }
  }

  /** The records are as before. */
  lift(): void {
    while (this.#changed.length > 0) {
      const { at, handler } = this.#changed.pop()!;
      this.#vm.setUint16(at + RECORD.handler, handler, true);
    }
  }

  #stopAt(at: number, first: number): void {
    const before = at - RECORD_SIZE;
    if (before >= first) {
      const alone = this.#firstOf.get(this.#handler(before));
      if (alone !== undefined) this.#change(before, alone);
    }
    this.#change(at, STOP);
  }

  #change(at: number, handler: number): void {
    this.#changed.push({ at, handler: this.#handler(at) });
    this.#vm.setUint16(at + RECORD.handler, handler, true);
  }
  #handler(at: number): number {
    return this.#vm.getUint16(at + RECORD.handler, true);
  }
}
