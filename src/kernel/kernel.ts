import { makeDevice } from '../abi/fs.ts';
import type { Cpu } from '../cpu/cpu.ts';
import { featureWord } from '../cpu/isa/cpuid.ts';
import { AnonymousFileSystems } from '../fs/anonymous.ts';
import { MemFs } from '../fs/memfs.ts';
import type { MessageQueue } from '../fs/mqueue.ts';
import type { Pipe } from '../fs/pipe.ts';
import { SocketNames } from '../fs/socket-names.ts';
import type { Protection } from '../memory/guest-memory.ts';
import type { HostLimitError } from '../memory/limits.ts';
import type { Mm } from '../memory/mm.ts';
import { SharedObjects } from '../memory/shared-object.ts';
import type { Inode } from '../vfs/inode.ts';
import type { MountNamespace } from '../vfs/mounts.ts';
import { WaitQueue } from '../wait/wait.ts';
import { Clock } from './clock.ts';
import { Futexes } from './futex.ts';
import type { MachineHost } from './host.ts';
import { MessageQueues } from './message-queues.ts';
import { Processor } from './processor.ts';
import { Random } from './random.ts';
import { SaveRequests } from './save-requests.ts';
import { Scheduler } from './scheduler.ts';
import { Semaphores } from './semaphores.ts';
import { SharedSegments } from './shared-memory.ts';
import { Shares } from './shares.ts';
import type { SignalInfo } from './signal-queue.ts';
import { Signals } from './signals.ts';
import type { Task } from './task.ts';
import type { ThreadGroup } from './thread-group.ts';
import { TimerQueue } from './timer-queue.ts';
import type { TaskWatcher } from './watcher.ts';

/** The table of system calls, as the kernel uses it; src/syscall implements it. */
export interface CallTable {
  /** Runs the call in task.call once: a value, a negative errno or BLOCKED. */
  run(task: Task): number;
  /** A call that a signal ended leaves its layers; answers what they make of that. */
  abandon(task: Task, answer: number): number;
  /** A handler has interrupted a call that will be issued again; `answer` is the ERESTART code. */
  interrupted(task: Task, answer: number): void;
  /** No call that the task was in goes on. */
  forget(task: Task): void;
}

export interface UtsName {
  sysname: string;
  nodename: string;
  release: string;
  version: string;
  machine: string;
  domainname: string;
}

export const UTS: Readonly<UtsName> = {
  sysname: 'Linux',
  nodename: 'tallship',
  release: '6.1.0-tallship',
  version: '#1 SMP Tallship',
  machine: 'i686',
  domainname: '(none)',
};

export interface KernelParts {
  host: MachineHost;
  table: CallTable;
  namespace: MountNamespace;
  /** Makes the CPU of an address space. */
  makeCpu(mm: Mm, parent?: Cpu): Cpu;
  /** AT_HWCAP: CPUID.1:EDX. */
  hwcap?: number;
  /** 32 bytes; absent: from the host. */
  seed?: Uint8Array;
  /** How guest pages are protected; absent: as the host allows. */
  protection?: Protection;
}

const FIRST_PID = 2;
const PID_MAX = 4194304;

/** The kernel's state: what all tasks of one machine share. */
export class Kernel {
  readonly host: MachineHost;
  readonly table: CallTable;
  readonly namespace: MountNamespace;
  readonly clock: Clock;
  readonly random: Random;
  readonly timers = new TimerQueue();
  readonly signals: Signals;
  readonly scheduler: Scheduler;
  readonly futexes = new Futexes();
  readonly shares = new Shares();
  /** System V IPC. */
  readonly semaphores = new Semaphores();
  readonly messages = new MessageQueues();
  readonly segments = new SharedSegments();
  /** pipefs, sockfs, anon_inodefs: what has no name. */
  readonly anonymous = new AnonymousFileSystems();
  readonly socketNames = new SocketNames();
  /** POSIX message queues by name, without the slash. */
  readonly queues = new Map<string, MessageQueue>();
  /** What is in the FIFOs of all file systems. */
  readonly fifos = new WeakMap<Inode, Pipe>();
  /** signalfd: woken when a signal becomes pending for anyone. */
  readonly signalArrived = new WaitQueue();
  /** Programs that want an image of the machine. */
  readonly saves: SaveRequests;
  readonly uts: UtsName = { ...UTS };
  readonly protection: Protection | undefined;
  readonly hwcap: number;
  /** Pages that address spaces share. */
  readonly objects = new SharedObjects();
  /** By thread id; a leader stays until its process is reaped. */
  readonly tasks = new Map<number, Task>();
  /** By process id, zombies included. */
  readonly groups = new Map<number, ThreadGroup>();
  /** Called before a signal ends a process whose default action is a core; true when one was written. */
  dumpCore?: (task: Task, info: SignalInfo) => boolean;
  /** Called when a process has ended, with its wait status. */
  onExit?: (group: ThreadGroup, status: number) => void;
  /** Called when a signal has stopped a process that has no parent in the machine. */
  onStop?: (group: ThreadGroup, signal: number) => void;
  /** Hears of births, signals and ends: the layers. */
  watcher: TaskWatcher | null = null;
  /** Why the last execve failed, in words. */
  lastExecFailure = '';
  /** What the host could not give to the last execve that answered -ENOMEM. */
  hostLimit: HostLimitError | null = null;
  /** Processes and threads made so far: /proc/stat, /proc/loadavg. */
  forks = 0;
  #shm: MemFs | null = null;
  readonly #makeCpu: (mm: Mm, parent?: Cpu) => Cpu;
  /** Where the search for a free id begins. */
  nextPid = FIRST_PID;

  constructor(parts: KernelParts) {
    this.host = parts.host;
    this.table = parts.table;
    this.namespace = parts.namespace;
    this.#makeCpu = parts.makeCpu;
    this.protection = parts.protection;
    this.hwcap = parts.hwcap ?? featureWord('edx');
    this.clock = new Clock(parts.host);
    this.saves = new SaveRequests(() => parts.host.realtime());
    this.random = new Random(parts.seed ?? parts.host.randomBytes(32));
    this.signals = new Signals(this);
    this.scheduler = new Scheduler(this);
  }

  /** Why the last execve failed; asked once. */
  takeExecFailure(): string {
    const reason = this.lastExecFailure;
    this.lastExecFailure = '';
    return reason;
  }

  /** Linux's internal tmpfs: what memfd_create makes. */
  get shm(): MemFs {
    this.#shm ??= new MemFs({ device: makeDevice(0, 1), now: this.clock.realtime(), internal: true });
    return this.#shm;
  }

  /** A fresh process or thread id: ids are not used again before they wrapped around. */
  allocatePid(): number {
    while (this.tasks.has(this.nextPid) || this.groups.has(this.nextPid) || this.processGroupExists(this.nextPid)) {
      this.nextPid = this.nextPid >= PID_MAX ? FIRST_PID : this.nextPid + 1;
    }
    return this.nextPid++;
  }

  /** The members of a process group. */
  processGroup(id: number): ThreadGroup[] {
    const members: ThreadGroup[] = [];
    for (const group of this.groups.values()) if (group.processGroup === id) members.push(group);
    return members;
  }
  processGroupExists(id: number): boolean {
    for (const group of this.groups.values()) if (group.processGroup === id || group.session.id === id) return true;
    return false;
  }

  /** The CPU for a new address space. One that was forked starts with what is known of its parent's code. */
  processorFor(mm: Mm, parent?: Processor): Processor {
    const cpu = this.#makeCpu(mm, parent?.cpu);
    mm.onInvalidate = (start, end) => cpu.invalidate(start, end);
    return new Processor(cpu, mm);
  }
}
