/** System V semaphores (semop(2), semctl(2)). */
import { EAGAIN, EINVAL, ERANGE } from '../abi/errno.ts';
import { IPC_NOWAIT, SEM_UNDO, SEMMSL, SEMVMX } from '../abi/ipc.ts';
import { BLOCKED, WaitQueue } from '../wait/wait.ts';
import { type IpcPerm, IpcTable, ipcTime, NEVER } from './ipc.ts';
import type { Task } from './task.ts';
import type { ThreadGroup } from './thread-group.ts';

export interface SemOperation {
  num: number;
  op: number;
  flags: number;
}

export class SemaphoreSet {
  readonly id: number;
  readonly perm: IpcPerm;
  readonly values: Int32Array;
  /** Who changed each one last. */
  readonly pids: Int32Array;
  otime = NEVER;
  ctime: { low: number; high: number };
  readonly changed = new WaitQueue();
  /** Calls that sleep, with the operation that they wait for: GETNCNT, GETZCNT. */
  readonly waiting = new Map<Task, SemOperation>();
  /** SEM_UNDO: what to add back when a process ends. */
  readonly undo = new Map<ThreadGroup, Int32Array>();

  constructor(id: number, perm: IpcPerm, count: number, ctime: { low: number; high: number }) {
    this.id = id;
    this.perm = perm;
    this.values = new Int32Array(count);
    this.pids = new Int32Array(count);
    this.ctime = ctime;
  }

  /** All operations at once, or none: 0, a negative errno, or the operation that has to wait. */
  tryAll(task: Task, operations: readonly SemOperation[]): number | SemOperation {
    const after = this.values.slice();
    for (const operation of operations) {
      const { num, op } = operation;
      if (op === 0 ? after[num] !== 0 : after[num] + op < 0) return operation;
      after[num] += op;
      if (after[num] > SEMVMX) return -ERANGE;
    }
    this.values.set(after);
    for (const { num, op, flags } of operations) {
      this.pids[num] = task.tgid;
      if (op !== 0 && (flags & SEM_UNDO) !== 0) this.#undoOf(task.group)[num] -= op;
    }
    this.otime = ipcTime(task);
    this.changed.wake();
    return 0;
  }

  #undoOf(group: ThreadGroup): Int32Array {
    let adjustments = this.undo.get(group);
    if (adjustments === undefined) this.undo.set(group, (adjustments = new Int32Array(this.values.length)));
    return adjustments;
  }

  waiters(num: number, forZero: boolean): number {
    let count = 0;
    for (const operation of this.waiting.values())
      if (operation.num === num && (operation.op === 0) === forZero) count++;
    return count;
  }
}

export class Semaphores extends IpcTable<SemaphoreSet> {
  find(task: Task, key: number, count: number, flags: number): number {
    if (count < 0 || count > SEMMSL) return -EINVAL;
    return this.open(
      task,
      key,
      flags,
      (found) => (count > found.values.length ? -EINVAL : 0),
      (id, perm) => (count === 0 ? -EINVAL : new SemaphoreSet(id, perm, count, ipcTime(task))),
    );
  }

  /** semtimedop: sleeps until all operations can be done. */
  operate(task: Task, set: SemaphoreSet, operations: readonly SemOperation[], deadline?: number): number {
    set.waiting.delete(task);
    const answer = set.tryAll(task, operations);
    if (typeof answer === 'number') return answer;
    if ((answer.flags & IPC_NOWAIT) !== 0) return -EAGAIN;
    const slept = task.block(set.changed, deadline);
    if (slept === BLOCKED) set.waiting.set(task, answer);
    return slept === 0 ? -EAGAIN : slept;
  }

  /** A process ends: its SEM_UNDO operations are taken back. */
  exit(group: ThreadGroup): void {
    for (const set of this.objects.values()) {
      const adjustments = set.undo.get(group);
      if (adjustments === undefined) continue;
      set.undo.delete(group);
      for (const [num, adjustment] of adjustments.entries()) {
        set.values[num] = Math.min(SEMVMX, Math.max(0, set.values[num] + adjustment));
      }
      set.changed.wake();
    }
  }
}
