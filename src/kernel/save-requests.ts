/** Images that programs ask for themselves: /proc/tallship/checkpoint. */
import { EIO, EPERM } from '../abi/errno.ts';
import { type Sleeper, WaitQueue } from '../wait/wait.ts';

/** Makes an image, after which the machine ends where `stop` says so; false: there is none. */
export type Save = (stop: boolean) => Promise<boolean>;

export class SaveRequests {
  /** null: programs may not ask. */
  save: Save | null = null;
  readonly #now: () => bigint;
  readonly #answered = new WaitQueue();
  /** By number; absent: under way. */
  readonly #results = new Map<number, boolean>();
  #last = 0;
  /** Tells requests of this machine from those that an image has brought. */
  #life = '';

  constructor(now: () => bigint) {
    this.#now = now;
  }

  /** 0 when the image is there, also in the machine that is restored from it. */
  request(s: Sleeper, stop: boolean): number {
    const { save } = this;
    const asked = s.once(() => (save === null ? '' : this.#begin(save, stop)));
    if (asked === '') return -EPERM;
    const [life, number] = asked.split(' ');
    if (life !== this.#life) return 0;
    const result = this.#results.get(Number(number));
    if (result === undefined) return s.block(this.#answered);
    return result ? 0 : -EIO;
  }

  #begin(save: Save, stop: boolean): string {
    this.#life ||= String(this.#now());
    const number = ++this.#last;
    save(stop).then((result) => {
      this.#results.set(number, result);
      this.#answered.wake();
    });
    return `${this.#life} ${number}`;
  }
}
