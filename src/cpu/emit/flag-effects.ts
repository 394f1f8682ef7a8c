/**
 * The interpretation that only asks what an instruction does to the arithmetic flags. Every path of a body is taken once;
 * values are nothing.
 */
import type { Insn } from '../isa/insn.ts';
import { STATE } from '../state.ts';
import { CompiledEmitter } from './compiled-emitter.ts';
import type { Arm, Operand, Variable } from './emitter.ts';
import type { Routine } from './routine.ts';

/** What becomes of the arithmetic flags. */
export interface FlagEffects {
  /** Some of them are read before all have been written. */
  reads: boolean;
  /** All are written, whatever happens. */
  writes: boolean;
  /** On some paths they are written, on others perhaps not. */
  mayWrite: boolean;
}

const FLAG_WORDS: readonly number[] = [STATE.flagResult, STATE.flagAux];
const nothing = (): undefined => undefined;
const lanes = { shuffle: nothing, extractLane: nothing, replaceLane: nothing };

class FlagEffectsEmitter extends CompiledEmitter<undefined> {
  readonly effects: FlagEffects = { reads: false, writes: false, mayWrite: false };
  readonly operandSize = 4;
  readonly addressSize = 4;
  readonly repeat: 0 | 0xf3;
  /** How deep in conditional code; and which of the flags' words have been written outside of any. */
  #depth = 0;
  readonly #written = new Set<number>();

  constructor(repeat: 0 | 0xf3) {
    super(nothing, lanes);
    this.repeat = repeat;
  }

  state(offset: number): undefined {
    if (FLAG_WORDS.includes(offset) && !this.#written.has(offset)) this.effects.reads = true;
  }
  setState(offset: number): void {
    if (!FLAG_WORDS.includes(offset)) return;
    if (this.#depth > 0) this.effects.mayWrite = true;
    else this.#written.add(offset);
    this.effects.writes = this.#written.size === FLAG_WORDS.length;
  }

  variable(): Variable<undefined> {
    return { get: nothing, set: nothing };
  }
  if(_condition: undefined, then: Arm<undefined>, otherwise?: () => void): void {
    this.#depth++;
    then(() => {});
    otherwise?.();
    this.#depth--;
  }
  while(condition: () => undefined, body: () => void): void {
    this.#depth++;
    condition();
    body();
    this.#depth--;
  }
  call(routine: Routine, ...args: undefined[]): undefined[] {
    return routine.body(this, ...args);
  }

  const(): undefined {}
  const64(): undefined {}
  constF64(): undefined {}
  constV128(): undefined {}
  select(): undefined {}
  protected guestLoad(): undefined {}
  protected guestStore(): void {}
  override probeWrite(): void {}
  operandAddress(): undefined {}
  effectiveAddress(): undefined {}
  protected fileLoad(): undefined {}
  protected fileStore(): void {}
  protected immediate(): undefined {}
  farSelector(): undefined {}
  nextEip(): undefined {}
  currentEip(): undefined {}
  override noteException(): void {}
  jump(): void {}
  jumpIf(): void {}
  jumpIndirect(): void {}
  restart(): void {}
  fault(): void {}
  trap(): void {}
}

const known = new WeakMap<Insn, Map<string, FlagEffects>>();

/** What an instruction with operands of these kinds does to the flags. */
export function flagEffectsOf(insn: Insn, operands: readonly Operand[], isRepeated: boolean): FlagEffects {
  let forms = known.get(insn);
  if (!forms) known.set(insn, (forms = new Map()));
  const key = `${operands.map((one) => one.kind + one.size).join()}${isRepeated}`;
  let effects = forms.get(key);
  if (!effects) {
    const emitter = new FlagEffectsEmitter(isRepeated ? 0xf3 : 0);
    insn.body(emitter, ...operands);
    effects = emitter.effects;
    forms.set(key, effects);
  }
  return effects;
}
