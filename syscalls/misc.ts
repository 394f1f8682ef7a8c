/** The system as a whole: names, memory, randomness, and calls that a process-level machine honestly lacks. */
import { EINVAL, ENODEV, ENOSYS, EPERM } from '../src/abi/errno.ts';
import { newUtsnameLayout, oldestUtsnameLayout, oldUtsnameLayout, sysinfoLayout } from '../src/abi/system.ts';
import type { Task } from '../src/kernel/task.ts';
import { flags, inBuf, int, outBuf, outStruct, pointer, refused, size, syscall, uint } from '../src/syscall/index.ts';
import { CAP_SYS_ADMIN, capable } from '../src/vfs/credentials.ts';

const family = { class: 'system' } as const;
const PER_MASK_UNAME26 = 0x0020000;

/** UNAME26 is for programs that cannot read a version of two parts. */
function names(task: Task) {
  const { uts } = task.kernel;
  return (task.personality & PER_MASK_UNAME26) === 0 ? uts : { ...uts, release: '2.6.61' };
}

export const uname = syscall(
  122,
  'uname',
  [outStruct('buf', 'struct new_utsname', newUtsnameLayout)],
  (task, out) => out.write(names(task)),
  family,
);
export const olduname = syscall(
  109,
  'olduname',
  [outStruct('buf', 'struct old_utsname', oldUtsnameLayout)],
  (task, out) => out.write(names(task)),
  family,
);
export const oldolduname = syscall(
  59,
  'oldolduname',
  [outStruct('buf', 'struct oldold_utsname', oldestUtsnameLayout)],
  (task, out) => out.write(names(task)),
  family,
);

const NAME_MAX = 64;
function setName(which: 'nodename' | 'domainname') {
  return (task: Task, name: Uint8Array, length: number) => {
    if (!capable(task.credentials, CAP_SYS_ADMIN)) return -EPERM;
    if (length > NAME_MAX) return -EINVAL;
    task.kernel.uts[which] = String.fromCharCode(...name);
    return 0;
  };
}
export const sethostname = syscall(74, 'sethostname', [inBuf('name', 1), size('len')], setName('nodename'), family);
export const setdomainname = syscall(
  121,
  'setdomainname',
  [inBuf('name', 1), size('len')],
  setName('domainname'),
  family,
);

/** A machine of 4 GiB, of which a guest can have 3. */
const TOTAL_MEMORY = 0xfffff000;

export const sysinfo = syscall(
  116,
  'sysinfo',
  [outStruct('info', 'struct sysinfo', sysinfoLayout)],
  (task, out) => {
    const { kernel } = task;
    return out.write({
      uptime: Math.floor(task.now() / 1e9),
      loads: [0, 0, 0],
      totalram: TOTAL_MEMORY,
      freeram: TOTAL_MEMORY / 2,
      ...{ sharedram: 0, bufferram: 0, totalswap: 0, freeswap: 0, totalhigh: 0, freehigh: 0, pad: 0 },
      procs: kernel.tasks.size,
      memUnit: 1,
    });
  },
  { ...family, level: 'partial', note: 'memory sizes are constants' },
);

const GRND = { GRND_NONBLOCK: 1, GRND_RANDOM: 2, GRND_INSECURE: 4 };
export const getrandom = syscall(
  355,
  'getrandom',
  [outBuf('buf', 1), size('buflen'), flags('flags', GRND)],
  (task, buffer, _length, bits) => {
    if ((bits & ~7) !== 0 || (bits & 6) === 6) return -EINVAL;
    // At most 1 MiB at a time, as a signal would cut it short.
    const part = buffer.subarray(0, 1 << 20);
    task.kernel.random.fill(part);
    return part.length;
  },
  family,
);

/** syslog(2): there is an empty kernel log. */
export const syslog = syscall(
  103,
  'syslog',
  [int('type'), pointer('bufp'), int('len')],
  (task, type, address, length) => {
    if (type < 0 || type > 10) return -EINVAL;
    if (type >= 2 && type <= 4 && (address === 0 || length < 0)) return -EINVAL;
    if (type !== 3 && type !== 10 && !capable(task.credentials, CAP_SYS_ADMIN)) return -EPERM;
    return 0;
  },
  { ...family, level: 'partial', note: 'the log is empty' },
);

export const bpf = refused(357, 'bpf', ENOSYS, 'no BPF');
export const perf_event_open = refused(336, 'perf_event_open', ENOSYS, 'no performance counters');
export const reboot = refused(88, 'reboot', EPERM, 'the machine ends with its last process');
export const swapon = refused(87, 'swapon', EPERM, 'no swap');
export const swapoff = refused(115, 'swapoff', EPERM, 'no swap');
export const init_module = refused(128, 'init_module', EPERM, 'no kernel modules');
export const finit_module = refused(350, 'finit_module', EPERM, 'no kernel modules');
export const delete_module = refused(129, 'delete_module', EPERM, 'no kernel modules');
export const iopl = refused(110, 'iopl', EPERM, 'no I/O ports');
export const ioperm = refused(101, 'ioperm', EPERM, 'no I/O ports');
export const vm86 = refused(166, 'vm86', ENOSYS, 'no virtual 8086 mode');
export const vm86old = refused(113, 'vm86old', ENOSYS, 'no virtual 8086 mode');
export const acct = refused(51, 'acct', EPERM, 'no process accounting');
export const uselib = refused(86, 'uselib', ENOSYS, 'off, as in current kernels');
export const quotactl = refused(131, 'quotactl', ENODEV, 'no quotas');
export const unshare = syscall(
  310,
  'unshare',
  [uint('flags')],
  (task, bits) => {
    const CLONE_FS = 0x200;
    const CLONE_FILES = 0x400;
    const CLONE_SYSVSEM = 0x40000;
    if ((bits & ~(CLONE_FS | CLONE_FILES | CLONE_SYSVSEM)) !== 0) return -EPERM;
    if ((bits & CLONE_FS) !== 0) task.fs = task.fs.clone();
    if ((bits & CLONE_FILES) !== 0) task.unshareFiles();
    return 0;
  },
  { ...family, level: 'partial', note: 'namespaces are EPERM' },
);
export const setns = refused(346, 'setns', EPERM, 'one namespace of each kind');
export const io_setup = refused(245, 'io_setup', ENOSYS, 'no asynchronous I/O contexts; glibc uses threads');
export const io_uring_setup = refused(425, 'io_uring_setup', ENOSYS, 'no io_uring');
export const landlock_create_ruleset = refused(444, 'landlock_create_ruleset', ENOSYS, 'no landlock');
export const add_key = refused(286, 'add_key', ENOSYS, 'no key rings');
export const request_key = refused(287, 'request_key', ENOSYS, 'no key rings');
export const keyctl = refused(288, 'keyctl', ENOSYS, 'no key rings');
export const vhangup = refused(111, 'vhangup', EPERM, 'terminals are hung up by whoever made them');
export const kexec_load = refused(283, 'kexec_load', EPERM, 'the kernel is a program');
export const fanotify_init = refused(338, 'fanotify_init', ENOSYS, 'inotify is there');
export const arch_prctl = refused(
  384,
  'arch_prctl',
  EINVAL,
  'CPUID cannot be made to fault, and no dynamic CPU features',
);
export const futex_waitv = refused(449, 'futex_waitv', ENOSYS, 'programs fall back to futex');
