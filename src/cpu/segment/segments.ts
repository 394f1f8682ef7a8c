/** What the segment registers of a register file allow, by the descriptors that their selectors lead to. */
import { Exit } from '../exit.ts';
import { CS, SS, STATE } from '../state.ts';
import type { Descriptor } from './descriptor.ts';
import {
  baseOf,
  expandsDown,
  GDT,
  isBig,
  isCode,
  isConforming,
  isLong,
  isPresent,
  isReadable,
  isWritable,
  limitOf,
  privilegeOf,
  TLS_ENTRIES,
  TLS_FIRST,
  USER_DS,
  USER32_CS,
} from './descriptor.ts';

/** An exception and its error code. */
export interface SegmentFault {
  readonly vector: number;
  readonly code: number;
}

const USER = 3;
/** TI of a selector: the LDT. */
const LOCAL = 4;
/** GDT_ENTRY_LDT. */
const LDT_SELECTOR = 10 * 8;
const isNull = (selector: number): boolean => (selector & 0xfffc) === 0;
const fault = (vector: number, code: number): SegmentFault => ({ vector, code: code & 0xfffc });

export class Segments {
  readonly #words: Int32Array;
  /** The LDT of the address space: eight bytes an entry. */
  readonly #ldt: () => Uint8Array | null;

  constructor(words: Int32Array, ldt: () => Uint8Array | null) {
    this.#words = words;
    this.#ldt = ldt;
  }

  selector(segment: number): number {
    return this.#words[STATE.selector / 4 + segment] & 0xffff;
  }

  /** Undefined: the selector is null, or there is no such entry. */
  lookup(selector: number): Descriptor | undefined {
    if (isNull(selector)) return undefined;
    const entry = selector >> 3;
    if (selector & LOCAL) return this.#local(entry);
    const slot = entry - TLS_FIRST;
    if (slot < 0 || slot >= TLS_ENTRIES) return GDT.get(entry);
    const at = STATE.tls / 4 + slot * 2;
    return { low: this.#words[at], high: this.#words[at + 1] };
  }

  #local(entry: number): Descriptor | undefined {
    const ldt = this.#ldt();
    if (ldt === null || entry * 8 >= ldt.length) return undefined;
    const view = new DataView(ldt.buffer, ldt.byteOffset);
    return { low: view.getInt32(entry * 8, true), high: view.getInt32(entry * 8 + 4, true) };
  }

  /** Why the selector cannot be loaded (SDM Vol. 2B, MOV); undefined: it can. */
  loadFault(segment: number, selector: number): SegmentFault | undefined {
    if (isNull(selector)) return segment === SS ? fault(Exit.generalProtection, 0) : undefined;
    const found = this.lookup(selector);
    const isAllowed =
      found !== undefined &&
      (segment === SS
        ? isWritable(found) && privilegeOf(found) === USER && (selector & 3) === USER
        : isReadable(found) && (isConforming(found) || privilegeOf(found) === USER));
    if (!isAllowed) return fault(Exit.generalProtection, selector);
    if (isPresent(found)) return undefined;
    return fault(segment === SS ? Exit.stackFault : Exit.segmentNotPresent, selector);
  }

  /** Why control cannot go there (SDM Vol. 2A, JMP, CALL, RET). 64-bit code is none here. */
  codeFault(selector: number, isReturn: boolean): SegmentFault | undefined {
    const found = this.lookup(selector);
    const isAllowed =
      found !== undefined &&
      isCode(found) &&
      !isLong(found) &&
      (isConforming(found) || privilegeOf(found) === USER) &&
      (!isReturn || (selector & 3) === USER);
    if (!isAllowed) return fault(Exit.generalProtection, selector);
    return isPresent(found) ? undefined : fault(Exit.segmentNotPresent, selector);
  }

  /** The linear address of an access (SDM Vol. 3A, 5.3 and 5.5), or the exception that it is. */
  access(segment: number, offset: number, bytes: number, isWrite: boolean): number | SegmentFault {
    const start = offset >>> 0;
    const selector = this.selector(segment);
    const refused = fault(segment === SS ? Exit.stackFault : Exit.generalProtection, 0);
    if (selector === USER_DS || (selector === USER32_CS && !isWrite)) return start;
    const found = this.lookup(selector);
    const isAllowed = found !== undefined && isPresent(found) && (isWrite ? isWritable(found) : isReadable(found));
    if (!isAllowed) return segment === SS && found ? refused : fault(Exit.generalProtection, 0);
    const limit = limitOf(found);
    const base = baseOf(found);
    // Processors do not look where base and limit are those of a flat segment: an operand across its end is #PF.
    if (base === 0 && limit === 0xffff_ffff && !expandsDown(found)) return start;
    const last = start + bytes - 1;
    const isInside = expandsDown(found)
      ? start > limit && last <= (isBig(found) ? 0xffff_ffff : 0xffff)
      : last <= limit;
    return isInside ? (base + start) >>> 0 : refused;
  }

  /** Base of a segment; 0 where there is none. */
  base(segment: number): number {
    const found = this.lookup(this.selector(segment));
    return found ? baseOf(found) : 0;
  }

  /** Bytes of the stack pointer. */
  get stackSize(): 2 | 4 {
    const selector = this.selector(SS);
    if (selector === USER_DS) return 4;
    const found = this.lookup(selector);
    return found && !isBig(found) ? 2 : 4;
  }

  /** SLDT: the kernel's entry of the GDT, where the address space has a table. */
  get localTable(): number {
    return this.#ldt() === null ? 0 : LDT_SELECTOR;
  }

  /** Is the offset within the segment? */
  holdsCode(selector: number, offset: number): boolean {
    if (selector === USER32_CS) return true;
    const found = this.lookup(selector);
    return found !== undefined && offset >>> 0 <= limitOf(found);
  }

  /** The code segment, if it is one. */
  get code(): Descriptor | undefined {
    const found = this.lookup(this.selector(CS));
    return found && isCode(found) && isPresent(found) && !isLong(found) ? found : undefined;
  }
}
