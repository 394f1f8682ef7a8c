/** What an emitter does to keep the x87 stack in locals. */
import type { MemoryType } from '../emit/base-emitter.ts';
import type { Arm, GiveUp } from '../emit/emitter.ts';
import type { Routine } from '../emit/routine.ts';
import { WasmEmitter } from '../emit/wasm-emitter.ts';
import type { Node } from '../emit/wasm-ir.ts';
import { STATE } from '../state.ts';
import { CachedFpu } from './cached-fpu.ts';

/** Routines that only compute have other names. */
const isAboutStack = ({ name }: Routine): boolean => name.startsWith('x87_');
const isOnlyLooking = ({ name }: Routine): boolean => name.startsWith('x87_look_');
const STACK_END = STATE.fpr + 8 * 16;
const isStack = (offset: number): boolean =>
  (offset >= STATE.fpuTop && offset < STATE.fpuOpcode) || (offset >= STATE.fpr && offset < STACK_END);

export abstract class FpuEmitter extends WasmEmitter {
  override readonly fpu = new CachedFpu(this);

  override call(routine: Routine, ...args: Node[]): Node[] {
    if (!isAboutStack(routine)) return super.call(routine, ...args);
    this.fpu.flush();
    const results = super.call(routine, ...args);
    if (!isOnlyLooking(routine)) this.fpu.routineCalled();
    return results;
  }

  override setState(offset: number, value: Node, type: MemoryType = 'i32', index?: Node): void {
    if (isStack(offset) && !this.fpu.isAtWork) this.fpu.forget();
    super.setState(offset, value, type, index);
  }

  override if(condition: Node, then: Arm<Node>, otherwise: () => void = () => {}): void {
    if (condition.constant !== undefined) {
      super.if(condition, then, otherwise);
      return;
    }
    let giveUp: GiveUp<Node> = () => {};
    const filled = (fill: Arm<Node>) => (): boolean => {
      fill((isDue) => giveUp(isDue));
      return this.isEnded;
    };
    const check = (): void => {
      this.setState(STATE.fpuIp, this.currentEip());
      this.if(this.fpu.isPending(), () => this.noteException());
    };
    const [first, second] = this.fpu.paths(filled(then), filled(otherwise), check);
    super.if(
      condition,
      (to) => {
        giveUp = to;
        first();
      },
      second,
    );
  }

  override while(condition: () => Node, body: () => void): void {
    this.fpu.forget();
    super.while(condition, body);
    this.fpu.forget();
  }
}
