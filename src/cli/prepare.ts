/** From a command line to a machine that is ready to run its program. */
import { resolve } from 'node:path';
import { allCompiled } from '../cpu/interp/ahead.ts';
import { say } from '../host/node.ts';
import type { Machine, SpawnOptions } from '../machine.ts';
import type { Link } from '../remote/client/link.ts';
import { makeCredentials } from '../vfs/credentials.ts';
import { MachineBuilder } from './build-machine.ts';
import type { RunValues } from './commands.ts';
import { CliError, EXIT } from './error.ts';
import { findProgram } from './find-program.ts';
import { grants } from './grants.ts';
import type { Opened } from './remote.ts';
import { guestFiles, openStdio, type Stdio } from './stdio.ts';
import { asksForLayers, checkTraceOptions } from './trace-asked.ts';
import type { User, World } from './world.ts';

export interface Prepared {
  readonly machine: Machine;
  readonly builder: MachineBuilder;
  readonly stdio: Stdio;
  readonly program: SpawnOptions;
  /** To be called when the program has been started: the trace shows it. */
  started(): void;
}

export async function prepare(world: World, values: RunValues, [name, ...args]: string[]): Promise<Prepared> {
  if (name === undefined) throw new CliError(EXIT.failure, 'run: which program? See tallship --help');
  const { facts } = world;
  const hostCwd = facts.cwd();
  const asked = grants(values, hostCwd, facts);
  const stdio = openStdio(world);
  const root = values.remote === undefined ? undefined : await remoteRoot(values);
  const user = parseUser(values.user, root?.owner ?? facts.user());
  const builder = new MachineBuilder(values, world, stdio, user, root?.fs);
  const { machine } = builder;
  world.attach(machine);
  for (const grant of asked) {
    if (root !== undefined) await (await import('./remote.ts')).lookUpParents(machine, grant.guest, root);
    builder.grant(grant);
  }
  if (root?.view !== undefined) builder.views.push({ overlay: root.view, source: values.remote! });
  let link = root?.link;
  if (values.mount.length > 0) {
    const mounted = await (await import('./remote.ts')).mountRemotes(machine, values, root);
    builder.views.push(...mounted.views);
    link ??= mounted.link;
  }
  if (values.forward.length > 0 && values.on === undefined) await forwardHome(machine, values, link);
  const env = environment(values, facts.environment());
  const inside = asked.some(({ guest }) => hostCwd === guest) ? hostCwd : '/';
  const cwd = values.chdir === undefined ? inside : resolve(inside, values.chdir);
  const hasSysroot = values.sysroot !== undefined || root !== undefined;
  const found = await findProgram(machine, name, cwd, hasSysroot, env.PATH, facts);
  if (found.grant !== undefined) builder.grant({ host: found.grant, guest: found.grant, mode: 'ro' });
  if (values.stats) machine.table.count();
  const argv = [values.argv0 ?? name, ...args];
  const started = await install(machine, { ...values, only: values.only.map((path) => resolve(cwd, path)) }, world);
  machine.kernel.scheduler.haltAt = Math.min(
    instructionLimit(values['max-insns']),
    instructionLimit(values['checkpoint-at'], '--checkpoint-at'),
  );
  const program = {
    path: found.path,
    argv,
    env,
    cwd,
    credentials: makeCredentials(user.uid, user.gid, user.groups),
    umask: facts.umask(),
    fds: guestFiles(stdio, machine, user.uid, world.exact),
    limits: facts.limits(),
  };
  await allCompiled();
  const tell = () =>
    started?.(
      found.path,
      argv,
      Object.entries(env).map(([name, value]) => `${name}=${value}`),
    );
  return { machine, builder, stdio, program, started: tell };
}

async function remoteRoot(values: RunValues): Promise<Opened> {
  if (values.sysroot !== undefined) throw new CliError(EXIT.failure, 'both -L and --remote give the root: choose one');
  return (await import('./remote.ts')).openRoot(values.remote!, values);
}

/** Loaded only when asked for. */
async function forwardHome(machine: Machine, values: RunValues, link: Link | undefined): Promise<void> {
  if (link === undefined) {
    throw new CliError(EXIT.failure, '--forward needs a home: --on, or a --remote or -M that tallship serve serves');
  }
  const { forwardOver, forwardRules } = await import('./forward.ts');
  await forwardOver(machine, link, forwardRules(values.forward, '--forward '), say);
}

type Started = (path: string, argv: readonly string[], environment: readonly string[]) => void;

/** Layers are loaded only when asked for. Answers whom to tell that the program has started. */
async function install(machine: Machine, values: RunValues, world: World): Promise<Started | undefined> {
  checkTraceOptions(values);
  // The machine is elsewhere, and so are its layers.
  if (values.on !== undefined) return undefined;
  if (!asksForLayers(values)) return undefined;
  const { layersOfRun, callersSide } = await import('./layers.ts');
  const { layers, started } = await layersOfRun(values, machine, world.outside(callersSide));
  for (const layer of layers) machine.layers.install(layer, 'innermost');
  return started;
}

function environment(values: RunValues, callers: Record<string, string>): Record<string, string> {
  const env = { ...callers };
  for (const name of values.unset) delete env[name];
  for (const setting of values.env) {
    const equals = setting.indexOf('=');
    if (equals <= 0) throw new CliError(EXIT.failure, `-E ${setting}: give NAME=VALUE`);
    env[setting.slice(0, equals)] = setting.slice(equals + 1);
  }
  return env;
}

export function instructionLimit(count = Infinity, option = '--max-insns'): number {
  if (count === Infinity || (Number.isSafeInteger(count) && count > 0)) return count;
  throw new CliError(EXIT.failure, `${option} ${count}: give a whole number from 1 on`);
}

/** With another machine's files as the root, the program is their owner. */
function parseUser(text: string | undefined, own: User): User {
  if (text === undefined) return own;
  const match = /^(\d+)(?::(\d+))?$/.exec(text);
  if (match === null) throw new CliError(EXIT.failure, `--user ${text}: give UID or UID:GID, as numbers`);
  const uid = Number(match[1]);
  return { uid, gid: match[2] === undefined ? uid : Number(match[2]), groups: [] };
}
