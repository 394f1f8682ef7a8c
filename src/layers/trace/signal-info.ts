/** siginfo_t in strace's words. */
import type { SignalInfo } from '../../kernel/signal-queue.ts';
import { signalText } from './structs.ts';

const CHILD = ['', 'CLD_EXITED', 'CLD_KILLED', 'CLD_DUMPED', 'CLD_TRAPPED', 'CLD_STOPPED', 'CLD_CONTINUED'];
const BY_SIGNAL: Readonly<Record<number, readonly string[]>> = {
  4: [
    '',
    'ILL_ILLOPC',
    'ILL_ILLOPN',
    'ILL_ILLADR',
    'ILL_ILLTRP',
    'ILL_PRVOPC',
    'ILL_PRVREG',
    'ILL_COPROC',
    'ILL_BADSTK',
  ],
  5: ['', 'TRAP_BRKPT', 'TRAP_TRACE'],
  7: ['', 'BUS_ADRALN', 'BUS_ADRERR', 'BUS_OBJERR'],
  8: [
    '',
    'FPE_INTDIV',
    'FPE_INTOVF',
    'FPE_FLTDIV',
    'FPE_FLTOVF',
    'FPE_FLTUND',
    'FPE_FLTRES',
    'FPE_FLTINV',
    'FPE_FLTSUB',
  ],
  11: ['', 'SEGV_MAPERR', 'SEGV_ACCERR', 'SEGV_BNDERR', 'SEGV_PKUERR'],
  17: CHILD,
};
const GENERAL: Readonly<Record<number, string>> = {
  0: 'SI_USER',
  128: 'SI_KERNEL',
  [-1]: 'SI_QUEUE',
  [-2]: 'SI_TIMER',
  [-3]: 'SI_MESGQ',
  [-4]: 'SI_ASYNCIO',
  [-5]: 'SI_SIGIO',
  [-6]: 'SI_TKILL',
};

export function signalInfo(info: SignalInfo): string {
  const { signo, code } = info;
  const name = BY_SIGNAL[signo]?.[code] || GENERAL[code] || String(code);
  const fields = [`si_signo=${signalText(signo)}`, `si_code=${name}`];
  if (signo === 17 && code > 0) {
    const status = code === 1 ? String(info.status ?? 0) : signalText(info.status ?? 0);
    fields.push(`si_pid=${info.pid ?? 0}`, `si_uid=${info.uid ?? 0}`, `si_status=${status}`);
    fields.push(`si_utime=${ticks(info.utime)}`, `si_stime=${ticks(info.stime)}`);
  } else if (BY_SIGNAL[signo] !== undefined && code > 0 && code < 128) {
    fields.push(`si_addr=${info.addr ? `0x${(info.addr >>> 0).toString(16)}` : 'NULL'}`);
  } else if (code <= 0 && code !== -2) {
    fields.push(`si_pid=${info.pid ?? 0}`, `si_uid=${info.uid ?? 0}`);
  }
  return `{${fields.join(', ')}}`;
}

function ticks(count: number | undefined): string {
  return count === undefined || count === 0 ? '0' : `${count} /* ${(count / 100).toFixed(2).replace(/0$/, '')} s */`;
}
