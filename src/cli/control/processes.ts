/** The machine's processes, as `tallship ps` shows them. */
import { procSourceOf } from '../../kernel/proc-source.ts';
import type { ControlCommand } from './commands.ts';

export interface ProcessLine {
  readonly pid: number;
  readonly parent: number;
  readonly processGroup: number;
  readonly session: number;
  /** R, S, D, T, Z as in ps(1). */
  readonly state: string;
  readonly threads: number;
  /** Milliseconds of CPU time. */
  readonly time: number;
  readonly name: string;
  readonly command: readonly string[];
}

export const processes: ControlCommand = ({ machine }) => {
  const source = procSourceOf(machine.kernel);
  return source.processIds().map((id): ProcessLine => {
    const process = source.process(id)!;
    const { pid, parent, processGroup, session, leader, threads, user, system } = process;
    const time = Math.round((user + system) / 1e6);
    const named = { name: leader.comm, command: commandLine(process.memory) };
    return { pid, parent, processGroup, session, state: leader.state, threads: threads.length, time, ...named };
  });
};

/** /proc/PID/cmdline; a zombie has none. */
function commandLine(memory: { argStart: number; argEnd: number; read(at: number, into: Uint8Array): number } | null) {
  if (memory === null) return [];
  const bytes = new Uint8Array(Math.min(memory.argEnd - memory.argStart, 1 << 16));
  if (memory.read(memory.argStart, bytes) < 0) return [];
  return new TextDecoder().decode(bytes).replace(/\0$/, '').split('\0');
}
