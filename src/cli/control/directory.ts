/** Where running machines find each other: a directory that is its user's alone. */
import { lstatSync, mkdirSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { CliError, EXIT } from '../error.ts';

/** sun_path has 108 bytes; a socket's name here has up to 40. */
const LONGEST = 66;

const uid = () => process.getuid?.() ?? 0;

/**
 * All directories where machines of this user may be, the best one first: two terminals need not have the same environment.
 * $TALLSHIP_RUNTIME_DIR keeps machines apart from others. `make`: the first is made where it is missing.
 */
export function controlDirectories(make = false): string[] {
  const runtime = [process.env.XDG_RUNTIME_DIR, `/run/user/${uid()}`]
    .filter((base) => base?.startsWith('/') && isOurs(base))
    .map((base) => join(base!, 'tallship'));
  const { TALLSHIP_RUNTIME_DIR: only } = process.env;
  const all = only ? [only] : [...runtime, join(tmpdir(), `tallship-${uid()}`), `/tmp/tallship-${uid()}`];
  const usable: string[] = [];
  for (const path of new Set(all)) {
    if (Buffer.byteLength(path) > LONGEST) continue;
    if (isPrivate(path) || (make && usable.length === 0 && makePrivate(path))) usable.push(path);
  }
  return usable;
}

/** $XDG_STATE_HOME/tallship/NAME, made where it is missing: what outlives the processes that write it. */
export function stateDirectory(name: string): string {
  const state = process.env.XDG_STATE_HOME || join(homedir(), '.local', 'state');
  const directory = join(state, 'tallship', name);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (!isPrivate(directory)) throw new CliError(EXIT.failure, `${directory} is open to others: chmod 700 it`);
  return directory;
}

function makePrivate(path: string): boolean {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch {} // it is there, and someone else's or open to others; or cannot be made
  return isPrivate(path);
}

/** Only this user can have put anything into it: a directory, no link to one. */
export function isPrivate(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat?.isDirectory() === true && stat.uid === uid() && (stat.mode & 0o077) === 0;
}

function isOurs(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat?.isDirectory() === true && stat.uid === uid();
}
