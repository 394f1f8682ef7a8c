/** Threads: TLS segments, futexes, thread ids, robust lists, scheduling. */
import { CLONE_SETTLS } from '../src/abi/clone.ts';
import { EFAULT, EINVAL, ENOSYS, EPERM, ESRCH } from '../src/abi/errno.ts';
import { userDescLayout } from '../src/abi/process.ts';
import { i32, struct, u32, u64, type Value } from '../src/abi/struct.ts';
import { type Timespec, timespec32Layout, timespec64Layout, toNanoseconds, toTimespec } from '../src/abi/time.ts';
import { TLS_FIRST } from '../src/cpu/emit/segments.ts';
import { MATCH_ANY } from '../src/kernel/futex.ts';
import type { Task, TlsEntry } from '../src/kernel/task.ts';
import {
  inOutStruct,
  inStruct,
  int,
  outStruct,
  pointer,
  readValue,
  refused,
  size,
  syscall,
  uint,
} from '../src/syscall/index.ts';
import { CAP_SYS_NICE, capable } from '../src/vfs/credentials.ts';
import { ERESTART_RESTARTBLOCK, ERESTARTSYS } from '../src/wait/wait.ts';

const family = { class: 'process' } as const;

type UserDesc = Value<typeof userDescLayout>;
/** Bits of struct user_desc: read_exec_only and seg_not_present set and nothing else means: empty. */
const EMPTY_SEGMENT = 0x28;

const isEmpty = ({ base, limit, flags }: UserDesc) =>
  base === 0 && limit === 0 && ((flags & 0x7f) === EMPTY_SEGMENT || (flags & 0x7f) === 0);

function entryOf(desc: UserDesc): TlsEntry | null {
  return isEmpty(desc) ? null : { base: desc.base, limit: desc.limit, flags: desc.flags };
}

/** CLONE_SETTLS: the pointer is to a struct user_desc, as set_thread_area's. */
export function readTls(
  task: Task,
  flags: number,
  address: number,
): { index: number; entry: TlsEntry } | null | number {
  if ((flags & CLONE_SETTLS) === 0) return null;
  const desc = readValue(task.mm, address, userDescLayout);
  if (desc === undefined) return -EFAULT;
  const index = desc.entry - TLS_FIRST;
  const entry = entryOf(desc);
  return index < 0 || index > 2 || entry === null ? -EINVAL : { index, entry };
}

export const set_thread_area = syscall(
  243,
  'set_thread_area',
  [inOutStruct('u_info', 'struct user_desc', userDescLayout)],
  (task, { value, out }) => {
    let index = value.entry - TLS_FIRST;
    if (value.entry === 0xffffffff) {
      index = task.tls.indexOf(null);
      if (index < 0) return -ESRCH;
      if (out.write({ ...value, entry: index + TLS_FIRST }) < 0) return -EFAULT;
    }
    if (index < 0 || index > 2) return -EINVAL;
    task.setTls(index, entryOf(value));
    return 0;
  },
  family,
);

export const get_thread_area = syscall(
  244,
  'get_thread_area',
  [inOutStruct('u_info', 'struct user_desc', userDescLayout)],
  (task, { value, out }) => {
    const index = value.entry - TLS_FIRST;
    if (index < 0 || index > 2) return -EINVAL;
    const entry = task.tls[index] ?? { base: 0, limit: 0, flags: EMPTY_SEGMENT };
    return out.write({ entry: value.entry, ...entry });
  },
  family,
);

export const modify_ldt = refused(123, 'modify_ldt', ENOSYS, 'no local descriptor tables', 'process');

export const set_tid_address = syscall(
  258,
  'set_tid_address',
  [pointer('tidptr')],
  (task, address) => {
    task.clearChildTid = address;
    return task.tid;
  },
  family,
);

const ROBUST_HEAD_SIZE = 12;

export const set_robust_list = syscall(
  311,
  'set_robust_list',
  [pointer('head'), size('len')],
  (task, head, length) => {
    if (length !== ROBUST_HEAD_SIZE) return -EINVAL;
    task.robustList = head;
    return 0;
  },
  family,
);

export const get_robust_list = syscall(
  312,
  'get_robust_list',
  [int('pid'), outStruct('head_ptr', 'struct robust_list_head *', u32), outStruct('len_ptr', 'size_t', u32)],
  (task, tid, head, length) => {
    const target = tid === 0 ? task : task.kernel.tasks.get(tid);
    if (target === undefined) return -ESRCH;
    if (target.group !== task.group && target.credentials.uid !== task.credentials.euid) return -EPERM;
    return length.write(ROBUST_HEAD_SIZE) || head.write(target.robustList);
  },
  family,
);

const FUTEX = {
  WAIT: 0,
  WAKE: 1,
  FD: 2,
  REQUEUE: 3,
  CMP_REQUEUE: 4,
  WAKE_OP: 5,
  WAIT_BITSET: 9,
  WAKE_BITSET: 10,
} as const;
const FUTEX_CMD_MASK = 0x7f;
const FUTEX_CLOCK_REALTIME = 256;

const futexArgs = [
  pointer('uaddr'),
  int('futex_op'),
  uint('val'),
  pointer('timeout'),
  pointer('uaddr2'),
  uint('val3'),
] as const;

type Layout = typeof timespec32Layout | typeof timespec64Layout;

function futexHandler(layout: Layout) {
  return (task: Task, address: number, op: number, value: number, timeout: number, second: number, third: number) => {
    const command = op & FUTEX_CMD_MASK;
    const { futexes } = task.kernel;
    if (address % 4 !== 0) return -EINVAL;
    switch (command) {
      case FUTEX.WAIT:
      case FUTEX.WAIT_BITSET: {
        const deadline = futexDeadline(task, op, timeout, layout);
        if (deadline !== undefined && deadline < 0) return deadline;
        const bitset = command === FUTEX.WAIT ? MATCH_ANY : third;
        return interruptible(futexes.wait(task, address, value, bitset, deadline), deadline);
      }
      case FUTEX.WAKE:
        return wake(task, address, value, MATCH_ANY);
      case FUTEX.WAKE_BITSET:
        return third === 0 ? -EINVAL : wake(task, address, value, third);
      case FUTEX.REQUEUE:
        return futexes.requeue(task.mm, address, value | 0, second, timeout | 0, null);
      case FUTEX.CMP_REQUEUE:
        return futexes.requeue(task.mm, address, value | 0, second, timeout | 0, third);
      case FUTEX.WAKE_OP:
        return futexes.wakeOp(task.mm, address, value, second, timeout, third);
      default:
        return -ENOSYS;
    }
  };
}

function wake(task: Task, address: number, count: number, bitset: number): number {
  if (!task.mm.accessible(address, 4, false)) return -EFAULT;
  return task.kernel.futexes.wake(task.mm, address, Math.max(1, count | 0), bitset);
}

/** A wait with a timeout goes on with the same deadline after a stop; a handler ends it with EINTR. */
function interruptible(answer: number, deadline: number | undefined): number {
  return answer === -ERESTARTSYS && deadline !== undefined ? -ERESTART_RESTARTBLOCK : answer;
}

/** WAIT counts from now, WAIT_BITSET names a time of a clock. */
function futexDeadline(task: Task, op: number, address: number, layout: Layout): number | undefined {
  if (address === 0) return undefined;
  const time = readValue<Timespec>(task.mm, address, layout);
  if (time === undefined) return -EFAULT;
  const nanoseconds = toNanoseconds(time);
  if (Number.isNaN(nanoseconds)) return -EINVAL;
  if ((op & FUTEX_CMD_MASK) === FUTEX.WAIT) return task.once(() => task.now() + nanoseconds);
  if ((op & FUTEX_CLOCK_REALTIME) === 0) return nanoseconds;
  return Math.max(0, nanoseconds - Number(task.realtime() - BigInt(Math.round(task.now()))));
}

const futexOptions = {
  ...family,
  level: 'partial',
  note: 'priority inheritance is ENOSYS, as in kernels built without it',
} as const;
export const futex = syscall(240, 'futex', futexArgs, futexHandler(timespec32Layout), futexOptions);
export const futex_time64 = syscall(422, 'futex_time64', futexArgs, futexHandler(timespec64Layout), futexOptions);

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
const known = (policy: number) => policy >= 0 && policy <= 5 && policy !== 4;

function setPolicy(task: Task, pid: number, policy: number, priority: number): number {
  const subject = target(task, pid);
  if (pid < 0 || !known(policy & ~SCHED_RESET_ON_FORK)) return -EINVAL;
  if (subject === undefined) return -ESRCH;
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
  (_task, policy) => (!known(policy) ? -EINVAL : realtime(policy) ? 99 : 0),
  family,
);
export const sched_get_priority_min = syscall(
  160,
  'sched_get_priority_min',
  [int('policy')],
  (_task, policy) => (!known(policy) ? -EINVAL : realtime(policy) ? 1 : 0),
  family,
);

/** struct sched_attr: size, policy, flags, nice, priority, and three deadlines. */
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

export const sched_setattr = syscall(
  351,
  'sched_setattr',
  [int('pid'), inStruct('attr', 'struct sched_attr', schedAttrLayout), uint('flags')],
  (task, pid, attr, bits) => {
    if (bits !== 0) return -EINVAL;
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
    if (bits !== 0 || length < schedAttrLayout.size) return -EINVAL;
    if (subject === undefined) return -ESRCH;
    const { policy, priority, nice } = subject;
    const none = { flags: 0n, runtime: 0n, deadline: 0n, period: 0n };
    return out.write({ size: schedAttrLayout.size, policy, nice, priority, ...none });
  },
  family,
);

const IOPRIO_WHO_PROCESS = 1;
const IOPRIO_CLASS_SHIFT = 13;
/** Best effort, 4: what a process has that never asked. */
export const ioprio_get = syscall(
  290,
  'ioprio_get',
  [int('which'), int('who')],
  (task, which, who) => {
    if (which < IOPRIO_WHO_PROCESS || which > 3) return -EINVAL;
    return which === IOPRIO_WHO_PROCESS && target(task, who) === undefined ? -ESRCH : (2 << IOPRIO_CLASS_SHIFT) | 4;
  },
  { ...family, level: 'partial', note: 'input and output have no priorities' },
);
export const ioprio_set = syscall(
  289,
  'ioprio_set',
  [int('which'), int('who'), int('ioprio')],
  (task, which, who, priority) => {
    if (which < IOPRIO_WHO_PROCESS || which > 3 || priority >> IOPRIO_CLASS_SHIFT > 3) return -EINVAL;
    return which === IOPRIO_WHO_PROCESS && target(task, who) === undefined ? -ESRCH : 0;
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

export const getcpu = syscall(
  318,
  'getcpu',
  [pointer('cpu'), pointer('node')],
  (task, cpu, node) => {
    if (cpu !== 0 && task.mm.writeU32(cpu, 0) < 0) return -EFAULT;
    return node !== 0 && task.mm.writeU32(node, 0) < 0 ? -EFAULT : 0;
  },
  family,
);

/** Tasks run one at a time: every barrier holds already. MEMBARRIER_CMD_QUERY lists the commands. */
export const membarrier = syscall(
  375,
  'membarrier',
  [int('cmd'), uint('flags'), int('cpu_id')],
  (_task, command, bits) => {
    const commands = 0x1ff;
    if (bits !== 0) return -EINVAL;
    if (command === 0) return commands;
    return (command & commands) !== 0 && (command & (command - 1)) === 0 ? 0 : -EINVAL;
  },
  family,
);

export const rseq = refused(386, 'rseq', ENOSYS, 'programs fall back to other per-CPU schemes', 'process');
