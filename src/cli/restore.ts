/** tallship restore: a machine goes on where its image was made, with our caller's descriptors and terminal. */
import { openSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { SIGSTOP } from '../abi/signal.ts';
import { ImageError } from '../checkpoint/image.ts';
import { say } from '../host/node.ts';
import type { ExitStatus, Machine } from '../machine.ts';
import { restore } from '../node.ts';
import type { RestoreValues } from './commands.ts';
import { announce } from './control/announce.ts';
import { CliError, EXIT } from './error.ts';
import { Session } from './session.ts';
import { guestFiles, openStdio } from './stdio.ts';
import { realWorld } from './world.ts';

/** What `tallship run --state` has of it, too. */
export type GoOnValues = Omit<RestoreValues, 'map' | 'fd' | 'stopped' | 'detach'> &
  Partial<Pick<RestoreValues, 'map' | 'fd' | 'stopped'>>;

export interface Watcher {
  started?(machine: Machine, first: number, name: string | undefined, command: readonly string[]): void;
  moved?(): void;
  ended(end: ExitStatus): void;
}

export async function main(values: RestoreValues, [image, ...others]: string[]): Promise<number> {
  if (image === undefined || others.length > 0) throw new CliError(EXIT.failure, 'restore: give one image');
  if (values.detach) {
    const { detachedSelf } = await import('./detached/self.ts');
    const self = detachedSelf();
    if (self === undefined) return (await import('./detached/detach.ts')).detach([image], values.name);
    return goOn(image, values, self);
  }
  return goOn(image, values);
}

/** @param watcher hears how it ends: a detached run's record, a job's state. */
export async function goOn(image: string, values: GoOnValues, ...watchers: Watcher[]): Promise<number> {
  const given = openGiven(values.fd ?? []);
  const stdio = openStdio(realWorld(), given);
  const machine = await open(image, values, stdio);
  const session = new Session(machine, stdio.terminal);
  session.attend();
  if (values.stopped) stopAll(machine);
  await session.saveAsAsked(values, basename(image, '.image'));
  const command = commandOf(machine);
  for (const watcher of watchers) watcher.started?.(machine, session.first, values.name, command);
  announce({ machine, session, values: {} }, command, values.name);
  const end = await session.run(values.timeout);
  machine.close();
  if (session.leaving !== undefined) {
    for (const watcher of watchers) watcher.moved?.();
    return session.leave();
  }
  if (!session.isStopped) for (const watcher of watchers) watcher.ended(end);
  return session.finish(end);
}

/** The first process's, as it is now. */
function commandOf(machine: Machine): string[] {
  const first = machine.kernel.groups.get(machine.first) ?? [...machine.kernel.groups.values()][0];
  return [first?.leader.comm ?? 'restored'];
}

async function open(image: string, values: GoOnValues, stdio: ReturnType<typeof openStdio>): Promise<Machine> {
  const layers = values.layer.length === 0 ? [] : await layersOf(values.layer);
  try {
    return await restore(resolve(image), {
      ...{ layers, protection: values.protection, console: stdio.makeConsole, trees: treesOf(values.map ?? []) },
      files: (machine) => guestFiles(stdio, machine as Machine, process.getuid?.() ?? 0, false),
      warn: values.quiet ? undefined : say,
    });
  } catch (error) {
    if (!(error instanceof ImageError) && (error as Error).name !== 'ImageError') throw error;
    throw new CliError(EXIT.failure, `restore ${image}: ${(error as Error).message}`);
  }
}

async function layersOf(specs: readonly string[]) {
  const { callersSide, loadLayer } = await import('./layers.ts');
  return (await Promise.all(specs.map((spec) => loadLayer(spec, callersSide)))).flat();
}

function treesOf(maps: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    maps.map((map) => {
      const equals = map.indexOf('=');
      if (equals <= 0) throw new CliError(EXIT.failure, `--map ${map}: give OLD=NEW, two paths of the host`);
      return [resolve(map.slice(0, equals)), resolve(map.slice(equals + 1))];
    }),
  );
}

/** Files for --fd, open before anything else is: descriptor by number. */
function openGiven(fds: readonly string[]): Map<number, number> {
  const given = new Map<number, number>();
  for (const text of fds) {
    const match = /^(\d+)=(.+)$/.exec(text);
    if (match === null) throw new CliError(EXIT.failure, `--fd ${text}: give N=PATH, a descriptor and a file`);
    given.set(Number(match[1]), openAny(match[2]));
  }
  return given;
}

/** For reading and writing where it may be written. */
function openAny(path: string): number {
  for (const flags of ['r+', 'a+', 'r']) {
    try {
      return openSync(path, flags);
    } catch {} // the next way
  }
  throw new CliError(EXIT.failure, `--fd: ${path} cannot be opened`);
}

function stopAll({ kernel }: Machine): void {
  for (const group of kernel.groups.values()) kernel.signals.sendToGroup(group, { signo: SIGSTOP, code: 0 });
}
