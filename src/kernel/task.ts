import { ESP, STATE_SIZE } from '../cpu/state.ts';
import type { Mm } from '../memory/mm.ts';
import type { Credentials } from '../vfs/credentials.ts';
import type { FdTable } from '../vfs/fd-table.ts';
import type { FsContext } from '../vfs/fs-context.ts';
import type { MountNamespace } from '../vfs/mounts.ts';
import { runOnce } from '../wait/once.ts';
import { BLOCKED, ERESTARTSYS, type Plain, type Sleeper, type WaitQueue } from '../wait/wait.ts';
import { Call } from './call.ts';
import type { HeldCall } from './held-calls.ts';
import type { Kernel } from './kernel.ts';
import type { Processor } from './processor.ts';
import { publishTls, stateOf } from './registers.ts';
import type { Seccomp } from './seccomp.ts';
import { type SignalInfo, SignalQueue } from './signal-queue.ts';
import type { ThreadGroup } from './thread-group.ts';
import { emptyUsage, type Usage } from './usage.ts';
import type { UserDesc } from './user-desc.ts';

/** runnable: queued or running. dead: has ended; a group's leader may still be a zombie. */
export type RunState = 'runnable' | 'sleeping' | 'stopped' | 'dead';

/** sigaltstack(2); flags as they were given. */
export interface AltStack {
  sp: number;
  size: number;
  flags: number;
}

/** What a task starts from: fork copies or shares the parent's, spawn makes new ones. */
export interface TaskParts {
  tid: number;
  comm: string;
  mm: Mm;
  processor: Processor;
  files: FdTable;
  fs: FsContext;
  credentials: Credentials;
}

/** A thread: what the scheduler runs. While it sleeps, everything about it is data. */
export class Task implements Sleeper {
  readonly kernel: Kernel;
  /** A thread that calls execve takes its leader's. */
  tid: number;
  group!: ThreadGroup;
  comm: string;
  mm: Mm;
  processor: Processor;
  files: FdTable;
  fs: FsContext;
  credentials: Credentials;

  runState: RunState = 'runnable';
  /** Register file while the task is not on its processor (cpu/state.ts). */
  readonly registers = new Uint8Array(STATE_SIZE);
  readonly #saved = new Uint32Array(this.registers.buffer, 0, 9);
  readonly call = new Call();
  /** A first program that could not be started at once, because its file system sleeps: runs in place of a call. */
  startup: (() => number) | null = null;

  /** Signals that wait for delivery, the mask, and the mask to go back to after sigsuspend, ppoll and their like. */
  readonly pending = new SignalQueue();
  blocked = 0n;
  savedMask: bigint | null = null;
  /** rt_sigtimedwait: blocked signals that wake the task all the same. */
  waitingFor = 0n;
  altStack: AltStack = { sp: 0, size: 0, flags: 0 };
  /** Something other than its instructions waits for the task: signals, a stop, its end. */
  attention = false;
  /** Of the last fault: what signal frames show as trapno, err and cr2. */
  lastTrap = { trapno: 0, err: 0, cr2: 0 };
  /** execve of another thread, or a fatal signal, ends this task when it comes to run. */
  killed = false;

  /** GDT entries of set_thread_area. */
  readonly tls: (UserDesc | null)[] = [null, null, null];
  /** set_tid_address, CLONE_CHILD_CLEARTID. */
  clearChildTid = 0;
  robustList = 0;
  /** vfork: the parent sleeps here until the address space is given up. */
  vforkDone: WaitQueue | null = null;
  /** Whose child it is, for PR_SET_PDEATHSIG and __WNOTHREAD. */
  parentTask: Task | null = null;

  nice = 0;
  policy = 0;
  priority = 0;
  parentDeathSignal = 0;
  timerSlack = 50000;
  noNewPrivileges = false;
  seccomp: Seccomp | null = null;
  keepCapabilities = false;
  personality = 0;
  /** What layers keep for the task, by the layer's name; a child starts with a copy. */
  notes: Map<string, Plain> | null = null;
  /** Calls that handlers have interrupted, the last one innermost. */
  readonly held: HeldCall[] = [];
  readonly usage: Usage = emptyUsage();
  readonly startTime: number;

  #queues: readonly WaitQueue[] = [];
  /** When the sleep ends by itself; absent: never. */
  deadline: number | undefined;

  constructor(kernel: Kernel, parts: TaskParts) {
    this.kernel = kernel;
    this.tid = parts.tid;
    this.comm = parts.comm;
    this.mm = parts.mm;
    this.processor = parts.processor;
    this.files = parts.files;
    this.fs = parts.fs;
    this.credentials = parts.credentials;
    this.startTime = kernel.clock.now();
  }

  /** The process id. */
  get tgid(): number {
    return this.group.id;
  }
  get namespace(): MountNamespace {
    return this.kernel.namespace;
  }
  /** eax ecx edx ebx esp ebp esi edi eip, wherever they are now. */
  get regs(): Uint32Array {
    return this.processor.current === this ? this.processor.regs : this.#saved;
  }
  get esp(): number {
    return this.regs[ESP];
  }

  block(queues: WaitQueue | readonly WaitQueue[], deadline?: number, firmly = false): number {
    if (firmly ? this.ending : this.interrupted) return -ERESTARTSYS;
    if (deadline !== undefined && this.now() >= deadline) return 0;
    this.leaveQueues();
    this.#queues = 'wake' in queues ? [queues] : queues;
    for (const queue of this.#queues) queue.waiters.add(this);
    this.deadline = deadline;
    if (deadline !== undefined) this.kernel.timers.add(deadline, this);
    this.runState = 'sleeping';
    return BLOCKED;
  }

  /** A signal that the task must look at is pending, or it is to end. */
  get interrupted(): boolean {
    return (
      this.attention &&
      (this.killed || this.group.exiting || ((this.pending.set | this.group.pending.set) & ~this.blocked) !== 0n)
    );
  }

  /** Nothing that it does will be seen. */
  get ending(): boolean {
    return this.attention && (this.killed || this.group.exiting);
  }

  get serial(): number {
    return this.call.serial;
  }

  once<T extends Plain>(step: () => T): T {
    return runOnce(this.call, step);
  }

  get progress(): number {
    return this.call.progress;
  }
  set progress(moved: number) {
    this.call.progress = moved;
  }
  now(): number {
    return this.kernel.clock.now();
  }
  realtime(): bigint {
    return this.kernel.clock.realtime();
  }

  /** The sleep ends: the task looks again when its turn comes. */
  wake(): void {
    if (this.runState !== 'sleeping') return;
    this.leaveQueues();
    this.runState = 'runnable';
    this.kernel.scheduler.wakeUp(this);
  }

  /** The handler has an answer after all, from another of the things it asked. */
  stay(): void {
    this.leaveQueues();
    this.runState = 'runnable';
  }

  /** Forgets what the task waited for. */
  leaveQueues(): void {
    for (const queue of this.#queues) queue.waiters.delete(this);
    this.#queues = [];
    if (this.deadline !== undefined) this.kernel.timers.remove(this);
    this.deadline = undefined;
  }

  /** Descriptors of its own: execve, unshare(CLONE_FILES). */
  unshareFiles(): void {
    const { shares } = this.kernel;
    if (shares.count(this.files) <= 1) return;
    const own = this.files.clone();
    shares.drop(this.files);
    this.files = shares.hold(own);
  }

  /** Sets one of the GDT's TLS entries (0..2), for the CPU too. */
  setTls(index: number, entry: UserDesc | null): void {
    this.tls[index] = entry;
    publishTls(this, stateOf(this));
  }

  /** A line for whoever operates the machine. */
  log(line: string): void {
    this.kernel.host.log(`[${this.tid}] ${line}`);
  }

  /** A timer of the kernel's queue has run out. */
  expire(): void {
    this.deadline = undefined;
    this.wake();
  }

  /** Sends a signal to this thread, as the kernel does for SIGPIPE and the like. */
  raise(signal: number, info?: Partial<SignalInfo>): void {
    this.kernel.signals.sendToTask(this, { signo: signal, code: 0x80, ...info });
  }
}
