/** /proc/PID and /proc/PID/task/TID. */
import { EACCES, EINVAL, EIO, ENOENT, ESRCH } from '../abi/errno.ts';
import { S_IFDIR, S_IFREG } from '../abi/fs.ts';
import { mayInspect } from '../vfs/credentials.ts';
import type { DirectoryEntry, Inode } from '../vfs/inode.ts';
import type { Location } from '../vfs/location.ts';
import { describePlace } from '../vfs/mounts.ts';
import { OpenFile } from '../vfs/open-file.ts';
import type { Sleeper } from '../wait/wait.ts';
import { callerOf } from './caller.ts';
import {
  type Content,
  entryOf,
  type Maker,
  type Owner,
  ProcDirectory,
  type ProcFs,
  ProcInode,
  ProcLink,
  ProcText,
  parseNumber,
} from './proc.ts';
import { makeFdDirectory, makeFdInfoDirectory } from './proc-fd.ts';
import { mountInfoText, mountStatsText } from './proc-mounts.ts';
import { makeNet } from './proc-net.ts';
import type { ProcProcess, ProcThread } from './proc-source.ts';
import { limitsText, mapsText, smapsRollupText, smapsText, statmText, statText, statusText } from './proc-status.ts';

/** A thread, found anew whenever someone looks, so that nothing outlives it. */
class Subject {
  readonly fs: ProcFs;
  readonly tid: number;
  readonly #startTime: number;

  constructor(fs: ProcFs, tid: number, startTime: number) {
    this.fs = fs;
    this.tid = tid;
    this.#startTime = startTime;
  }

  /** undefined when it has gone, even if its number belongs to another now. */
  find(): { process: ProcProcess; thread: ProcThread } | undefined {
    const process = this.fs.source.process(this.tid);
    const thread = process?.threads.find(({ tid }) => tid === this.tid);
    return thread === undefined || thread.startTime !== this.#startTime ? undefined : { process: process!, thread };
  }
  thread(): ProcThread | undefined {
    return this.find()?.thread;
  }
  owner(): Owner {
    const who = this.thread()?.credentials;
    return { uid: who?.euid ?? 0, gid: who?.egid ?? 0 };
  }
}

function mayLook(s: Sleeper, thread: ProcThread): boolean {
  const { credentials: who, tid } = callerOf(s);
  return tid === thread.tid || mayInspect(who, thread.credentials, who.fsuid);
}

type Found = { process: ProcProcess; thread: ProcThread };

/** The files of a process directory, or of one of its threads'. */
function tableFor(subject: Subject, isProcess: boolean): Record<string, Maker> {
  const owner = () => subject.owner();
  const text =
    (
      read: (found: Found, s: Sleeper) => Content,
      { mode = 0o444, secret = false, write = undefined as ((found: Found, text: string) => number) | undefined } = {},
    ): Maker =>
    (fs) => {
      const show = (s: Sleeper) => {
        const found = subject.find();
        if (found === undefined) return -ESRCH;
        return secret && !mayLook(s, found.thread) ? -EACCES : read(found, s);
      };
      const store =
        write === undefined
          ? undefined
          : (_s: Sleeper, given: string) => {
              const found = subject.find();
              return found === undefined ? -ESRCH : write(found, given);
            };
      return new ProcText(fs, mode, show, store, owner);
    };
  const place =
    (where: (found: Found) => Location | undefined): Maker =>
    (fs) => {
      const reach = (s: Sleeper) => {
        const found = subject.find();
        if (found === undefined) return -ENOENT;
        if (!mayLook(s, found.thread)) return -EACCES;
        return where(found) ?? -ENOENT;
      };
      const show = (s: Sleeper) => {
        const target = reach(s);
        if (typeof target === 'number') return target;
        const reader = callerOf(s) as unknown as { fs: { root: Location } };
        return describePlace(fs.source.namespace, target, reader.fs.root);
      };
      return new ProcLink(fs, show, reach, owner);
    };
  const bytes = (from: 'argStart' | 'envStart', to: 'argEnd' | 'envEnd') =>
    text(({ process }) => memoryText(process, from, to), from === 'envStart' ? { mode: 0o400, secret: true } : {});

  const table: Record<string, Maker> = {
    auxv: text(({ process }) => new Uint8Array((process.memory?.auxv ?? new Uint32Array(0)).slice().buffer), {
      mode: 0o400,
      secret: true,
    }),
    cgroup: text(() => '0::/\n'),
    cmdline: bytes('argStart', 'argEnd'),
    comm: text(({ thread }) => `${thread.comm}\n`, { mode: 0o644, write: setComm }),
    cpuset: text(() => '/\n'),
    cwd: place(({ thread }) => thread.fs.cwd),
    environ: bytes('envStart', 'envEnd'),
    exe: place(({ process }) => process.program?.location),
    fd: (fs) => makeFdDirectory(fs, subject),
    fdinfo: (fs) => makeFdInfoDirectory(fs, subject),
    gid_map: text(() => idMap()),
    io: text(() => IO, { mode: 0o400, secret: true }),
    limits: text(({ process }) => limitsText(process)),
    loginuid: text(() => '4294967295', { mode: 0o644 }),
    maps: text(({ process }) => mapsText(process.memory), { secret: true }),
    mem: (fs) => new MemoryInode(fs, subject),
    mountinfo: text(({ thread }) => mountInfoText(subject.fs.source.namespace, thread.fs.root)),
    mounts: text(({ thread }) => subject.fs.source.namespace.table(thread.fs.root)),
    oom_adj: text(({ process }) => `${Math.trunc((process.oomScoreAdj * 17) / 1000)}\n`),
    oom_score: text(({ process }) => `${Math.max(0, 666 + Math.trunc((process.oomScoreAdj * 2) / 3))}\n`),
    oom_score_adj: text(({ process }) => `${process.oomScoreAdj}\n`, { mode: 0o644, write: setOomScore }),
    personality: text(({ process }) => `${process.personality.toString(16).padStart(8, '0')}\n`, { mode: 0o400 }),
    root: place(({ thread }) => thread.fs.root),
    schedstat: text(({ thread }) => `${Math.floor(thread.user + thread.system)} 0 ${thread.voluntarySwitches}\n`),
    sessionid: text(() => '4294967295'),
    smaps: text(({ process }) => smapsText(process.memory), { secret: true }),
    smaps_rollup: text(({ process }) => smapsRollupText(process.memory), { secret: true }),
    stat: text(({ process, thread }) => statText(process, thread, isProcess)),
    statm: text(({ process }) => statmText(process.memory)),
    status: text(({ process, thread }) => statusText(process, thread)),
    syscall: text(syscallText, { mode: 0o400, secret: true }),
    uid_map: text(() => idMap()),
    wchan: text(({ thread }) => (thread.state === 'S' ? 'do_wait' : '0')),
  };
  if (!isProcess) return table;
  return {
    ...table,
    coredump_filter: text(() => '00000033\n', { mode: 0o644 }),
    mountstats: text(({ thread }) => mountStatsText(subject.fs.source.namespace, thread.fs.root), { mode: 0o400 }),
    net: makeNet,
    setgroups: text(() => 'allow\n', { mode: 0o644 }),
    task: (fs) => new TaskDirectory(fs, subject),
    timerslack_ns: text(({ process }) => `${process.timerSlack}\n`, { mode: 0o666 }),
  };
}

const IO = 'rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n';
const idMap = () => `${['0', '0', '4294967295'].map((id) => id.padStart(10)).join(' ')}\n`;

function setComm({ thread }: Found, text: string): number {
  thread.comm = text.replace(/\n.*$/s, '').slice(0, 15);
  return 0;
}

function setOomScore({ process }: Found, text: string): number {
  const value = parseNumber(text);
  if (Number.isNaN(value) || value < -1000 || value > 1000) return -EINVAL;
  process.oomScoreAdj = value;
  return 0;
}

function syscallText({ thread }: Found): string {
  const hex = (word: number) => `0x${(word >>> 0).toString(16)}`;
  if (thread.call === null) return thread.state === 'R' ? 'running\n' : `-1 ${hex(thread.esp)} ${hex(thread.eip)}\n`;
  const { nr, words } = thread.call;
  return `${[nr, ...words.map(hex), hex(thread.esp), hex(thread.eip)].join(' ')}\n`;
}

/** Arguments or environment, straight from the process's memory. A program may overwrite its arguments' end (setproctitle). */
function memoryText(process: ProcProcess, from: 'argStart' | 'envStart', to: 'argEnd' | 'envEnd'): Uint8Array {
  const { memory } = process;
  if (memory === null || memory[to] <= memory[from]) return new Uint8Array(0);
  const read = (start: number, end: number) => {
    const bytes = new Uint8Array(Math.min(end - start, 1 << 20));
    const count = memory.read(start, bytes);
    return bytes.subarray(0, Math.max(0, count));
  };
  const bytes = read(memory[from], memory[to]);
  if (from === 'envStart' || bytes.length === 0 || bytes[bytes.length - 1] === 0) return bytes;
  const longer = read(memory.argStart, memory.envEnd);
  const end = longer.indexOf(0);
  return end < 0 ? longer : longer.subarray(0, end);
}

/** /proc/PID/mem: the address space as a file. */
class MemoryInode extends ProcInode {
  readonly subject: Subject;

  constructor(fs: ProcFs, subject: Subject) {
    super(fs, S_IFREG | 0o600);
    this.subject = subject;
  }

  override owner(): Owner {
    return this.subject.owner();
  }

  override open(s: Sleeper, flags: number): OpenFile | number {
    const found = this.subject.find();
    if (found === undefined) return -ESRCH;
    return mayLook(s, found.thread) ? new MemoryFile(this, flags) : -EACCES;
  }
}

class MemoryFile extends OpenFile {
  readonly inode: MemoryInode;

  constructor(inode: MemoryInode, flags: number) {
    super(flags);
    this.inode = inode;
  }

  describe(): string {
    return 'mem';
  }
  override read(s: Sleeper, into: Uint8Array): number {
    return this.#advance(this.readAt(s, this.position, into));
  }
  override write(s: Sleeper, from: Uint8Array): number {
    return this.#advance(this.writeAt(s, this.position, from));
  }
  override readAt(_s: Sleeper, position: number, into: Uint8Array): number {
    const memory = this.inode.subject.find()?.process.memory;
    return memory == null ? 0 : position > 0xffffffff ? -EIO : memory.read(position, into);
  }
  override writeAt(_s: Sleeper, position: number, from: Uint8Array): number {
    const memory = this.inode.subject.find()?.process.memory;
    return memory == null ? 0 : position > 0xffffffff ? -EIO : memory.write(position, from);
  }
  override seek(_s: Sleeper, offset: number, whence: number): number {
    if (whence > 1) return -EINVAL;
    this.position = whence === 0 ? offset : this.position + offset;
    return this.position;
  }
  #advance(count: number): number {
    if (count > 0) this.position += count;
    return count;
  }
}

/** A directory of threads or processes, whose children come and go. */
abstract class ThreadDirectory extends ProcInode {
  readonly #children = new Map<number, { inode: ProcDirectory; startTime: number }>();

  /** The child of a thread that is there now; one that has been replaced gets a new inode. */
  protected child(thread: ProcThread, isProcess: boolean): ProcDirectory {
    const known = this.#children.get(thread.tid);
    if (known?.startTime === thread.startTime) return known.inode;
    const subject = new Subject(this.fs, thread.tid, thread.startTime);
    const inode = new ProcDirectory(this.fs, tableFor(subject, isProcess), 0o555, () => subject.owner());
    this.#children.set(thread.tid, { inode, startTime: thread.startTime });
    return inode;
  }

  /** Forgets those that have gone. */
  protected prune(present: ReadonlySet<number>): void {
    for (const tid of this.#children.keys()) if (!present.has(tid)) this.#children.delete(tid);
  }
}

class TaskDirectory extends ThreadDirectory {
  readonly #subject: Subject;

  constructor(fs: ProcFs, subject: Subject) {
    super(fs, S_IFDIR | 0o555);
    this.#subject = subject;
  }

  override owner(): Owner {
    return this.#subject.owner();
  }
  get #threads(): readonly ProcThread[] {
    return this.#subject.find()?.process.threads ?? [];
  }
  protected override links(): number {
    return 2 + this.#threads.length;
  }
  override lookup(_s: Sleeper, name: string): Inode | number {
    const thread = this.#threads.find(({ tid }) => String(tid) === name);
    return thread === undefined ? -ENOENT : this.child(thread, false);
  }
  override entries(_s: Sleeper, position: number): DirectoryEntry[] {
    const threads = this.#threads.filter(({ tid }) => tid >= position).sort((a, b) => a.tid - b.tid);
    this.prune(new Set(this.#threads.map(({ tid }) => tid)));
    return threads.map((thread) => entryOf(String(thread.tid), this.child(thread, false), thread.tid));
  }
}

/** Positions of /proc below this are fixed names, above it process ids. */
const FIRST_PID_POSITION = 1000;

/** /proc itself: fixed names, then processes. */
export class ProcRoot extends ThreadDirectory {
  readonly #fixed: ProcDirectory;

  constructor(fs: ProcFs, fixed: Record<string, Maker>) {
    super(fs, S_IFDIR | 0o555);
    this.#fixed = new ProcDirectory(fs, fixed);
  }

  protected override links(): number {
    return 2 + this.fs.source.processIds().length;
  }

  override lookup(s: Sleeper, name: string): Inode | number {
    if (!/^[1-9]\d*$/.test(name)) return this.#fixed.lookup(s, name);
    const id = Number(name);
    const thread = this.fs.source.process(id)?.threads.find(({ tid }) => tid === id);
    return thread === undefined ? -ENOENT : this.child(thread, true);
  }

  override entries(s: Sleeper, position: number): DirectoryEntry[] {
    const fixed = position < FIRST_PID_POSITION ? this.#fixed.entries(s, position) : [];
    const ids = this.fs.source.processIds();
    this.prune(new Set(ids));
    const processes = ids.flatMap((pid) => {
      const process = this.fs.source.process(pid);
      if (process === undefined || pid + FIRST_PID_POSITION < position) return [];
      return [entryOf(String(pid), this.child(process.leader, true), pid + FIRST_PID_POSITION)];
    });
    return [...fixed, ...processes];
  }
}
