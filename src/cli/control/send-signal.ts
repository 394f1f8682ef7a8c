/** A signal from outside: to the first process, to one of the others, or to all. */
import { SI_USER, SIGKILL } from '../../abi/signal.ts';
import type { ControlCommand } from './commands.ts';

export const sendSignal: ControlCommand = ({ machine, session }, { signal, process, all }) => {
  const { groups, signals } = machine.kernel;
  if (!Number.isInteger(signal) || (signal as number) < 0 || (signal as number) > 64) throw new Error('no such signal');
  const signo = signal as number;
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
