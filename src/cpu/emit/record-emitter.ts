/** What the interpreter's handlers and compiled regions share: leaving for other code, by its record. */

import { HASH_ENTRIES, VM_HASH } from '../layout.ts';
import { STATE } from '../state.ts';
import type { Operand } from './emitter.ts';
import { WasmEmitter } from './wasm-emitter.ts';
import type { Node } from './wasm-ir.ts';

export abstract class RecordEmitter extends WasmEmitter {
  jumpIf(condition: Node, target: Operand): void {
    this.if(condition, () => this.jump(target));
  }
  /** Through the cache from EIP to record. */
  jumpIndirect(target: Node): void {
    const slot = this.shl(this.and(target, this.const(HASH_ENTRIES - 1)), this.const(3));
    const entry = this.add(slot, this.const(this.target.vmIndex));
    this.if(this.ne(this.vmLoad(entry, 'i32', VM_HASH), target), () => {
      this.setState(STATE.eip, target);
      this.leave('lookup');
    });
    this.leave('land', this.vmLoad(entry, 'i32', VM_HASH + 4));
  }
  restart(): void {
    this.setState(STATE.restarts, this.add(this.state(STATE.restarts), this.const(1)));
    this.leave('restart');
  }
}
