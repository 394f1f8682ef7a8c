/** What /proc shows, as facts: the kernel implements ProcSource, the proc files format it. */
import type { Credentials } from '../vfs/credentials.ts';
import type { FdTable } from '../vfs/fd-table.ts';
import type { FsContext } from '../vfs/fs-context.ts';
import type { MountNamespace } from '../vfs/mounts.ts';
import type { OpenFile } from '../vfs/open-file.ts';
import type { Sleeper } from '../wait/wait.ts';
import type { ControllingTerminal, RandomSource } from './caller.ts';
import type { Socket } from './socket.ts';

export interface ProcSource {
  readonly namespace: MountNamespace;
  readonly random: RandomSource;
  /** Process ids, ascending. */
  processIds(): number[];
  /** A process by its own id or that of one of its threads. */
  process(id: number): ProcProcess | undefined;
  machine(): MachineFacts;
  /** Images that programs ask for. */
  readonly saves: { readonly save: unknown; request(s: Sleeper, stop: boolean): number };
  /** Open sockets, in the order in which they were made. */
  sockets(): Iterable<Socket>;
  /** What uname(2) says; writable through /proc/sys/kernel. */
  readonly uts: {
    sysname: string;
    nodename: string;
    release: string;
    version: string;
    machine: string;
    domainname: string;
  };
}

/** Times in nanoseconds, sizes in bytes. */
export interface MachineFacts {
  uptime: number;
  idle: number;
  /** Wall clock at boot, seconds. */
  bootTime: number;
  user: number;
  system: number;
  contextSwitches: number;
  forks: number;
  pageFaults: number;
  running: number;
  tasks: number;
  lastPid: number;
  memory: number;
  memoryFree: number;
  cpu: CpuFacts;
}

export interface CpuFacts {
  vendor: string;
  name: string;
  family: number;
  model: number;
  stepping: number;
  /** As /proc/cpuinfo names them. */
  flags: readonly string[];
}

export interface ProcThread {
  readonly tid: number;
  comm: string;
  /** R, S, D, T, t, Z, X. */
  readonly state: string;
  readonly user: number;
  readonly system: number;
  readonly minorFaults: number;
  readonly majorFaults: number;
  /** Monotonic time. */
  readonly startTime: number;
  readonly voluntarySwitches: number;
  readonly involuntarySwitches: number;
  readonly pending: bigint;
  readonly blocked: bigint;
  readonly nice: number;
  readonly policy: number;
  readonly priority: number;
  readonly noNewPrivileges: boolean;
  /** SECCOMP_MODE_*, and how many filters there are. */
  readonly seccomp: { readonly mode: number; readonly filters: number };
  readonly eip: number;
  readonly esp: number;
  /** The call it sleeps in. */
  readonly call: { nr: number; words: readonly number[] } | null;
  readonly credentials: Credentials;
  readonly files: FdTable;
  readonly fs: FsContext;
}

export interface ProcProcess {
  readonly pid: number;
  readonly parent: number;
  readonly processGroup: number;
  readonly session: number;
  readonly terminal: ControllingTerminal | null;
  readonly leader: ProcThread;
  /** The leader first; of a zombie only that. */
  readonly threads: readonly ProcThread[];
  readonly minorFaults: number;
  readonly majorFaults: number;
  readonly user: number;
  readonly system: number;
  readonly childrenUser: number;
  readonly childrenSystem: number;
  readonly childrenMinorFaults: number;
  readonly childrenMajorFaults: number;
  readonly pending: bigint;
  readonly ignored: bigint;
  readonly caught: bigint;
  readonly exitSignal: number;
  readonly exitCode: number;
  /** Infinity: unlimited. */
  readonly limits: readonly { soft: number; hard: number }[];
  readonly program: OpenFile | null;
  /** null: a zombie. */
  readonly memory: ProcMemory | null;
  oomScoreAdj: number;
  readonly personality: number;
  readonly timerSlack: number;
}

export interface ProcMapping {
  readonly start: number;
  readonly end: number;
  /** PROT_READ 1, PROT_WRITE 2, PROT_EXEC 4. */
  readonly prot: number;
  readonly shared: boolean;
  readonly offset: number;
  readonly device: number;
  readonly inode: number;
  readonly name: string;
  readonly growsDown: boolean;
  readonly locked: boolean;
  /** Bytes that have pages. */
  readonly resident: number;
}

export interface ProcMemory {
  readonly maps: readonly ProcMapping[];
  readonly peak: number;
  readonly peakResident: number;
  readonly startCode: number;
  readonly endCode: number;
  readonly startData: number;
  readonly endData: number;
  readonly startBrk: number;
  readonly startStack: number;
  readonly argStart: number;
  readonly argEnd: number;
  readonly envStart: number;
  readonly envEnd: number;
  readonly auxv: Uint32Array;
  /** Bytes moved from the address on, up to the first page that is not mapped; -EIO where that is the first. */
  read(address: number, into: Uint8Array): number;
  write(address: number, from: Uint8Array): number;
}
