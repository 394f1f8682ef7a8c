/**
 * The interpretation that only asks what an instruction does: whether it reads and writes memory through its operand's
 * segment. Every path of a body is taken once; a value is whether an address in that segment went into it.
 */
import type { Insn } from '../isa/insn.ts';
import type { MemoryType } from './base-emitter.ts';
import { BaseEmitter } from './base-emitter.ts';
import type { Operand, Variable, WasmType } from './emitter.ts';
import type { Routine } from './routine.ts';

export interface Effects {
  reads: boolean;
  writes: boolean;
}

const either = (a: boolean, b: boolean): boolean => a || b;
const lanes = {
  shuffle: either,
  extractLane: (_: unknown, a: boolean): boolean => a,
  replaceLane: (_: unknown, a: boolean, _lane: number, b: boolean): boolean => either(a, b),
};

class EffectsEmitter extends BaseEmitter<boolean> {
  readonly effects: Effects = { reads: false, writes: false };
  readonly operandSize = 4;
  readonly addressSize = 4;
  readonly repeat: 0 | 0xf3;

  constructor(repeat: 0 | 0xf3) {
    super((_, args) => args.includes(true), lanes);
    this.repeat = repeat;
  }

  protected guestLoad(address: boolean): boolean {
    this.effects.reads ||= address;
    return false;
  }
  protected guestStore(address: boolean): void {
    this.effects.writes ||= address;
  }
  probeWrite(address: boolean): void {
    this.effects.writes ||= address;
  }
  linearAddress(): boolean {
    return true;
  }
  effectiveAddress(): boolean {
    return false;
  }
  protected dataSegmentBase(): boolean {
    return true;
  }

  const(): boolean {
    return false;
  }
  const64(): boolean {
    return false;
  }
  constF64(): boolean {
    return false;
  }
  constV128(): boolean {
    return false;
  }
  state(): boolean {
    return false;
  }
  setState(): void {}
  protected fileLoad(_operand: Operand, _type: MemoryType): boolean {
    return false;
  }
  protected fileStore(): void {}
  protected immediate(): boolean {
    return false;
  }
  protected isSegment(): boolean {
    return false;
  }
  farSelector(): boolean {
    return false;
  }
  nextEip(): boolean {
    return false;
  }
  currentEip(): boolean {
    return false;
  }

  select(_condition: boolean, a: boolean, b: boolean): boolean {
    return either(a, b);
  }
  variable(_type: WasmType, initial: boolean): Variable<boolean> {
    let current = initial;
    return { get: () => current, set: (value) => (current = either(current, value)) };
  }
  if(_condition: boolean, then: () => void, otherwise?: () => void): void {
    then();
    otherwise?.();
  }
  while(condition: () => boolean, body: () => void): void {
    condition();
    body();
  }
  call(routine: Routine, ...args: boolean[]): boolean[] {
    return routine.body(this, ...args);
  }

  jump(): void {}
  jumpIf(): void {}
  jumpIndirect(): void {}
  restart(): void {}
  fault(): void {}
  trap(): void {}
}

const known = new WeakMap<Insn, Map<string, Effects>>();

/** What an instruction with operands of these kinds does; repeated string instructions may do nothing at all. */
export function effectsOf(insn: Insn, operands: readonly Operand[], isRepeated: boolean): Effects {
  let forms = known.get(insn);
  if (!forms) known.set(insn, (forms = new Map()));
  const key = `${operands.map((one) => one.kind + one.size).join()}${isRepeated}`;
  let effects = forms.get(key);
  if (!effects) {
    const emitter = new EffectsEmitter(isRepeated ? 0xf3 : 0);
    insn.body(emitter, ...operands);
    effects = emitter.effects;
    forms.set(key, effects);
  }
  return effects;
}
