/** Threads: TLS segments, futexes, thread ids, robust lists, scheduling. */
import { CLONE_SETTLS } from '../src/abi/clone.ts';
import { EFAULT, EINVAL, ENOSYS, EPERM, ESRCH } from '../src/abi/errno.ts';
import { userDescLayout } from '../src/abi/process.ts';
import { u32, type Value } from '../src/abi/struct.ts';
import { type Timespec, timespec32Layout, timespec64Layout, toNanoseconds } from '../src/abi/time.ts';
import { MATCH_ANY } from '../src/kernel/futex.ts';
import { TLS_FIRST } from '../src/kernel/registers.ts';
import type { Task } from '../src/kernel/task.ts';
import type { UserDesc as Segment } from '../src/kernel/user-desc.ts';
import { inOutStruct, int, outStruct, pointer, readValue, refused, size, syscall, uint } from '../src/syscall/index.ts';
import { ERESTART_RESTARTBLOCK, ERESTARTSYS } from '../src/wait/wait.ts';

const family = { class: 'process' } as const;

type UserDesc = Value<typeof userDescLayout>;
/** Bits of struct user_desc: read_exec_only and seg_not_present set and nothing else means: empty. */
const EMPTY_SEGMENT = 0x28;

const isEmpty = ({ base, limit, flags }: UserDesc) =>
  base === 0 && limit === 0 && ((flags & 0x7f) === EMPTY_SEGMENT || (flags & 0x7f) === 0);

/** Bits of struct user_desc's flags: seg_32bit, contents (2 bits), seg_not_present. */
const SEG_32BIT = 1;
const CONTENTS_CODE = 4;
const SEG_NOT_PRESENT = 0x20;

/** tls_desc_okay: nothing, or 32-bit data that is there. */
function isTlsSegment(desc: UserDesc): boolean {
  return isEmpty(desc) || (desc.flags & (SEG_32BIT | CONTENTS_CODE | SEG_NOT_PRESENT)) === SEG_32BIT;
}

function entryOf(desc: UserDesc): Segment | null {
  return isEmpty(desc) ? null : { base: desc.base, limit: desc.limit, flags: desc.flags };
}

/** CLONE_SETTLS: the pointer is to a struct user_desc, as set_thread_area's. */
export function readTls(task: Task, flags: number, address: number): { index: number; entry: Segment } | null | number {
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
    if (!isTlsSegment(value)) return -EINVAL;
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
const FUTEX_PRIVATE = 128;
const FUTEX_CLOCK_REALTIME = 256;
const FUTEX_CMD_MASK = ~(FUTEX_PRIVATE | FUTEX_CLOCK_REALTIME);

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
    if ((op & FUTEX_CLOCK_REALTIME) !== 0 && command !== FUTEX.WAIT_BITSET) return -ENOSYS;
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
