/** Times in front of lines, and the guest's stack behind them. */
import type { Task } from '../../kernel/task.ts';

interface Times {
  readonly relative: boolean;
  readonly timestamps: number;
}

const FRAMES = 64;
/** Places in task.regs. */
const [ESP, EBP, EIP] = [4, 5, 8];

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

  /** Return addresses by the chain of frame pointers, as far as it holds. */
  backtrace(task: Task): string {
    const { regs, mm } = task;
    const lines = [` > ${where(task, regs[EIP])}\n`];
    let frame = regs[EBP];
    for (let i = 0; i < FRAMES && frame >= regs[ESP]; i++) {
      const [next, address] = [mm.readU32(frame), mm.readU32(frame + 4)];
      if (next < 0 || address <= 0) break;
      lines.push(` > ${where(task, address)}\n`);
      if (next <= frame) break;
      frame = next;
    }
    return lines.join('');
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

function where(task: Task, address: number): string {
  const hex = `[0x${(address >>> 0).toString(16)}]`;
  const vma = task.mm.vmas.find(address >>> 0);
  return `${vma?.object?.backing?.path ?? ''}() ${hex}`;
}
