/** Keeps track of what the segment registers hold: whether the fast ways of running code will do. */
import { CS, DS, ES, FS, GS, SS, STATE } from '../state.ts';
import { baseOf, isBig, isOpen, limitOf, USER_DS, USER32_CS } from './descriptor.ts';
import type { OpenSegments } from './evaluated.ts';
import type { Segments } from './segments.ts';

const SELECTORS = STATE.selector / 4;
const BASES = STATE.segmentBase / 4;

export class SegmentWatch {
  readonly #words: Int32Array;
  readonly #segments: Segments;
  readonly #known = new Int32Array(6).fill(-1);
  /** es, cs, ss and ds have base 0 and 4 GiB, and allow what they must. */
  isFlat = true;
  open: OpenSegments = 0;

  constructor(words: Int32Array, segments: Segments) {
    this.#words = words;
    this.#segments = segments;
  }

  /** Selectors may lead elsewhere than before. */
  reset(): void {
    this.#known[0] = -1;
  }

  /** Looks again, if a register has changed. */
  update(): boolean {
    const words = this.#words;
    const known = this.#known;
    let n = 0;
    while (n < 6 && known[n] === words[SELECTORS + n]) n++;
    if (n === 6) return false;
    for (n = 0; n < 6; n++) known[n] = words[SELECTORS + n];
    this.isFlat = this.#isFlatCode() && this.#isFlatData(ES) && this.#isFlatData(SS) && this.#isFlatData(DS);
    this.open = Number(this.#takeBase(FS)) | (Number(this.#takeBase(GS)) << 1);
    return true;
  }

  #isFlatCode(): boolean {
    if (this.#segments.selector(CS) === USER32_CS) return true;
    const { code } = this.#segments;
    return code !== undefined && baseOf(code) === 0 && limitOf(code) === 0xffff_ffff && isBig(code);
  }

  #isFlatData(segment: number): boolean {
    const selector = this.#segments.selector(segment);
    if (selector === USER_DS) return true;
    const found = this.#segments.lookup(selector);
    return found !== undefined && isOpen(found) && baseOf(found) === 0 && (segment !== SS || isBig(found));
  }

  /** Where the interpreter finds the base; answers whether the segment is open. */
  #takeBase(segment: number): boolean {
    const found = this.#segments.lookup(this.#segments.selector(segment));
    this.#words[BASES + segment] = found ? baseOf(found) : 0;
    return found !== undefined && isOpen(found);
  }
}
