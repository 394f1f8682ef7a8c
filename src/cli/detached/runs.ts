/**
 * Detached runs: each leaves a log (what it wrote) and a record in a directory of its user's alone, so that `tallship logs`
 * and `tallship attach` still know it after its end.
 */
import { readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExitStatus } from '../../machine.ts';
import { stateDirectory } from '../control/directory.ts';
import { isAlive } from '../control/entry.ts';
import { CliError, EXIT } from '../error.ts';

/** Logs of runs that ended so long ago are removed when a new one starts. */
const KEPT_MS = 30 * 24 * 3600 * 1000;

export interface Run {
  readonly name: string;
  /** Of the host's process, and when that process started (/proc/PID/stat, field 22). */
  readonly pid: number;
  readonly start: string;
  readonly command: readonly string[];
  /** Milliseconds since 1970. */
  readonly started: number;
  readonly end?: ExitStatus;
  /** It goes on elsewhere, from an image. */
  readonly moved?: true;
}

/** A run and where it is kept: the path without .json or .log. */
export interface Kept extends Run {
  readonly base: string;
}

export const logOf = (base: string) => `${base}.log`;

export const runsDirectory = () => stateDirectory('runs');

/** The path of a new run's files. */
export function newBase(name: string): string {
  const directory = runsDirectory();
  for (const { base, end } of readRuns()) {
    if (end !== undefined && Date.now() - statSync(`${base}.json`).mtimeMs > KEPT_MS) removeRun(base);
  }
  return join(directory, `${name.replace(/[^\w.-]/g, '_').slice(0, 100)}.${Date.now().toString(36)}.${process.pid}`);
}

export function writeRun(base: string, run: Run): void {
  writeFileSync(`${base}.new`, JSON.stringify(run), { mode: 0o600 });
  renameSync(`${base}.new`, `${base}.json`);
}

export function removeRun(base: string): void {
  for (const extension of ['json', 'log', 'new']) rmSync(`${base}.${extension}`, { force: true });
}

/** All that are known, the oldest first. */
export function readRuns(): Kept[] {
  const directory = runsDirectory();
  const runs = readdirSync(directory).flatMap((file) => {
    const base = join(directory, file.replace(/\.json$/, ''));
    const run = file.endsWith('.json') ? readRun(base) : undefined;
    return run === undefined ? [] : [run];
  });
  return runs.sort((a, b) => a.started - b.started);
}

export function readRun(base: string): Kept | undefined {
  try {
    const run: Run = JSON.parse(readFileSync(`${base}.json`, 'utf8'));
    return { ...run, base };
  } catch {
    return undefined; // removed just now, or none of ours
  }
}

/** The run that PID or NAME means; of several with a name, the last. */
export function findRun(word: string): Kept {
  const run = readRuns().findLast(({ name, pid }) => name === word || String(pid) === word);
  if (run === undefined) throw new CliError(EXIT.failure, `${word}: no such detached run; tallship logs lists them`);
  return run;
}

/** 'running', 'exited 0', 'killed by signal 9'; a run that ended without a word is 'lost'. */
export function stateOf(run: Run): string {
  if (run.moved) return 'saved';
  if (run.end !== undefined) {
    return run.end.signal === undefined ? `exited ${run.end.status}` : `killed by signal ${run.end.signal}`;
  }
  return isRunning(run) ? 'running' : 'lost';
}

export function isRunning({ pid, start, end, moved }: Run): boolean {
  return end === undefined && !moved && isAlive({ pid, base: `/${pid}.${start}` });
}
