/** Finds the program in the guest's name space; a file of the host that is named by path is granted, read-only. */
import { delimiter, resolve } from 'node:path';
import { S_IFDIR, S_IFREG } from '../abi/fs.ts';
import type { Machine } from '../machine.ts';
import { walk } from '../vfs/walk.ts';
import { failed } from '../wait/wait.ts';
import { askFiles } from './ask-files.ts';
import { COMMANDS } from './commands.ts';
import { CliError, EXIT } from './error.ts';
import { nearest } from './suggest.ts';
import type { World } from './world.ts';

export interface Found {
  /** What execve gets. */
  path: string;
  /** The host's file, where it is not in the guest's name space yet. */
  grant?: string;
}

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export async function findProgram(
  machine: Machine,
  name: string,
  cwd: string,
  hasSysroot: boolean,
  searchPath: string | undefined,
  facts: World['facts'],
): Promise<Found> {
  if (name.includes('/')) {
    const type = await typeOf(machine, resolve(cwd, name));
    if (type === S_IFDIR) throw new CliError(EXIT.notExecutable, `cannot run ${name}: it is a directory`);
    if (type !== undefined) return { path: name };
    const host = resolve(facts.cwd(), name);
    const place = facts.place(host);
    if (place?.type === 'directory') throw new CliError(EXIT.notExecutable, `cannot run ${name}: it is a directory`);
    if (place !== undefined) return { path: host, grant: host };
    throw new CliError(EXIT.notFound, `${name}: not found${hasSysroot ? ', neither in the sysroot nor here' : ''}`);
  }
  for (const directory of (searchPath ?? DEFAULT_PATH).split(':')) {
    const path = resolve(cwd, directory, name);
    if (await isFile(machine, path)) return { path };
  }
  const host = hasSysroot ? undefined : searchHost(name, facts);
  if (host !== undefined) return { path: host, grant: host };
  throw new CliError(EXIT.notFound, `${name}: not found in PATH${await hint(machine, name, cwd, hasSysroot)}`);
}

async function hint(machine: Machine, name: string, cwd: string, hasSysroot: boolean): Promise<string> {
  if (await isFile(machine, resolve(cwd, name))) return `; did you mean ./${name}?`;
  const command = nearest(
    name,
    COMMANDS.map((one) => one.name),
  );
  if (command !== undefined) return `; did you mean tallship ${command}?`;
  return hasSysroot ? ' of the guest' : '; programs of Debian come with a sysroot: tallship sysroot DIR PACKAGE...';
}

async function typeOf(machine: Machine, path: string): Promise<number | undefined> {
  const place = await askFiles(machine, (ctx) => walk(ctx, ctx.fs.root, path, { follow: true }));
  return failed(place) ? undefined : place.dentry.inode?.type;
}

async function isFile(machine: Machine, path: string): Promise<boolean> {
  return (await typeOf(machine, path)) === S_IFREG;
}

function searchHost(name: string, facts: World['facts']): string | undefined {
  const directories = (facts.environment().PATH ?? DEFAULT_PATH).split(delimiter);
  const cwd = facts.cwd();
  return directories.map((directory) => resolve(cwd, directory, name)).find((path) => facts.isExecutable(path));
}
