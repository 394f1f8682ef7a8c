/** A signal from outside: to the first process, to one of the others, or to all. */
import { constants } from 'node:os';
import { SI_USER, SIGKILL } from '../../abi/signal.ts';
import { PASSED_ON } from '../../host/signals.ts';
import type { Home } from '../migrate/home.ts';
import type { ControlCommand } from './commands.ts';

export const sendSignal: ControlCommand = ({ machine, session }, { signal, process, all }) => {
  const { groups, signals } = machine.kernel;
  if (!Number.isInteger(signal) || (signal as number) < 0 || (signal as number) > 64) throw new Error('no such signal');
  const signo = signal as number;
  if (session.elsewhere !== undefined) return signalThere(session.elsewhere, signo, process, all);
  const id = process === undefined ? session.first : Number(process);
  // The first process alone need not end the machine: what cannot be refused is meant for all of it.
  const everyone =
    all === true || (signo === SIGKILL && process === undefined) || (process === undefined && !groups.has(id));
  const targets = everyone ? [...groups.values()] : [groups.get(id)];
  if (targets[0] === undefined) throw new Error(`there is no process ${id} in the machine`);
  if (signo === 0) return targets.length;
  for (const group of targets) if (group !== undefined) signals.sendToGroup(group, { signo, code: SI_USER });
  return targets.length;
};

/** Of a machine that has gone to another host, its first process can be reached, and all of them by KILL. */
function signalThere(home: Home, signo: number, process: unknown, all: unknown): number {
  const name = PASSED_ON.find((one) => constants.signals[one] === signo);
  if (process !== undefined || (all === true && signo !== SIGKILL)) {
    throw new Error(
      'it runs on another host: from here, only its first process can be told something, or all be killed',
    );
  }
  if (signo === SIGKILL) home.kill();
  else if (name !== undefined) home.signal(name);
  else if (signo !== 0) throw new Error(`signal ${signo} is not passed on to another host`);
  return 1;
}
