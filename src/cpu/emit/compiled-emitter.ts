/** What code that is compiled, for the interpreter too, never does: instructions about segments are evaluated (stepper.ts). */
import { BaseEmitter } from './base-emitter.ts';

function evaluated(): never {
  throw new Error('an instruction about segments is evaluated, not compiled');
}

export abstract class CompiledEmitter<V> extends BaseEmitter<V> {
  get stackSize(): 4 {
    return 4;
  }
  get isStepped(): boolean {
    return false;
  }
  descriptor(): never {
    return evaluated();
  }
  requireCode(): void {
    evaluated();
  }
  localTable(): never {
    return evaluated();
  }
  jumpFar(): void {
    evaluated();
  }
  protected loadSegment(): void {
    evaluated();
  }
}
