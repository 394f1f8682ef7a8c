/** tallship ps: running machines of this user, and the processes in them. */
import { columns } from './columns.ts';
import type { PsValues } from './commands.ts';
import { connectAll, type Found } from './control/client.ts';
import type { ProcessLine } from './control/processes.ts';
import { CliError, EXIT } from './error.ts';

interface Listed {
  readonly pid: number;
  readonly name: string;
  readonly command: readonly string[];
  readonly started: string;
  readonly cwd: string;
  /** null: the machine does not answer. */
  readonly processes: readonly ProcessLine[] | null;
}

export async function main({ json }: PsValues, operands: string[]): Promise<number> {
  if (operands.length > 0) throw new CliError(EXIT.failure, 'ps takes no operands');
  const machines = await Promise.all((await connectAll()).map(describe));
  process.stdout.write(json ? `${JSON.stringify(machines, null, 1)}\n` : table(machines));
  return 0;
}

async function describe({ entry, control }: Found): Promise<Listed> {
  const { pid, name, command, started, cwd } = entry;
  const listed = { pid, name, command, started: new Date(started).toISOString(), cwd };
  try {
    return { ...listed, processes: ((await control?.request('ps')) as ProcessLine[] | undefined) ?? null };
  } catch {
    return { ...listed, processes: null }; // it ends just now
  } finally {
    control?.close();
  }
}

/** Machines at the left, their processes below them. */
function table(machines: readonly Listed[]): string {
  const rows = [['PID', 'STATE', 'TIME', 'NAME', 'COMMAND']];
  for (const { pid, name, started, command, processes } of machines) {
    const since = elapsed(Date.now() - Date.parse(started));
    rows.push([String(pid), processes === null ? 'silent' : '', since, name, shown(command)]);
    for (const one of processes ?? []) {
      const command = one.command.length > 0 ? shown(one.command) : `[${one.name}]`;
      rows.push([`  ${one.pid}`, one.state, elapsed(one.time), one.name, command]);
    }
  }
  return columns(rows, [2]);
}

/** Words quoted as for a shell where they need it. */
function shown(command: readonly string[]): string {
  const words = command.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`));
  return words.join(' ');
}

/** h:mm:ss or m:ss. */
function elapsed(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (n: number) => String(n).padStart(2, '0');
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}
