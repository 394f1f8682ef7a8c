/** Futexes (futex(2), kernel/futex): words in guest memory that tasks sleep on, and robust lists. */
import { EAGAIN, EFAULT, EINVAL, ENOSYS, ETIMEDOUT } from '../abi/errno.ts';
import type { Mm } from '../memory/mm.ts';
import { failed, type Waiter, WaitQueue } from '../wait/wait.ts';
import type { Task } from './task.ts';

/** One sleeper: woken exactly once, by whoever takes it off the list. */
class FutexWaiter {
  readonly queue = new WaitQueue();
  readonly bitset: number;
  /** The word it sleeps on: where it is in some address space that maps it. */
  mm: Mm;
  address: number;
  key: string;
  woken = false;

  constructor(mm: Mm, address: number, key: string, bitset: number) {
    this.mm = mm;
    this.address = address;
    this.key = key;
    this.bitset = bitset;
  }
}

export const MATCH_ANY = 0xffffffff;
const mmIds = new WeakMap<Mm, number>();
let nextMmId = 1;

export class Futexes {
  readonly #lists = new Map<string, FutexWaiter[]>();
  readonly #sleeping = new WeakMap<Waiter, FutexWaiter>();

  /** Private words belong to their address space, shared ones to the object they are in. */
  #key(mm: Mm, address: number): string {
    const place = mm.sharedLocation(address);
    if (place !== null) return `${place.key}+${place.offset}`;
    let id = mmIds.get(mm);
    if (id === undefined) mmIds.set(mm, (id = nextMmId++));
    return `${id}:${address}`;
  }

  /**
   * FUTEX_WAIT: sleeps while the word has the value. Run again after each wake-up: a task that was taken off the list
   * answers 0, one that was woken by its deadline or a signal says so.
   */
  wait(task: Task, address: number, value: number, bitset: number, deadline: number | undefined): number {
    if (bitset === 0) return -EINVAL;
    let waiter = this.#sleeping.get(task);
    if (waiter === undefined) {
      const word = task.mm.readU32(address);
      if (word < 0) return -EFAULT;
      if (word !== value >>> 0) return -EAGAIN;
      waiter = new FutexWaiter(task.mm, address, this.#key(task.mm, address), bitset);
      this.#add(waiter);
      this.#sleeping.set(task, waiter);
    }
    if (waiter.woken) return this.#leave(task, waiter, 0);
    const slept = task.block(waiter.queue, deadline);
    if (slept === 0) return this.#leave(task, waiter, -ETIMEDOUT);
    return failed(slept) && task.runState !== 'sleeping' ? this.#leave(task, waiter, slept) : slept;
  }

  #leave(task: Task, waiter: FutexWaiter, answer: number): number {
    this.#sleeping.delete(task);
    if (!waiter.woken) this.#remove(waiter);
    return answer;
  }

  /** FUTEX_WAKE: answers how many were woken. */
  wake(mm: Mm, address: number, count: number, bitset = MATCH_ANY): number {
    const list = this.#lists.get(this.#key(mm, address));
    if (list === undefined) return 0;
    let woken = 0;
    for (const waiter of [...list]) {
      if (woken >= count) break;
      if ((waiter.bitset & bitset) === 0) continue;
      this.#wakeOne(waiter);
      woken++;
    }
    return woken;
  }

  /** FUTEX_CMP_REQUEUE (expected null: FUTEX_REQUEUE): wakes some and moves others to another word; answers both. */
  requeue(mm: Mm, from: number, wakes: number, to: number, moves: number, expected: number | null): number {
    if (wakes < 0 || moves < 0) return -EINVAL;
    const word = mm.readU32(from);
    if (word < 0 || !mm.accessible(to, 4, false)) return -EFAULT;
    if (expected !== null && word !== expected >>> 0) return -EAGAIN;
    let done = this.wake(mm, from, wakes);
    const target = this.#key(mm, to);
    for (const waiter of (this.#lists.get(this.#key(mm, from)) ?? []).slice(0, moves)) {
      this.#remove(waiter);
      Object.assign(waiter, { mm, address: to, key: target });
      this.#add(waiter);
      done++;
    }
    return done;
  }

  /** FUTEX_WAKE_OP: changes the second word and wakes sleepers of both, the second's by a condition on its old value. */
  wakeOp(mm: Mm, address: number, count: number, second: number, secondCount: number, operation: number): number {
    const old = mm.readU32(second);
    if (old < 0) return -EFAULT;
    const changed = applyOperation(operation, old | 0);
    if (changed === undefined) return -ENOSYS;
    if (mm.writeU32(second, changed >>> 0) < 0) return -EFAULT;
    const condition = compare(operation, old | 0);
    if (condition === undefined) return -ENOSYS;
    const woken = this.wake(mm, address, count);
    return condition ? woken + this.wake(mm, second, secondCount) : woken;
  }

  /** Who sleeps on which word, in the order in which they will be woken; for images. */
  sleepers(tasks: Iterable<Task>): { task: Task; mm: Mm; address: number; bitset: number; woken: boolean }[] {
    const found = new Map<FutexWaiter, Task>();
    for (const task of tasks) {
      const waiter = this.#sleeping.get(task);
      if (waiter !== undefined && task.call.nr >= 0) found.set(waiter, task);
    }
    const listed = [...this.#lists.values()].flat().filter((waiter) => found.has(waiter));
    const inOrder = new Set([...listed, ...found.keys()]);
    return [...inOrder].map((waiter) => {
      const { mm, address, bitset, woken } = waiter;
      return { task: found.get(waiter)!, mm, address, bitset, woken };
    });
  }

  /** A restored task goes on to sleep where it slept. */
  restore(task: Task, mm: Mm, address: number, bitset: number, woken: boolean): void {
    const waiter = new FutexWaiter(mm, address, this.#key(mm, address), bitset);
    waiter.woken = woken;
    if (!woken) this.#add(waiter);
    this.#sleeping.set(task, waiter);
  }

  #add(waiter: FutexWaiter): void {
    const list = this.#lists.get(waiter.key);
    if (list === undefined) this.#lists.set(waiter.key, [waiter]);
    else list.push(waiter);
  }
  #remove(waiter: FutexWaiter): void {
    const list = this.#lists.get(waiter.key);
    const index = list?.indexOf(waiter) ?? -1;
    if (list === undefined || index < 0) return;
    list.splice(index, 1);
    if (list.length === 0) this.#lists.delete(waiter.key);
  }
  #wakeOne(waiter: FutexWaiter): void {
    this.#remove(waiter);
    waiter.woken = true;
    waiter.queue.wake();
  }
}

/** linux/futex.h: op in bits 28..31 (8: 1 << oparg), cmp in 24..27, oparg 12..23, cmparg 0..11, both signed. */
function applyOperation(encoded: number, old: number): number | undefined {
  const raw = (encoded << 8) >> 20;
  const argument = (encoded >>> 28) & 8 ? 1 << (raw & 31) : raw;
  switch ((encoded >>> 28) & 7) {
    case 0:
      return argument;
    case 1:
      return old + argument;
    case 2:
      return old | argument;
    case 3:
      return old & ~argument;
    case 4:
      return old ^ argument;
    default:
      return undefined;
  }
}

function compare(encoded: number, old: number): boolean | undefined {
  const argument = (encoded << 20) >> 20;
  switch ((encoded >>> 24) & 15) {
    case 0:
      return old === argument;
    case 1:
      return old !== argument;
    case 2:
      return old < argument;
    case 3:
      return old <= argument;
    case 4:
      return old > argument;
    case 5:
      return old >= argument;
    default:
      return undefined;
  }
}

const FUTEX_WAITERS = 0x80000000;
const FUTEX_OWNER_DIED = 0x40000000;
const FUTEX_TID_MASK = 0x3fffffff;
const ROBUST_LIST_LIMIT = 2048;

/** A thread ends: the robust mutexes that it holds are marked, and a waiter of each is woken (get_robust_list(2)). */
export function walkRobustList(task: Task): void {
  const head = task.robustList;
  if (head === 0) return;
  const { mm } = task;
  const offset = mm.readU32(head + 4);
  const pending = mm.readU32(head + 8);
  let entry = mm.readU32(head);
  if (offset < 0 || pending < 0) return;
  for (let i = 0; i < ROBUST_LIST_LIMIT && entry > 0 && entry !== head; i++) {
    const next = mm.readU32(entry & ~1);
    if ((entry & ~1) !== (pending & ~1)) ownerDied(task, (entry & ~1) + offset);
    entry = next;
  }
  if (pending !== 0) ownerDied(task, (pending & ~1) + offset);
}

function ownerDied(task: Task, address: number): void {
  const { mm, kernel } = task;
  const word = mm.readU32(address >>> 0);
  if (word < 0 || (word & FUTEX_TID_MASK) !== task.tid) return;
  mm.writeU32(address >>> 0, ((word & FUTEX_WAITERS) | FUTEX_OWNER_DIED) >>> 0);
  if ((word & FUTEX_WAITERS) !== 0) kernel.futexes.wake(mm, address >>> 0, 1);
}
