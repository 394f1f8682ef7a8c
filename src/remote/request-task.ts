/** A request while it is done: what the inode operations know as their sleeper. */
import { EINTR } from '../abi/errno.ts';
import { Attendant, type Clock } from '../vfs/attendant.ts';
import { BLOCKED, type WaitQueue } from '../wait/wait.ts';

export class RequestTask extends Attendant {
  readonly serial = 1;
  readonly #operation: () => unknown;
  readonly #done: (answer: unknown) => void;
  #running = false;
  /** It has its answer. */
  ended = false;
  onEnd: (() => void) | null = null;
  #cancelled = false;

  constructor(clock: Clock, operation: (s: RequestTask) => unknown, done: (answer: unknown) => void) {
    super(clock);
    this.#operation = () => operation(this);
    this.#done = done;
  }

  run(): void {
    this.resume();
  }

  protected override resume(): void {
    if (this.#running) return;
    this.#running = true;
    const answer = this.attempt(this.#operation);
    this.#running = false;
    if (answer === BLOCKED) return;
    this.ended = true;
    this.#done(answer);
    this.onEnd?.();
  }

  /** Whoever asked does not want to wait any longer. */
  cancel(): void {
    this.#cancelled = true;
    this.wake();
  }

  override block(queues: WaitQueue | readonly WaitQueue[]): number {
    return this.#cancelled ? -EINTR : super.block(queues);
  }
}
