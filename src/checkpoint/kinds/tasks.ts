/** Threads, processes and sessions. They refer to each other by their ids. */

import type { Session } from '../../fs/caller.ts';
import { plain } from '../../fs/image/image.ts';
import type { Kind } from '../../fs/image/index.ts';
import {
  anything,
  bool,
  bytes,
  int,
  integer,
  list,
  maybe,
  noneOr,
  oneOf,
  optional,
  pair,
  pick,
  real,
  record,
  ref,
  size,
  text,
  wide,
  word,
} from '../../fs/image/shape.ts';
import type { HeldCall } from '../../kernel/held-calls.ts';
import { makeSession } from '../../kernel/job-control.ts';
import { setProgram } from '../../kernel/program.ts';
import { publishTls, stateOf } from '../../kernel/registers.ts';
import type { SignalQueue } from '../../kernel/signal-queue.ts';
import { Task } from '../../kernel/task.ts';
import { type SigActions, ThreadGroup } from '../../kernel/thread-group.ts';
import { PosixTimer } from '../../kernel/timers.ts';
import type { Mm } from '../../memory/mm.ts';
import type { Credentials } from '../../vfs/credentials.ts';
import type { FdTable } from '../../vfs/fd-table.ts';
import type { FsContext } from '../../vfs/fs-context.ts';
import type { OpenFile } from '../../vfs/open-file.ts';
import { type Plain, WaitQueue } from '../../wait/wait.ts';
import { ImageError } from '../image.ts';
import { portableRegisters, soundRegisters } from '../registers.ts';
import { worldOf } from '../world.ts';
import { OPEN_FILES } from './open-files.ts';
import { SECCOMP } from './seccomp.ts';

const pid = integer(0, 2 ** 22);
const signal = integer(0, 64);

export const USAGE = record({
  ...{ utime: real, stime: real, minorFaults: real, majorFaults: real },
  ...{ voluntarySwitches: real, involuntarySwitches: real, maxResident: real, instructions: real },
});

const INFO = record({
  ...{ signo: integer(1, 64), code: int, errno: optional(int), pid: optional(int), uid: optional(int) },
  ...{ value: optional(int), addr: optional(int), status: optional(int), utime: optional(real), stime: optional(real) },
  ...{ band: optional(int), fd: optional(int), timer: optional(int), overrun: optional(int), raw: optional(bytes) },
  ...{ trapno: optional(int), err: optional(int), cr2: optional(int), forced: optional(bool) },
});

const PENDING = record({ set: wide, entries: list(INFO) });

const savePending = ({ set, entries }: SignalQueue) => ({ set, entries: entries.map((entry) => plain({ ...entry })) });
function restorePending(queue: SignalQueue, image: Plain): void {
  const { set, entries } = image as unknown as { set: bigint; entries: SignalQueue['entries'] };
  queue.set = set;
  queue.entries.push(...entries);
}

const CREDENTIALS = record({
  ...{ uid: word, euid: word, suid: word, fsuid: word, gid: word, egid: word, sgid: word, fsgid: word },
  ...{ groups: list(word, 65536), effective: wide, permitted: wide, inheritable: wide, bounding: wide, ambient: wide },
  securebits: word,
});

/** The members of Task that are simply kept. */
export const TASK_STATE = record({
  ...{ tid: pid, comm: text, runState: oneOf('runnable', 'sleeping', 'stopped', 'dead') },
  ...{ blocked: wide, savedMask: maybe(wide), waitingFor: wide, attention: bool, killed: bool },
  altStack: record({ sp: word, size: word, flags: word }),
  lastTrap: record({ trapno: word, err: word, cr2: word }),
  tls: list(maybe(record({ base: word, limit: word, flags: word })), 3),
  ...{ clearChildTid: word, robustList: word, nice: int, policy: int, priority: int, parentDeathSignal: signal },
  ...{ timerSlack: real, noNewPrivileges: bool, keepCapabilities: bool, personality: word, startTime: real },
  seccomp: SECCOMP,
  usage: USAGE,
  credentials: CREDENTIALS,
});

const DIRECT = record({ name: text, words: list(word, 6), refused: int });
const HELD = list(
  record({
    ...{ nr: integer(0, 2 ** 31), words: list(word, 6), layers: anything, direct: optional(DIRECT) },
    ...{ eip: word, esp: word, frame: word, due: bool },
  }),
);

/** The call that a task is in. `step` and `depth` count within one run of its handler. */
export const CALL_STATE = record({
  ...{ nr: integer(-1, 2 ** 31), serial: size, progress: real, runs: size, interrupted: real, layers: anything },
  direct: optional(DIRECT),
  pending: list(record({ depth: size, answer: anything })),
});

export const TASK_DERIVED = {
  kernel: 'of the machine',
  group: 'tasks of the group',
  mm: 'mm',
  processor: 'made with the address space',
  files: 'files',
  fs: 'fs',
  registers: 'registers',
  '#saved': 'a view of the registers',
  call: 'call',
  startup: 'null: a machine that is still starting is not frozen',
  pending: 'pending',
  vforkDone: 'vfork',
  parentTask: 'parentTask',
  notes: 'notes',
  held: 'held',
  '#queues': 'a sleeper looks again at what it waits for',
  deadline: 'a sleeper looks again at what it waits for',
} as const;
export const CALL_DERIVED = { words: 'words', step: 'starts anew', depth: 'starts anew' } as const;

const task: Kind<Task> = {
  name: 'task',
  shape: record({
    ...{ state: TASK_STATE, registers: bytes, pending: PENDING, call: CALL_STATE, words: list(int, 6) },
    ...{ mm: noneOr(ref('mm')), files: ref('fd-table'), fs: ref('fs-context'), parentTask: pid, vfork: bool },
    notes: maybe(list(pair(text, anything))),
    held: optional(HELD),
  }),
  is: (object): object is Task => object instanceof Task,
  save(one, writer) {
    const { call, mm, files, fs, notes, parentTask } = one;
    const isParentHere = parentTask !== null && one.kernel.tasks.get(parentTask.tid) === parentTask;
    return {
      ...{ state: plain(structuredClone(pick(one, TASK_STATE))), registers: portableRegisters(one.registers) },
      ...{ pending: savePending(one.pending), call: plain(pick(call, CALL_STATE)), words: [...call.words] },
      ...{ mm: one.runState === 'dead' ? -1 : writer.id(mm), files: writer.id(files), fs: writer.id(fs) },
      ...{ parentTask: isParentHere ? parentTask.tid : 0, vfork: one.vforkDone !== null },
      notes: notes && [...notes],
      held: one.held.map((each) => plain({ ...each })),
    };
  },
  create(fields, reader) {
    const { kernel, processors, gone } = worldOf(reader);
    const state = fields.state as unknown as { tid: number; comm: string; credentials: Credentials; runState: string };
    if (fields.mm === -1 && state.runState !== 'dead') throw new ImageError(`thread ${state.tid} has no memory`);
    const mm = fields.mm === -1 ? gone().mm : reader.object<Mm>(fields.mm);
    const processor = fields.mm === -1 ? gone().processor : processors.get(mm)!;
    const files = reader.object<FdTable>(fields.files);
    if (state.runState !== 'dead') kernel.shares.hold(files);
    const fs = reader.object<FsContext>(fields.fs);
    const made = new Task(kernel, { ...state, mm, processor, files, fs });
    Object.assign(made, state);
    made.registers.set(soundRegisters(fields.registers as Uint8Array));
    restorePending(made.pending, fields.pending);
    Object.assign(made.call, fields.call);
    made.call.words.set(fields.words as number[]);
    if (fields.vfork === true) made.vforkDone = new WaitQueue();
    for (const one of (fields.held ?? []) as HeldCall[]) made.held.push({ ...one, direct: one.direct ?? null });
    if (fields.notes !== null) made.notes = new Map(fields.notes as [string, Plain][]);
    if (kernel.tasks.has(made.tid)) throw new ImageError(`thread ${made.tid} stands twice`);
    kernel.tasks.set(made.tid, made);
    return made;
  },
  link(made, { parentTask }) {
    made.parentTask = made.kernel.tasks.get(parentTask as number) ?? null;
    if (made.runState !== 'dead') publishTls(made, stateOf(made));
    if (made.group === undefined) throw new ImageError(`thread ${made.tid} belongs to no process`);
  },
};

/** The members of ThreadGroup that are simply kept. */
export const GROUP_STATE = record({
  ...{
    processGroup: pid,
    outside: bool,
    exitSignal: signal,
    exitStatus: maybe(word),
    zombie: bool,
    stopSignal: signal,
  },
  limits: list(record({ soft: real, hard: real }), 16),
  timers: list(record({ next: real, interval: real }), 3),
  ...{
    stopUnreported: bool,
    continueUnreported: bool,
    executed: bool,
    subreaper: bool,
    dumpable: int,
    oomScoreAdj: int,
  },
  ...{ usage: USAGE, childrenUsage: USAGE, startTime: real },
});

export const GROUP_DERIVED = {
  id: 'id',
  leader: 'leader',
  tasks: 'tasks',
  parent: 'children of the parent',
  children: 'children',
  session: 'session',
  actions: 'actions',
  pending: 'pending',
  realTimer: 'armed again',
  posixTimers: 'posixTimers',
  program: 'program',
  childChange: 'a sleeper looks again at what it waits for',
  ended: 'a sleeper looks again at what it waits for',
  threadsGone: 'a sleeper looks again at what it waits for',
} as const;

const POSIX_TIMER = record({
  ...{ id: int, clock: int, notify: int, signo: signal, value: int, tid: pid },
  ...{ next: real, interval: real, overrun: real },
});

const group: Kind<ThreadGroup> = {
  name: 'group',
  shape: record({
    ...{ id: pid, leader: ref('task'), tasks: list(ref('task')), children: list(pid), session: ref('session') },
    ...{ state: GROUP_STATE, actions: ref('actions'), pending: PENDING, program: noneOr(ref(...OPEN_FILES)) },
    posixTimers: list(POSIX_TIMER),
  }),
  is: (object): object is ThreadGroup => object instanceof ThreadGroup,
  save: (one, writer) => ({
    ...{ id: one.id, leader: writer.id(one.leader), tasks: writer.ids(one.tasks) },
    ...{ children: [...one.children].map(({ id }) => id), session: writer.id(one.session) },
    ...{ state: plain(structuredClone(pick(one, GROUP_STATE))), actions: writer.id(one.actions) },
    ...{ pending: savePending(one.pending), program: writer.id(one.program) },
    posixTimers: [...one.posixTimers.values()].map((timer) => plain(pick(timer, POSIX_TIMER))),
  }),
  create(fields, reader) {
    const { kernel } = worldOf(reader);
    const leader = reader.object<Task>(fields.leader);
    const made = new ThreadGroup(fields.id as number, leader, null, reader.object<Session>(fields.session), 0);
    Object.assign(made, fields.state);
    made.actions = reader.object<SigActions>(fields.actions);
    restorePending(made.pending, fields.pending);
    if (kernel.groups.has(made.id)) throw new ImageError(`process ${made.id} stands twice`);
    kernel.groups.set(made.id, made);
    leader.group = made;
    for (const member of reader.objects<Task>(fields.tasks)) {
      made.tasks.add(member);
      member.group = made;
    }
    return made;
  },
  link(made, fields, reader) {
    const { kernel } = worldOf(reader);
    for (const id of fields.children as number[]) {
      const child = kernel.groups.get(id);
      if (child === undefined || child.parent !== null || child === made)
        throw new ImageError(`process ${made.id} has no child ${id}`);
      made.children.add(child);
      child.parent = made;
    }
    const program = reader.optional<OpenFile>(fields.program);
    if (program !== null) setProgram(made, program);
    const { next } = made.timers[0];
    if (next !== 0) kernel.timers.add(next, made.realTimer);
    for (const image of fields.posixTimers as unknown as (typeof POSIX_TIMER extends (...a: never) => infer T
      ? T
      : never)[]) {
      const timer = new PosixTimer(made, image.id, image.clock, image);
      timer.arm(image.next, image.interval);
      timer.overrun = image.overrun;
      made.posixTimers.set(timer.id, timer);
    }
  },
};

/** Dispositions: processes may share them (CLONE_SIGHAND without CLONE_THREAD). */
const ACTION = record({ handler: word, flags: word, restorer: word, mask: wide });
const actions: Kind<SigActions> = {
  name: 'actions',
  shape: record({ list: list(ACTION, 65) }),
  is: (object): object is SigActions => Array.isArray(object),
  save: (all) => ({ list: all.map((action) => plain({ ...action })) }),
  create(fields) {
    const all = fields.list as unknown as SigActions;
    if (all.length !== 65) throw new ImageError('a table of signal actions is incomplete');
    return all;
  },
};

const session: Kind<Session> = {
  name: 'session',
  shape: record({ id: pid, terminal: noneOr(ref('pty', 'host-terminal')) }),
  is: (object): object is Session => 'terminal' in object && 'id' in object,
  save: ({ id, terminal }, writer) => ({ id, terminal: writer.id(terminal) }),
  create: ({ id }, reader) => {
    const made = makeSession(id as number);
    worldOf(reader).sessions.set(made.id, made);
    return made;
  },
};

export const TASK_KINDS = [task, group, actions, session] as readonly Kind<object>[];
