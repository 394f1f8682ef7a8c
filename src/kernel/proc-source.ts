/** The kernel's state as /proc shows it. */
import { EIO } from '../abi/errno.ts';
import { bit, SIG_DFL, SIG_IGN } from '../abi/signal.ts';
import type { CpuModelName } from '../cpu/isa/cpuid.ts';
import { BRAND, CPU_MODELS, DEFAULT_MODEL, VENDOR } from '../cpu/isa/cpuid.ts';
import type { Feature } from '../cpu/isa/insn.ts';
import { ESP } from '../cpu/state.ts';
import type {
  CpuFacts,
  MachineFacts,
  ProcMapping,
  ProcMemory,
  ProcProcess,
  ProcSource,
  ProcThread,
} from '../fs/proc-source.ts';
import type { Mm } from '../memory/mm.ts';
import { PAGE_SIZE } from '../memory/page.ts';
import { processTimes } from './accounting.ts';
import type { Kernel } from './kernel.ts';
import { RLIM_INFINITY } from './limits.ts';
import { EIP } from './registers.ts';
import type { Task } from './task.ts';
import type { ThreadGroup } from './thread-group.ts';

/** What sysinfo(2) says too. */
export const TOTAL_MEMORY = 0xfffff000;

export function procSourceOf(kernel: Kernel, model: CpuModelName = DEFAULT_MODEL): ProcSource {
  const cpu = cpuFacts(model);
  return {
    namespace: kernel.namespace,
    random: kernel.random,
    uts: kernel.uts,
    saves: kernel.saves,
    processIds: () => [...kernel.groups.keys()].sort((a, b) => a - b),
    process(id) {
      const group = kernel.groups.get(id) ?? kernel.tasks.get(id)?.group;
      return group === undefined ? undefined : new ProcessView(group);
    },
    machine: () => machineFacts(kernel, cpu),
    sockets: () => kernel.socketNames.all,
  };
}

function machineFacts(kernel: Kernel, cpu: CpuFacts): MachineFacts {
  const uptime = kernel.clock.now();
  let [user, system, contextSwitches, running, pageFaults] = [0, 0, 0, 0, 0];
  for (const group of kernel.groups.values()) {
    const times = processTimes(group);
    user += times.utime;
    system += times.stime;
    for (const task of group.tasks) {
      contextSwitches += task.usage.voluntarySwitches + task.usage.involuntarySwitches;
      pageFaults += task.usage.minorFaults;
      if (task.runState === 'runnable') running++;
    }
  }
  return {
    ...{ uptime, user, system, contextSwitches, running, pageFaults, cpu },
    idle: Math.max(0, uptime - user - system),
    bootTime: Math.floor((Number(kernel.clock.realtime()) - uptime) / 1e9),
    forks: kernel.forks,
    tasks: kernel.tasks.size,
    lastPid: Math.max(0, ...kernel.tasks.keys()),
    memory: TOTAL_MEMORY,
    /** Counting pages takes a while: only who asks pays. */
    get memoryFree() {
      const spaces = new Set(
        [...kernel.tasks.values()].filter(({ runState }) => runState !== 'dead').map(({ mm }) => mm),
      );
      let used = 0;
      for (const mm of spaces) for (const vma of mm.vmas) used += mm.residentBytes(vma);
      return Math.max(0, TOTAL_MEMORY - used);
    },
  };
}

const FLAG_NAMES: Partial<Record<Feature, string>> = {
  x87: 'fpu',
  sse3: 'pni',
  'sse4.1': 'sse4_1',
  'sse4.2': 'sse4_2',
};

function cpuFacts(name: CpuModelName): CpuFacts {
  const { signature, features } = CPU_MODELS[name];
  return {
    vendor: VENDOR,
    name: BRAND,
    family: (signature >> 8) & 15,
    model: ((signature >> 4) & 15) | ((signature >> 12) & 0xf0),
    stepping: signature & 15,
    flags: features.map((feature) => FLAG_NAMES[feature] ?? feature),
  };
}

class ThreadView implements ProcThread {
  readonly #task: Task;

  constructor(task: Task) {
    this.#task = task;
  }

  get tid() {
    return this.#task.tid;
  }
  get comm() {
    return this.#task.comm;
  }
  set comm(name: string) {
    this.#task.comm = name;
  }
  get state() {
    const { runState, group } = this.#task;
    if (runState === 'dead') return group.zombie ? 'Z' : 'X';
    if (runState === 'stopped') return 'T';
    return runState === 'runnable' ? 'R' : this.#task.vforkDone === null ? 'S' : 'D';
  }
  get user() {
    return this.#task.usage.utime;
  }
  get system() {
    return this.#task.usage.stime;
  }
  get minorFaults() {
    return this.#task.usage.minorFaults;
  }
  get majorFaults() {
    return this.#task.usage.majorFaults;
  }
  get startTime() {
    return this.#task.startTime;
  }
  get voluntarySwitches() {
    return this.#task.usage.voluntarySwitches;
  }
  get involuntarySwitches() {
    return this.#task.usage.involuntarySwitches;
  }
  get pending() {
    return this.#task.pending.set;
  }
  get blocked() {
    return this.#task.blocked;
  }
  get nice() {
    return this.#task.nice;
  }
  get policy() {
    return this.#task.policy;
  }
  get priority() {
    return this.#task.priority;
  }
  get seccomp() {
    const { seccomp } = this.#task;
    const mode = seccomp === null ? 0 : seccomp.mode === 'strict' ? 1 : 2;
    return { mode, filters: seccomp?.filters.length ?? 0 };
  }
  get noNewPrivileges() {
    return this.#task.noNewPrivileges;
  }
  get eip() {
    return this.#task.regs[EIP];
  }
  get esp() {
    return this.#task.regs[ESP];
  }
  get call() {
    const { call, runState } = this.#task;
    return runState !== 'sleeping' || call.nr < 0 ? null : { nr: call.nr, words: [...call.words] };
  }
  get credentials() {
    return this.#task.credentials;
  }
  get files() {
    return this.#task.files;
  }
  get fs() {
    return this.#task.fs;
  }
}

class ProcessView implements ProcProcess {
  readonly #group: ThreadGroup;
  readonly leader: ProcThread;

  constructor(group: ThreadGroup) {
    this.#group = group;
    this.leader = new ThreadView(group.leader);
  }

  get pid() {
    return this.#group.id;
  }
  get parent() {
    return this.#group.parent?.id ?? 0;
  }
  get processGroup() {
    return this.#group.processGroup;
  }
  get session() {
    return this.#group.session.id;
  }
  get terminal() {
    return this.#group.session.terminal;
  }
  get threads() {
    const others = [...this.#group.tasks].filter((task) => task !== this.#group.leader);
    return [this.leader, ...others.map((task) => new ThreadView(task))];
  }
  #sum(field: 'minorFaults' | 'majorFaults'): number {
    let sum = this.#group.usage[field];
    for (const task of this.#group.tasks) sum += task.usage[field];
    return sum;
  }
  get minorFaults() {
    return this.#sum('minorFaults');
  }
  get majorFaults() {
    return this.#sum('majorFaults');
  }
  get user() {
    return processTimes(this.#group).utime;
  }
  get system() {
    return processTimes(this.#group).stime;
  }
  get childrenUser() {
    return this.#group.childrenUsage.utime;
  }
  get childrenSystem() {
    return this.#group.childrenUsage.stime;
  }
  get childrenMinorFaults() {
    return this.#group.childrenUsage.minorFaults;
  }
  get childrenMajorFaults() {
    return this.#group.childrenUsage.majorFaults;
  }
  get pending() {
    return this.#group.pending.set;
  }
  get ignored() {
    return this.#actions((handler) => handler === SIG_IGN);
  }
  get caught() {
    return this.#actions((handler) => handler !== SIG_IGN && handler !== SIG_DFL);
  }
  #actions(want: (handler: number) => boolean): bigint {
    let set = 0n;
    for (let signal = 1; signal <= 64; signal++) {
      if (want(this.#group.actions[signal].handler)) set |= bit(signal);
    }
    return set;
  }
  get exitSignal() {
    return this.#group.exitSignal;
  }
  get exitCode() {
    return this.#group.exitStatus ?? 0;
  }
  get limits() {
    const value = (limit: number) => (limit === RLIM_INFINITY ? Number.POSITIVE_INFINITY : limit);
    return this.#group.limits.map(({ soft, hard }) => ({ soft: value(soft), hard: value(hard) }));
  }
  get program() {
    return this.#group.program;
  }
  get memory() {
    return this.#group.zombie ? null : memoryView(this.#group.leader.mm, this.#group.usage.maxResident * 1024);
  }
  get oomScoreAdj() {
    return this.#group.oomScoreAdj;
  }
  set oomScoreAdj(value: number) {
    this.#group.oomScoreAdj = value;
  }
  get personality() {
    return this.#group.leader.personality;
  }
  get timerSlack() {
    return this.#group.leader.timerSlack;
  }
}

function memoryView(mm: Mm, peakResident: number): ProcMemory {
  const { startCode, endCode, startData, endData, startBrk, startStack, argStart, argEnd, envStart, envEnd, auxv } = mm;
  return {
    get maps() {
      return [...mm.vmas].map((vma): ProcMapping => {
        const backing = vma.object?.backing;
        return {
          ...{ start: vma.start, end: vma.end, prot: vma.prot, shared: vma.shared, growsDown: vma.growsDown },
          locked: vma.locked,
          offset: vma.object === null ? 0 : vma.offset,
          device: backing?.device ?? 0,
          inode: backing?.inode ?? 0,
          name: mm.nameOf(vma),
          get resident() {
            return mm.residentBytes(vma);
          },
        };
      });
    },
    ...{ peak: 0, peakResident, startCode, endCode, startData, endData, startBrk, startStack },
    ...{ argStart, argEnd, envStart, envEnd, auxv },
    read: (address, into) => move(address, into, (at, part) => mm.peek(at, part)),
    write: (address, from) => move(address, from, (at, part) => mm.poke(at, part)),
  };
}

/** Page by page where not all of the range is mapped. */
function move(address: number, bytes: Uint8Array, step: (at: number, part: Uint8Array) => number): number {
  if (bytes.length === 0 || step(address, bytes) === 0) return bytes.length;
  let done = 0;
  while (done < bytes.length) {
    const at = address + done;
    const length = Math.min(bytes.length - done, PAGE_SIZE - (at % PAGE_SIZE));
    if (step(at, bytes.subarray(done, done + length)) < 0) break;
    done += length;
  }
  return done === 0 ? -EIO : done;
}
