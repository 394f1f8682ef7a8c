/**
 * Entries of running machines: PID.START.json, beside the socket PID.START.sock. START is when the host's process started, so
 * that a number that is used again names another file; what the entry says is for people, where to connect is its name.
 */
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { controlDirectories } from './directory.ts';

export interface Entry {
  readonly version: 1;
  /** Of the host's process. */
  readonly pid: number;
  readonly name: string;
  /** The program's path and its arguments. */
  readonly command: readonly string[];
  /** Milliseconds since 1970. */
  readonly started: number;
  readonly cwd: string;
}

/** An entry, and where it was found: the path without .json or .sock. */
export interface Registered extends Entry {
  readonly base: string;
}

export const socketOf = (base: string) => `${base}.sock`;

/** The path of this process's entry, without its extension; undefined where no directory can be used. */
export function ownBase(): string | undefined {
  const [directory] = controlDirectories(true);
  return directory && join(directory, `${process.pid}.${startOf(process.pid) ?? Date.now()}`);
}

export function writeEntry(base: string, entry: Entry): void {
  writeFileSync(`${base}.new`, JSON.stringify(entry), { mode: 0o600 });
  renameSync(`${base}.new`, `${base}.json`);
}

export function removeEntry(base: string): void {
  for (const extension of ['json', 'sock', 'new']) rmSync(`${base}.${extension}`, { force: true });
}

/** Every entry there is, in the order of their start; of processes that ended without a word, too. */
export function readEntries(): Registered[] {
  const found: Registered[] = [];
  for (const directory of controlDirectories()) {
    for (const file of readdirSync(directory)) {
      if (!/^\d+\.\d+\.json$/.test(file)) continue;
      const base = join(directory, file.slice(0, -5));
      const entry = parse(base);
      if (entry !== undefined) found.push({ ...entry, base });
    }
  }
  return found.sort((a, b) => a.started - b.started);
}

function parse(base: string): Entry | undefined {
  try {
    const entry: Entry = JSON.parse(readFileSync(`${base}.json`, 'utf8'));
    const { version, pid, name, command, started, cwd } = entry;
    const texts = [name, cwd, ...command].every((text) => typeof text === 'string');
    return version === 1 && Number.isInteger(pid) && Number.isFinite(started) && texts ? entry : undefined;
  } catch {
    return undefined; // it ended just now, or the file is none of ours
  }
}

/** The process that made the entry is still there, as far as can be told: another name space of pids hides it. */
export function isAlive({ pid, base }: Pick<Registered, 'pid' | 'base'>): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const start = startOf(pid);
  return start === undefined || base.endsWith(`/${pid}.${start}`);
}

/** Clock ticks from boot to the start of a process: field 22 of /proc/PID/stat; undefined where there is none. */
export function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
