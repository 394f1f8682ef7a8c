/** Processes by descriptor. */
import { EBADF, EFAULT, EINVAL, EPERM, ESRCH } from '../src/abi/errno.ts';
import { O_NONBLOCK } from '../src/abi/fs.ts';
import { SI_TKILL, SI_USER, SIGINFO_SIZE } from '../src/abi/signal.ts';
import { installPidFile, PidFile } from '../src/kernel/pidfd.ts';
import { readSiginfo } from '../src/kernel/siginfo.ts';
import type { Task } from '../src/kernel/task.ts';
import type { ThreadGroup } from '../src/kernel/thread-group.ts';
import { fd, flags, int, pointer, signalNumber, syscall, uint } from '../src/syscall/index.ts';
import { mayInspect } from '../src/vfs/credentials.ts';

const family = { class: 'process' } as const;

/** What a descriptor stands for: -EBADF for all but pidfds. */
export function pidFileOf(task: Task, fd: number): PidFile | number {
  const file = task.files.get(fd);
  return file instanceof PidFile ? file : -EBADF;
}

export const pidfd_open = syscall(
  434,
  'pidfd_open',
  [int('pid'), flags('flags', { PIDFD_NONBLOCK: O_NONBLOCK })],
  (task, pid, bits) => {
    if (pid <= 0 || (bits & ~O_NONBLOCK) !== 0) return -EINVAL;
    const found = task.kernel.tasks.get(pid);
    if (found === undefined) return -ESRCH;
    return found === found.group.leader ? installPidFile(task, found.group, bits) : -EINVAL;
  },
  { ...family, level: 'partial', note: 'processes only: PIDFD_THREAD is EINVAL' },
);

export const pidfd_send_signal = syscall(
  424,
  'pidfd_send_signal',
  [fd('pidfd'), signalNumber(), pointer('info'), uint('flags')],
  (task, fd, number, address, bits) => {
    if (bits !== 0) return -EINVAL;
    const file = pidFileOf(task, fd);
    if (typeof file === 'number') return file;
    if (number < 0 || number > 64) return -EINVAL;
    const { process } = file;
    if (process === null) return -ESRCH;
    const { signals } = task.kernel;
    const info = address === 0 ? signals.userInfo(task, number, SI_USER) : claimedInfo(task, process, number, address);
    if (typeof info === 'number') return info;
    const denied = signals.mayKill(task, process.leader, number);
    if (denied < 0 || number === 0) return denied;
    signals.sendToGroup(process, info);
    return 0;
  },
  { ...family, level: 'partial', note: 'to the process: PIDFD_SIGNAL_THREAD and _PROCESS_GROUP are EINVAL' },
);

/** Only to itself may a process claim that the kernel or kill sent it (rt_sigqueueinfo's rule). */
function claimedInfo(task: Task, group: ThreadGroup, number: number, address: number) {
  const raw = task.mm.view(address, SIGINFO_SIZE, false);
  if (typeof raw === 'number') return -EFAULT;
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  if (view.getInt32(0, true) !== number) return -EINVAL;
  const info = readSiginfo(number, view);
  return group !== task.group && (info.code >= 0 || info.code === SI_TKILL) ? -EPERM : info;
}

export const pidfd_getfd = syscall(
  438,
  'pidfd_getfd',
  [fd('pidfd'), int('targetfd'), uint('flags')],
  (task, fd, wanted, bits) => {
    if (bits !== 0) return -EINVAL;
    const file = pidFileOf(task, fd);
    if (typeof file === 'number') return file;
    if (file.process === null || file.process.zombie) return -ESRCH;
    const { leader } = file.process;
    if (!mayInspect(task.credentials, leader.credentials)) return -EPERM;
    const taken = leader.files.get(wanted);
    return taken === undefined ? -EBADF : task.files.install(taken, { cloexec: true });
  },
  family,
);
