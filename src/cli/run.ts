/** tallship run: one program and what it starts, with our caller's descriptors, environment and identity. */
import { basename, resolve } from 'node:path';
import { EACCES, ENOENT } from '../abi/errno.ts';
import { callersLimits } from '../host/limits.ts';
import { say } from '../host/node.ts';
import { type Machine, SpawnError } from '../machine.ts';
import { makeCredentials } from '../vfs/credentials.ts';
import { MachineBuilder } from './build-machine.ts';
import type { RunValues } from './commands.ts';
import { announce } from './control/announce.ts';
import { droppedChanges } from './dropped.ts';
import { CliError, EXIT } from './error.ts';
import { findProgram } from './find-program.ts';
import { grants } from './grants.ts';
import type { Opened } from './remote.ts';
import type { SaveValues } from './saving.ts';
import { Session } from './session.ts';
import { showStats } from './stats.ts';
import { guestFiles, openStdio } from './stdio.ts';

export async function main(values: RunValues, [program, ...args]: string[]): Promise<number> {
  if (program === undefined) throw new CliError(EXIT.failure, 'run: which program? See tallship --help');
  const hostCwd = process.cwd();
  const asked = grants(values, hostCwd);
  const stdio = openStdio();
  const root = values.remote === undefined ? undefined : await remoteRoot(values);
  const user = parseUser(values.user, root?.owner);
  const builder = new MachineBuilder(values, stdio, user, root?.fs);
  const { machine } = builder;
  for (const grant of asked) {
    if (root !== undefined) await (await import('./remote.ts')).lookUpParents(machine, grant.guest, root);
    builder.grant(grant);
  }
  if (values.mount.length > 0) await (await import('./remote.ts')).mountRemotes(machine, values, root);
  const env = environment(values);
  const inside = asked.some(({ guest }) => hostCwd === guest) ? hostCwd : '/';
  const cwd = values.chdir === undefined ? inside : resolve(inside, values.chdir);
  const hasSysroot = values.sysroot !== undefined || root !== undefined;
  const found = await findProgram(machine, program, cwd, hasSysroot, env.PATH);
  if (found.grant !== undefined) builder.grant({ host: found.grant, guest: found.grant, mode: 'ro' });
  if (values.stats) machine.table.count();
  const program0 = values.argv0 ?? program;
  const started = await install(machine, values);
  machine.kernel.scheduler.haltAt = instructionLimit(values['max-insns']);
  const session = new Session(machine, stdio.terminal);
  try {
    session.start({
      path: found.path,
      argv: [program0, ...args],
      env,
      cwd,
      credentials: makeCredentials(user.uid, user.gid, user.groups),
      umask: process.umask(),
      fds: guestFiles(stdio, machine, user.uid),
      limits: callersLimits(),
    });
  } catch (error) {
    throw error instanceof SpawnError ? explain(error, hasSysroot) : error;
  }
  announce({ machine, session, builder, values }, [found.path, ...args], values.name);
  await saveOnSignal(machine, session, values, basename(found.path));
  started?.(found.path, [program0, ...args], Object.keys(env).length);
  const end = await session.run(values.timeout);
  if (session.isMoving) return session.leave();
  if (values.stats) showStats(machine, values.json);
  if (machine.endedInLoader) say(`${found.path}: a shared library is missing${whereToGet(values.sysroot)}`);
  const dropped = values.quiet ? undefined : droppedChanges(builder);
  if (dropped !== undefined) say(dropped);
  return session.finish(end);
}

async function remoteRoot(values: RunValues): Promise<Opened> {
  if (values.sysroot !== undefined) throw new CliError(EXIT.failure, 'both -L and --remote give the root: choose one');
  return (await import('./remote.ts')).openRoot(values.remote!, values);
}

/** Layers are loaded only when asked for. Answers whom to tell that the program has started. */
async function install(machine: Machine, values: RunValues): Promise<Started | undefined> {
  if (values.layer.length === 0 && !values.strace && values.inject.length === 0) {
    if (!values.summary && values.expression.length === 0) return undefined;
  }
  const { layersOfRun } = await import('./layers.ts');
  const { layers, started } = await layersOfRun(values, machine);
  for (const layer of layers) machine.layers.install(layer, 'innermost');
  return started;
}

/** --on-signal is loaded only when asked for. */
async function saveOnSignal(machine: Machine, session: Session, values: SaveValues, program: string): Promise<void> {
  if (values['on-signal'].length === 0) return;
  const { Saving } = await import('./saving.ts');
  new Saving(machine, session, values, program);
}

type Started = (path: string, argv: readonly string[], variables: number) => void;

function environment(values: RunValues): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) if (value !== undefined) env[name] = value;
  for (const name of values.unset) delete env[name];
  for (const setting of values.env) {
    const equals = setting.indexOf('=');
    if (equals <= 0) throw new CliError(EXIT.failure, `-E ${setting}: give NAME=VALUE`);
    env[setting.slice(0, equals)] = setting.slice(equals + 1);
  }
  return env;
}

function instructionLimit(count = Infinity): number {
  if (count === Infinity || (Number.isSafeInteger(count) && count > 0)) return count;
  throw new CliError(EXIT.failure, `--max-insns ${count}: give a whole number from 1 on`);
}

interface User {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
}

/** With another machine's files as the root, the program is their owner. */
function parseUser(text: string | undefined, owner: User | undefined): User {
  const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, groups: process.getgroups?.() ?? [] };
  if (text === undefined) return owner ?? own;
  const match = /^(\d+)(?::(\d+))?$/.exec(text);
  if (match === null) throw new CliError(EXIT.failure, `--user ${text}: give UID or UID:GID, as numbers`);
  const uid = Number(match[1]);
  return { uid, gid: match[2] === undefined ? uid : Number(match[2]), groups: [] };
}

const MAKE_SYSROOT = 'make a sysroot with tallship sysroot DIR PACKAGE..., run with -L DIR';

/** ld.so has named the library. */
function whereToGet(sysroot: string | undefined): string {
  if (sysroot === undefined) return `; ${MAKE_SYSROOT}`;
  return ` in ${sysroot}; tallship sysroot DIR PACKAGE... adds to a sysroot`;
}

/** Which of program, interpreter or library is missing is in the reason; where to get it is for us to say. */
function explain({ errno, message }: SpawnError, hasSysroot: boolean): CliError {
  if (errno === EACCES) return new CliError(EXIT.notExecutable, `${message}: permission denied; is it executable?`);
  if (errno !== ENOENT) return new CliError(EXIT.notExecutable, message);
  const where = hasSysroot ? 'the sysroot has none' : MAKE_SYSROOT;
  return new CliError(EXIT.notFound, `${message} (${where})`);
}
