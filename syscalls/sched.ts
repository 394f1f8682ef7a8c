/** Scheduling: policies, priorities and affinities, which are remembered; all tasks take turns alike. */
import { E2BIG, EFAULT, EINVAL, EPERM, ESRCH } from '../src/abi/errno.ts';
import { i32, struct, u32, u64 } from '../src/abi/struct.ts';
import { timespec32Layout, timespec64Layout, toTimespec } from '../src/abi/time.ts';
import type { Task } from '../src/kernel/task.ts';
import { inStruct, int, outStruct, pointer, readValue, size, syscall, uint, writeValue } from '../src/syscall/index.ts';
import { CAP_SYS_NICE, capable } from '../src/vfs/credentials.ts';
import { failed } from '../src/wait/wait.ts';

const family = { class: 'process' } as const;
const PAGE = 4096;

export const sched_yield = syscall(
  158,
  'sched_yield',
  [],
  (task) => {
    task.kernel.scheduler.yieldNow();
    return 0;
  },
  family,
);

const target = (task: Task, pid: number) => (pid === 0 ? task : task.kernel.tasks.get(pid));

/** There is one processor. */
export const sched_getaffinity = syscall(
  242,
  'sched_getaffinity',
  [int('pid'), size('cpusetsize'), pointer('mask')],
  (task, pid, length, address) => {
    if (length < 4 || length % 4 !== 0) return -EINVAL;
    if (target(task, pid) === undefined) return -ESRCH;
    return task.mm.writeU32(address, 1) < 0 ? -EFAULT : 4;
  },
  family,
);
export const sched_setaffinity = syscall(
  241,
  'sched_setaffinity',
  [int('pid'), size('cpusetsize'), pointer('mask')],
  (task, pid, length, address) => {
    const first = length === 0 ? 0 : task.mm.readU8(address);
    if (first < 0) return -EFAULT;
    if (target(task, pid) === undefined) return -ESRCH;
    return (first & 1) === 0 ? -EINVAL : 0;
  },
  family,
);

const SCHED_FIFO = 1;
const SCHED_RR = 2;
const SCHED_RESET_ON_FORK = 0x40000000;
const realtime = (policy: number) => policy === SCHED_FIFO || policy === SCHED_RR;
const SCHED_IDLE = 5;
const known = (policy: number) => policy >= 0 && policy <= SCHED_IDLE && policy !== 4;
/** SCHED_DEADLINE has a range of priorities, though no task gets it here. */
const ranged = (policy: number) => known(policy) || policy === 6;

function setPolicy(task: Task, pid: number, policy: number, priority: number): number {
  const subject = target(task, pid);
  if (pid < 0 || policy < 0) return -EINVAL;
  if (subject === undefined) return -ESRCH;
  if (!known(policy & ~SCHED_RESET_ON_FORK)) return -EINVAL;
  const kind = policy & ~SCHED_RESET_ON_FORK;
  if (realtime(kind) ? priority < 1 || priority > 99 : priority !== 0) return -EINVAL;
  if (realtime(kind) && !capable(task.credentials, CAP_SYS_NICE)) return -EPERM;
  subject.policy = policy;
  subject.priority = priority;
  return 0;
}

const schedNote = { ...family, level: 'partial', note: 'remembered, but all tasks take turns alike' } as const;

export const sched_setscheduler = syscall(
  156,
  'sched_setscheduler',
  [int('pid'), int('policy'), inStruct('param', 'struct sched_param', i32)],
  setPolicy,
  schedNote,
);
export const sched_getscheduler = syscall(
  157,
  'sched_getscheduler',
  [int('pid')],
  (task, pid) => (pid < 0 ? -EINVAL : (target(task, pid)?.policy ?? -ESRCH)),
  family,
);
export const sched_setparam = syscall(
  154,
  'sched_setparam',
  [int('pid'), inStruct('param', 'struct sched_param', i32)],
  (task, pid, priority) => setPolicy(task, pid, target(task, pid)?.policy ?? 0, priority),
  schedNote,
);
export const sched_getparam = syscall(
  155,
  'sched_getparam',
  [int('pid'), outStruct('param', 'struct sched_param', i32)],
  (task, pid, out) => {
    const subject = target(task, pid);
    return subject === undefined ? -ESRCH : out.write(subject.priority);
  },
  family,
);
export const sched_get_priority_max = syscall(
  159,
  'sched_get_priority_max',
  [int('policy')],
  (_task, policy) => (!ranged(policy) ? -EINVAL : realtime(policy) ? 99 : 0),
  family,
);
export const sched_get_priority_min = syscall(
  160,
  'sched_get_priority_min',
  [int('policy')],
  (_task, policy) => (!ranged(policy) ? -EINVAL : realtime(policy) ? 1 : 0),
  family,
);

/** struct sched_attr in its first version (SCHED_ATTR_SIZE_VER0). */
const schedAttrLayout = struct({
  size: u32,
  policy: u32,
  flags: u64,
  nice: i32,
  priority: u32,
  runtime: u64,
  deadline: u64,
  period: u64,
});

/** sched_copy_attr(): whoever gives a struct of a later version is told the size of this one. */
function readAttr(task: Task, address: number) {
  const given = task.mm.readU32(address);
  if (given < 0) return -EFAULT;
  const length = given === 0 ? schedAttrLayout.size : given;
  const rest = task.mm.view(address + schedAttrLayout.size, Math.max(0, length - schedAttrLayout.size), false);
  if (length < schedAttrLayout.size || length > PAGE || (!failed(rest) && rest.some((byte) => byte !== 0))) {
    return writeValue(task.mm, address, u32, schedAttrLayout.size) || -E2BIG;
  }
  return failed(rest) ? rest : (readValue(task.mm, address, schedAttrLayout) ?? -EFAULT);
}

export const sched_setattr = syscall(
  351,
  'sched_setattr',
  [int('pid'), pointer('attr'), uint('flags')],
  (task, pid, address, bits) => {
    if (bits !== 0 || pid < 0 || address === 0) return -EINVAL;
    const attr = readAttr(task, address);
    if (failed(attr)) return attr;
    const answer = setPolicy(task, pid, attr.policy, attr.priority);
    const subject = target(task, pid);
    if (answer === 0 && subject !== undefined && !realtime(attr.policy)) subject.nice = attr.nice;
    return answer;
  },
  schedNote,
);
export const sched_getattr = syscall(
  352,
  'sched_getattr',
  [int('pid'), outStruct('attr', 'struct sched_attr', schedAttrLayout), uint('size'), uint('flags')],
  (task, pid, out, length, bits) => {
    const subject = target(task, pid);
    if (bits !== 0 || pid < 0 || length < schedAttrLayout.size || length > PAGE) return -EINVAL;
    if (subject === undefined) return -ESRCH;
    const { policy, priority, nice } = subject;
    const none = { flags: 0n, runtime: 0n, deadline: 0n, period: 0n };
    return out.write({ size: schedAttrLayout.size, policy, nice, priority, ...none });
  },
  family,
);

const IOPRIO_WHO_PROCESS = 1;
const IOPRIO_WHO_PGRP = 2;
const IOPRIO_WHO_USER = 3;
const IOPRIO_CLASS_SHIFT = 13;
/** Best effort, 4: what a process has that never asked. */
/** Whether there is anyone: a thread, a process group, or a user's processes; 0 stands for the caller's. */
function ioprioTargets(task: Task, which: number, who: number): boolean {
  if (which === IOPRIO_WHO_PROCESS) return target(task, who) !== undefined;
  if (which === IOPRIO_WHO_PGRP) return task.kernel.processGroup(who === 0 ? task.group.processGroup : who).length > 0;
  const uid = who === 0 ? task.credentials.uid : who;
  return [...task.kernel.tasks.values()].some(({ credentials }) => credentials.uid === uid);
}

export const ioprio_get = syscall(
  290,
  'ioprio_get',
  [int('which'), int('who')],
  (task, which, who) => {
    if (which < IOPRIO_WHO_PROCESS || which > IOPRIO_WHO_USER) return -EINVAL;
    return ioprioTargets(task, which, who) ? 0 : -ESRCH;
  },
  { ...family, level: 'partial', note: 'input and output have no priorities' },
);
export const ioprio_set = syscall(
  289,
  'ioprio_set',
  [int('which'), int('who'), int('ioprio')],
  (task, which, who, priority) => {
    const cls = priority >> IOPRIO_CLASS_SHIFT;
    if (cls < 0 || cls > 3 || (cls === 0 && (priority & 7) !== 0)) return -EINVAL;
    if (cls === 1 && !capable(task.credentials, CAP_SYS_NICE)) return -EPERM;
    if (which < IOPRIO_WHO_PROCESS || which > IOPRIO_WHO_USER) return -EINVAL;
    return ioprioTargets(task, which, who) ? 0 : -ESRCH;
  },
  { ...family, level: 'partial', note: 'input and output have no priorities' },
);

const ROUND_ROBIN = toTimespec(4_000_000);
export const sched_rr_get_interval = syscall(
  161,
  'sched_rr_get_interval',
  [int('pid'), outStruct('tp', 'struct timespec', timespec32Layout)],
  (task, pid, out) => (target(task, pid) === undefined ? -ESRCH : out.write(ROUND_ROBIN)),
  family,
);
export const sched_rr_get_interval_time64 = syscall(
  423,
  'sched_rr_get_interval_time64',
  [int('pid'), outStruct('tp', 'struct timespec64', timespec64Layout)],
  (task, pid, out) => (target(task, pid) === undefined ? -ESRCH : out.write(ROUND_ROBIN)),
  family,
);
