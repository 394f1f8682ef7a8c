/** Sessions and process groups, as terminals see them (setsid(2), setpgid(2), credentials(7)). */

import { SI_KERNEL } from '../abi/signal.ts';
import type { Jobs, Session } from '../fs/caller.ts';
import type { Kernel } from './kernel.ts';
import { isOrphaned } from './notify.ts';

export type { Session };

export function makeSession(id: number): Session {
  return { id, terminal: null };
}

/** What terminals may do to the processes of a machine. */
export function jobsOf(kernel: Kernel): Jobs {
  return {
    signalGroup(pgid, signal) {
      kernel.signals.sendToProcessGroup(pgid, { signo: signal, code: SI_KERNEL });
    },
    signalProcess(pid, signal) {
      const group = kernel.groups.get(pid);
      if (group !== undefined) kernel.signals.sendToGroup(group, { signo: signal, code: SI_KERNEL });
    },
    sessionOf: (pgid) => kernel.processGroup(pgid)[0]?.session,
    isOrphaned: (pgid) => isOrphaned(kernel, pgid),
  };
}
