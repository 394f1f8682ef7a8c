/** Moves bytes between a channel and one end of a pipe or terminal of the machine: the end that no program has. */
import { EAGAIN } from '../../abi/errno.ts';
import type { Caller } from '../../fs/caller.ts';
import type { Channel } from '../../remote/mux.ts';
import type { PathContext } from '../../vfs/fs-context.ts';
import type { OpenFile } from '../../vfs/open-file.ts';
import { BLOCKED } from '../../wait/wait.ts';

const PIECE = 1 << 16;
/** What may lie in a channel before the program has to wait. */
const MOST_BACKLOG = 1 << 18;

/** Never sleeps: files that are asked are O_NONBLOCK. Nobody gets its signals. */
type Worker = PathContext & Pick<Caller, 'raise' | 'group'>;

export function workerOf(ctx: PathContext): Worker {
  const group = { id: 0, processGroup: 0, session: { id: 0, terminal: null }, actions: [] };
  return Object.assign(ctx, { group, raise: () => {} });
}

/** What the program writes goes to the channel; its end too. */
export class Outlet {
  readonly #file: OpenFile;
  readonly #channel: Channel;
  readonly #worker: Worker;
  readonly #buffer = new Uint8Array(PIECE);
  #waiting = false;
  #isAtEnd = false;
  #resolve = () => {};
  /** Nothing will come any more. */
  readonly ended = new Promise<void>((resolve) => {
    this.#resolve = resolve;
  });

  constructor(file: OpenFile, channel: Channel, worker: Worker) {
    this.#file = file;
    this.#channel = channel;
    this.#worker = worker;
  }

  /** Takes what is there, and looks again when there is more. */
  readonly pump = (): void => {
    this.#waiting = false;
    while (!this.#isAtEnd && this.#channel.backlog < MOST_BACKLOG) {
      this.#worker.progress = 0;
      const count = this.#file.read(this.#worker, this.#buffer);
      if (count === -EAGAIN || count === BLOCKED) return this.#wait();
      if (count <= 0) this.#end();
      else this.#channel.send(this.#buffer.slice(0, count));
    }
  };

  #wait(): void {
    if (this.#waiting) return;
    this.#waiting = true;
    const { ready } = this.#file;
    const waiter = {
      wake: () => {
        ready.waiters.delete(waiter);
        // After whoever woke us: it is in the middle of its own work.
        queueMicrotask(this.pump);
      },
    };
    ready.waiters.add(waiter);
  }

  /** Home's end is closed: whoever writes here gets SIGPIPE. */
  nobodyReads(): void {
    if (this.#isAtEnd) return;
    this.#isAtEnd = true;
    this.#file.drop();
    this.#resolve();
  }

  #end(): void {
    this.#isAtEnd = true;
    this.#channel.close();
    this.#resolve();
  }
}

/** What comes over the channel is for the program to read; the channel's end is the end of the file. */
export class Inlet {
  readonly #file: OpenFile;
  readonly #channel: Channel;
  readonly #worker: Worker;
  #waiting: Uint8Array[] = [];
  #asleep = false;
  #last = false;

  constructor(file: OpenFile, channel: Channel, worker: Worker) {
    this.#file = file;
    this.#channel = channel;
    this.#worker = worker;
  }

  add(bytes: Uint8Array): void {
    this.#waiting.push(bytes.slice());
    this.#pump();
  }

  end(): void {
    this.#last = true;
    this.#pump();
  }

  readonly #pump = (): void => {
    while (this.#waiting.length > 0 && !this.#asleep) {
      const [first] = this.#waiting;
      this.#worker.progress = 0;
      const count = this.#file.write(this.#worker, first);
      if (count === -EAGAIN || count === BLOCKED) return this.#wait();
      // Nobody reads any more: it is dropped.
      const taken = count < 0 ? first.length : count;
      this.#channel.credit(taken);
      if (taken === first.length) this.#waiting.shift();
      else this.#waiting[0] = first.subarray(taken);
    }
    if (this.#last && this.#waiting.length === 0) this.#file.drop();
  };

  #wait(): void {
    this.#asleep = true;
    const { ready } = this.#file;
    const waiter = {
      wake: () => {
        ready.waiters.delete(waiter);
        queueMicrotask(() => {
          this.#asleep = false;
          this.#pump();
        });
      },
    };
    ready.waiters.add(waiter);
  }
}
