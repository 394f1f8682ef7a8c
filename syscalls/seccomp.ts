/** Programs that forbid themselves calls. */
import { EACCES, EFAULT, EINVAL, EOPNOTSUPP } from '../src/abi/errno.ts';
import { array, struct, u8, u16, u32 } from '../src/abi/struct.ts';
import { BPF_MAXINSNS, isSound, type Program } from '../src/kernel/bpf.ts';
import { ACTION, SECCOMP_DATA_SIZE } from '../src/kernel/seccomp.ts';
import type { Task } from '../src/kernel/task.ts';
import { choice, flags, pointer, readValue, syscall } from '../src/syscall/index.ts';
import { CAP_SYS_ADMIN, capable } from '../src/vfs/credentials.ts';

export const SECCOMP_MODE_STRICT = 1;
export const SECCOMP_MODE_FILTER = 2;

const OPERATIONS = {
  SECCOMP_SET_MODE_STRICT: 0,
  SECCOMP_SET_MODE_FILTER: 1,
  SECCOMP_GET_ACTION_AVAIL: 2,
  SECCOMP_GET_NOTIF_SIZES: 3,
} as const;
const FLAGS = {
  SECCOMP_FILTER_FLAG_TSYNC: 1,
  SECCOMP_FILTER_FLAG_LOG: 2,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: 4,
  SECCOMP_FILTER_FLAG_NEW_LISTENER: 8,
} as const;
const KNOWN = FLAGS.SECCOMP_FILTER_FLAG_TSYNC | FLAGS.SECCOMP_FILTER_FLAG_LOG | FLAGS.SECCOMP_FILTER_FLAG_SPEC_ALLOW;

const programLayout = struct({ length: u16, filter: u32 });
const instructionLayout = struct({ code: u16, jt: u8, jf: u8, k: u32 });
const NO_NOTIFICATIONS = ACTION.USER_NOTIF as number;

/** The mode as prctl(PR_GET_SECCOMP) tells it. */
export function seccompMode({ seccomp }: Task): number {
  if (seccomp === null) return 0;
  return seccomp.mode === 'strict' ? SECCOMP_MODE_STRICT : SECCOMP_MODE_FILTER;
}

export function setStrict(task: Task): number {
  if (task.seccomp?.mode === 'filter') return -EINVAL;
  task.seccomp = { mode: 'strict', filters: [] };
  return 0;
}

/** One more filter, in front of those that there are. `everywhere`: for all threads of the process. */
export function addFilter(task: Task, address: number, everywhere: boolean): number {
  const given = readValue(task.mm, address, programLayout);
  if (given === undefined) return -EFAULT;
  if (given.length === 0 || given.length > BPF_MAXINSNS) return -EINVAL;
  if (!task.noNewPrivileges && !capable(task.credentials, CAP_SYS_ADMIN)) return -EACCES;
  const program = readValue(task.mm, given.filter, array(instructionLayout, given.length));
  if (program === undefined) return -EFAULT;
  if (!isSound(program, SECCOMP_DATA_SIZE) || task.seccomp?.mode === 'strict') return -EINVAL;
  const before = task.seccomp?.filters ?? [];
  const threads = everywhere ? [...task.group.tasks] : [task];
  const stranger = threads.find((other) => other !== task && !descends(before, other));
  if (stranger !== undefined) return stranger.tid;
  for (const other of threads) {
    other.seccomp = { mode: 'filter', filters: [...before, program] };
    other.noNewPrivileges ||= task.noNewPrivileges;
  }
  return 0;
}

/** Whether another thread has a beginning of these filters: TSYNC gives it the rest. */
function descends(filters: readonly Program[], { seccomp }: Task): boolean {
  if (seccomp === null) return true;
  return seccomp.mode === 'filter' && seccomp.filters.every((filter, i) => isSame(filter, filters[i]));
}

const isSame = (one: Program, other: Program | undefined) =>
  one === other || JSON.stringify(one) === JSON.stringify(other);

export const seccomp = syscall(
  354,
  'seccomp',
  [choice('operation', OPERATIONS), flags('flags', FLAGS), pointer('args')],
  (task, operation, bits, address) => {
    switch (operation) {
      case OPERATIONS.SECCOMP_SET_MODE_STRICT:
        return bits !== 0 || address !== 0 ? -EINVAL : setStrict(task);
      case OPERATIONS.SECCOMP_SET_MODE_FILTER: {
        if ((bits & ~KNOWN) !== 0) return -EINVAL;
        return addFilter(task, address, (bits & FLAGS.SECCOMP_FILTER_FLAG_TSYNC) !== 0);
      }
      case OPERATIONS.SECCOMP_GET_ACTION_AVAIL: {
        if (bits !== 0) return -EINVAL;
        const action = readValue(task.mm, address, u32);
        if (action === undefined) return -EFAULT;
        const isThere = action !== NO_NOTIFICATIONS && Object.values(ACTION).some((known) => known === action);
        return isThere ? 0 : -EOPNOTSUPP;
      }
      default:
        return -EINVAL;
    }
  },
  { class: 'process', level: 'partial', note: 'nobody can be notified (SECCOMP_FILTER_FLAG_NEW_LISTENER is EINVAL)' },
);
