/** siginfo_t of i386 from what the kernel knows of a signal, and back (siginfo_layout() of kernel/signal.c). */
import {
  SI_KERNEL,
  SI_SIGIO,
  SI_TIMER,
  SIGBUS,
  SIGCHLD,
  SIGFPE,
  SIGILL,
  SIGINFO_SIZE,
  SIGIO,
  SIGSEGV,
  SIGTRAP,
} from '../abi/signal.ts';
import type { SignalInfo } from './signal-queue.ts';

const FAULTS = [SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP];

/** Writes 128 bytes. */
export function writeSiginfo(info: SignalInfo, to: DataView, at: number): void {
  const bytes = new Uint8Array(to.buffer, to.byteOffset + at, SIGINFO_SIZE);
  bytes.fill(0);
  const put = (offset: number, value: number | undefined) => to.setUint32(at + offset, value ?? 0, true);
  put(0, info.signo);
  put(4, info.errno);
  put(8, info.code);
  if (info.raw !== undefined) {
    bytes.set(info.raw, 12);
  } else if (info.code > 0 && info.code !== SI_KERNEL && FAULTS.includes(info.signo)) {
    put(12, info.addr);
  } else if (info.code > 0 && info.code !== SI_KERNEL && info.signo === SIGCHLD) {
    put(12, info.pid);
    put(16, info.uid);
    put(20, info.status);
    put(24, info.utime);
    put(28, info.stime);
  } else if (info.code === SI_SIGIO || (info.signo === SIGIO && info.code > 0 && info.code !== SI_KERNEL)) {
    put(12, info.band);
    put(16, info.fd);
  } else if (info.code === SI_TIMER) {
    put(12, info.timer);
    put(16, info.overrun);
    put(20, info.value);
  } else {
    put(12, info.pid);
    put(16, info.uid);
    put(20, info.value);
  }
}

/** What rt_sigqueueinfo and pidfd_send_signal were given. */
export function readSiginfo(signo: number, from: DataView): SignalInfo {
  const raw = new Uint8Array(from.buffer, from.byteOffset + 12, SIGINFO_SIZE - 12).slice();
  return {
    signo,
    errno: from.getInt32(4, true),
    code: from.getInt32(8, true),
    pid: from.getInt32(12, true),
    uid: from.getUint32(16, true),
    value: from.getUint32(20, true),
    raw,
  };
}
