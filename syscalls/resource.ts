/** Limits, usage and priorities of processes; prctl and personality. */
import { EACCES, EFAULT, EINVAL, EPERM, ESRCH } from '../src/abi/errno.ts';
import { PR, RLIMIT, rlimit64Layout, rlimitLayout, rusageLayout } from '../src/abi/process.ts';
import { text, u32 } from '../src/abi/struct.ts';
import { processTimes } from '../src/kernel/accounting.ts';
import { applyLimits, type Limit, NR_OPEN, RLIM_INFINITY, RLIMIT_COUNT, RLIMIT_NOFILE } from '../src/kernel/limits.ts';
import type { Task } from '../src/kernel/task.ts';
import type { ThreadGroup } from '../src/kernel/thread-group.ts';
import { addUsage, emptyUsage, type Usage } from '../src/kernel/usage.ts';
import {
  choice,
  inStruct,
  int,
  optionalIn,
  optionalOut,
  outStruct,
  syscall,
  uint,
  writeValue,
} from '../src/syscall/index.ts';
import { CAP_SETPCAP, CAP_SYS_NICE, CAP_SYS_RESOURCE, capable } from '../src/vfs/credentials.ts';
import { rusageOf } from './process.ts';
import { addFilter, SECCOMP_MODE_FILTER, SECCOMP_MODE_STRICT, seccompMode, setStrict } from './seccomp.ts';

const family = { class: 'process' } as const;
/** RLIM_INFINITY of the 32-bit calls; the old getrlimit shows half of it. */
const INFINITY_32 = 0xffffffff;
const INFINITY_OLD = 0x7fffffff;

const resource = choice('resource', RLIMIT);

const narrow = (value: number, infinity: number) => Math.min(value, infinity);
const widen = (value: number) => (value === INFINITY_32 ? RLIM_INFINITY : value);
const from64 = (value: number) => (value === -1 ? RLIM_INFINITY : value < 0 ? value + 2 ** 64 : value);
const to64 = (value: number) => (value >= RLIM_INFINITY ? -1 : value);

function setLimit(task: Task, group: ThreadGroup, which: number, limit: Limit): number {
  if (limit.soft > limit.hard) return -EINVAL;
  const old = group.limits[which];
  if (which === RLIMIT_NOFILE && limit.hard > NR_OPEN) return -EPERM;
  if (limit.hard > old.hard && !capable(task.credentials, CAP_SYS_RESOURCE)) return -EPERM;
  group.limits[which] = limit;
  applyLimits(group);
  return 0;
}

const limitOut = outStruct('rlim', 'struct rlimit', rlimitLayout);
const known = (which: number) => which >>> 0 < RLIMIT_COUNT;
const getLimit = (infinity: number) => (task: Task, which: number, out: { write(v: Limit): number }) => {
  if (!known(which)) return -EINVAL;
  const { soft, hard } = task.group.limits[which];
  return out.write({ soft: narrow(soft, infinity), hard: narrow(hard, infinity) });
};
export const getrlimit = syscall(76, 'getrlimit', [resource, limitOut], getLimit(INFINITY_OLD), family);
export const ugetrlimit = syscall(191, 'ugetrlimit', [resource, limitOut], getLimit(INFINITY_32), family);
export const setrlimit = syscall(
  75,
  'setrlimit',
  [resource, inStruct('rlim', 'struct rlimit', rlimitLayout)],
  (task, which, limit) =>
    known(which) ? setLimit(task, task.group, which, { soft: widen(limit.soft), hard: widen(limit.hard) }) : -EINVAL,
  family,
);
export const prlimit64 = syscall(
  340,
  'prlimit64',
  [
    int('pid'),
    resource,
    optionalIn('new_limit', 'struct rlimit64', rlimit64Layout),
    optionalOut('old_limit', 'struct rlimit64', rlimit64Layout),
  ],
  (task, pid, which, limit, old) => {
    if (!known(which)) return -EINVAL;
    const target = pid === 0 ? task : task.kernel.tasks.get(pid);
    if (target === undefined) return -ESRCH;
    if (!mayLimit(task, target)) return -EPERM;
    const before = target.group.limits[which];
    const wanted = limit && { soft: from64(limit.soft), hard: from64(limit.hard) };
    const failed = wanted === null ? 0 : setLimit(task, target.group, which, wanted);
    return failed || old.write({ soft: to64(before.soft), hard: to64(before.hard) });
  },
  family,
);

function mayLimit(task: Task, target: Task): boolean {
  if (task.group === target.group || capable(task.credentials, CAP_SYS_RESOURCE)) return true;
  const { uid, gid } = task.credentials;
  const other = target.credentials;
  return (
    [other.uid, other.euid, other.suid].every((id) => id === uid) &&
    [other.gid, other.egid, other.sgid].every((id) => id === gid)
  );
}

const RUSAGE_SELF = 0;
const RUSAGE_CHILDREN = -1;
const RUSAGE_THREAD = 1;

function usageOf(task: Task, who: number): Usage | undefined {
  if (who === RUSAGE_CHILDREN) return task.group.childrenUsage;
  if (who === RUSAGE_THREAD) return task.usage;
  if (who !== RUSAGE_SELF) return undefined;
  const sum = { ...task.group.usage };
  for (const thread of task.group.tasks) addUsage(sum, thread.usage);
  return { ...emptyUsage(), ...sum, ...processTimes(task.group) };
}

export const getrusage = syscall(
  77,
  'getrusage',
  [choice('who', { RUSAGE_SELF, RUSAGE_CHILDREN, RUSAGE_THREAD }), outStruct('usage', 'struct rusage', rusageLayout)],
  (task, who, out) => {
    const usage = usageOf(task, who);
    return usage === undefined ? -EINVAL : out.write(rusageOf(usage));
  },
  family,
);

const PRIO_PROCESS = 0;
const PRIO_PGRP = 1;
const PRIO_USER = 2;
const WHICH = { PRIO_PROCESS, PRIO_PGRP, PRIO_USER };

function selected(task: Task, which: number, who: number): Task[] | null {
  const all = [...task.kernel.tasks.values()];
  if (which === PRIO_PROCESS) return who === 0 ? [task] : all.filter((other) => other.tid === who);
  if (which === PRIO_PGRP) return all.filter((other) => other.group.processGroup === (who || task.group.processGroup));
  return which === PRIO_USER ? all.filter((other) => other.credentials.uid === (who || task.credentials.uid)) : null;
}

/** The answer is 20 - nice, so that it is never negative. */
export const getpriority = syscall(
  96,
  'getpriority',
  [choice('which', WHICH), int('who')],
  (task, which, who) => {
    const tasks = selected(task, which, who);
    if (tasks === null) return -EINVAL;
    return tasks.length === 0 ? -ESRCH : Math.max(...tasks.map((other) => 20 - other.nice));
  },
  family,
);
export const setpriority = syscall(
  97,
  'setpriority',
  [choice('which', WHICH), int('who'), int('prio')],
  (task, which, who, nice) => {
    const tasks = selected(task, which, who);
    if (tasks === null) return -EINVAL;
    if (tasks.length === 0) return -ESRCH;
    return Math.min(...tasks.map((other) => setNice(task, other, nice)));
  },
  { ...family, level: 'partial', note: 'remembered, but all tasks take turns alike' },
);
export const nice = syscall(
  34,
  'nice',
  [int('inc')],
  (task, increment) => {
    const failed = setNice(task, task, task.nice + Math.max(-40, Math.min(40, increment)));
    return failed === -EACCES ? -EPERM : failed;
  },
  family,
);

function setNice(task: Task, other: Task, wanted: number): number {
  const value = Math.max(-20, Math.min(19, wanted));
  const privileged = capable(task.credentials, CAP_SYS_NICE);
  if (!privileged && ![other.credentials.uid, other.credentials.euid].includes(task.credentials.euid)) return -EPERM;
  if (!privileged && value < other.nice) return -EACCES;
  other.nice = value;
  return 0;
}

const nameLayout = text(16);
const zero = (...unused: number[]) => unused.every((value) => value === 0);
const flag = (value: number) => value === 0 || value === 1;

function prctlHandler(task: Task, option: number, a: number, b: number, c: number, d: number): number {
  const { group, mm } = task;
  switch (option) {
    case PR.SET_NAME: {
      const bytes = mm.readCBytes(a, 16);
      const name = typeof bytes === 'number' ? mm.copyIn(a, 15) : bytes;
      if (typeof name === 'number') return -EFAULT;
      task.comm = String.fromCharCode(...name.subarray(0, 15));
      return 0;
    }
    case PR.GET_NAME:
      return writeValue(mm, a, nameLayout, task.comm);
    case PR.SET_PDEATHSIG:
      if (a > 64) return -EINVAL;
      task.parentDeathSignal = a;
      return 0;
    case PR.GET_PDEATHSIG:
      return writeValue(mm, a, u32, task.parentDeathSignal);
    case PR.GET_DUMPABLE:
      return group.dumpable;
    case PR.SET_DUMPABLE:
      if (!flag(a)) return -EINVAL;
      group.dumpable = a;
      return 0;
    case PR.GET_KEEPCAPS:
      return Number(task.keepCapabilities);
    case PR.SET_KEEPCAPS:
      if (!flag(a)) return -EINVAL;
      task.keepCapabilities = a === 1;
      return 0;
    case PR.GET_SECCOMP:
      return seccompMode(task);
    case PR.SET_SECCOMP:
      if (a === SECCOMP_MODE_STRICT) return setStrict(task);
      return a === SECCOMP_MODE_FILTER ? addFilter(task, b, false) : -EINVAL;
    case PR.SET_NO_NEW_PRIVS:
      if (a !== 1 || !zero(b, c, d)) return -EINVAL;
      task.noNewPrivileges = true;
      return 0;
    case PR.GET_NO_NEW_PRIVS:
      return zero(a, b, c, d) ? Number(task.noNewPrivileges) : -EINVAL;
    case PR.SET_CHILD_SUBREAPER:
      group.subreaper = a !== 0;
      return 0;
    case PR.GET_CHILD_SUBREAPER:
      return writeValue(mm, a, u32, Number(group.subreaper));
    case PR.GET_TIMERSLACK:
      return task.timerSlack;
    case PR.SET_TIMERSLACK:
      task.timerSlack = a === 0 ? 50000 : a;
      return 0;
    case PR.GET_TID_ADDRESS:
      return writeValue(mm, a, u32, task.clearChildTid);
    case PR.GET_TIMING:
      return 0;
    case PR.GET_THP_DISABLE:
      return zero(a, b, c, d) ? 0 : -EINVAL;
    case PR.TASK_PERF_EVENTS_DISABLE:
    case PR.TASK_PERF_EVENTS_ENABLE:
      return 0; // there are no counters
    case PR.SET_TIMING:
      return a === 0 ? 0 : -EINVAL;
    case PR.SET_THP_DISABLE:
      return zero(b, c, d) ? 0 : -EINVAL;
    case PR.GET_TSC:
      return writeValue(mm, a, u32, 1);
    case PR.GET_SECUREBITS:
      return task.credentials.securebits;
    case PR.CAPBSET_READ:
      return a > 40 ? -EINVAL : Number((task.credentials.bounding >> BigInt(a)) & 1n);
    case PR.CAPBSET_DROP:
      return dropBounding(task, a);
    case PR.CAP_AMBIENT:
      return zero(c, d) ? ambient(task, a, b) : -EINVAL;
    default:
      return -EINVAL;
  }
}

function dropBounding(task: Task, capability: number): number {
  if (!capable(task.credentials, CAP_SETPCAP)) return -EPERM;
  if (capability > 40) return -EINVAL;
  task.credentials = { ...task.credentials, bounding: task.credentials.bounding & ~(1n << BigInt(capability)) };
  return 0;
}

/** PR_CAP_AMBIENT: 1 is set, 2 raise, 3 lower, 4 clear all. */
function ambient(task: Task, operation: number, capability: number): number {
  const { credentials } = task;
  if (operation === 4) {
    if (capability !== 0) return -EINVAL;
    task.credentials = { ...credentials, ambient: 0n };
    return 0;
  }
  if (capability > 40 || operation < 1 || operation > 4) return -EINVAL;
  const bit = 1n << BigInt(capability);
  if (operation === 1) return Number((credentials.ambient & bit) !== 0n);
  if (operation === 2 && (credentials.permitted & credentials.inheritable & bit) === 0n) return -EPERM;
  task.credentials = {
    ...credentials,
    ambient: operation === 2 ? credentials.ambient | bit : credentials.ambient & ~bit,
  };
  return 0;
}

export const prctl = syscall(
  172,
  'prctl',
  [choice('option', PR), uint('arg2'), uint('arg3'), uint('arg4'), uint('arg5')],
  prctlHandler,
  { ...family, level: 'partial', note: 'what is not about this process or its capabilities is EINVAL' },
);

export const personality = syscall(
  136,
  'personality',
  [uint('persona')],
  (task, persona) => {
    const before = task.personality;
    if (persona !== 0xffffffff) task.personality = persona;
    return before | 0;
  },
  family,
);
