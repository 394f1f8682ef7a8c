/** Times in front of lines. */
import type { Task } from '../../kernel/task.ts';

interface Times {
  readonly relative: boolean;
  readonly timestamps: number;
}

export class Clockwork {
  readonly #options: Times;
  #last: number | null = null;

  constructor(options: Times) {
    this.#options = options;
  }

  stamp(task: Task): string {
    const { relative, timestamps } = this.#options;
    if (relative) {
      const now = task.now();
      const since = this.#last === null ? 0 : now - this.#last;
      this.#last = now;
      return `${(since / 1e9).toFixed(6).padStart(13)} `;
    }
    return timestamps === 0 ? '' : `${wallTime(task.realtime(), timestamps)} `;
  }
}

function wallTime(nanoseconds: bigint, style: number): string {
  const seconds = nanoseconds / 1_000_000_000n;
  const micro = String((nanoseconds / 1000n) % 1_000_000n).padStart(6, '0');
  if (style >= 3) return `${seconds}.${micro}`;
  const date = new Date(Number(seconds) * 1000);
  const [h, m, s] = [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) =>
    String(part).padStart(2, '0'),
  );
  return style === 1 ? `${h}:${m}:${s}` : `${h}:${m}:${s}.${micro}`;
}
