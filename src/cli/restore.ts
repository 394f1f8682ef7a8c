/** tallship restore: a machine goes on where its image was made, with our caller's descriptors and terminal. */
import { basename, resolve } from 'node:path';
import { SIGSTOP } from '../abi/signal.ts';
import { ImageError } from '../checkpoint/image.ts';
import { checkedManifest } from '../checkpoint/model.ts';
import { allCompiled } from '../cpu/interp/ahead.ts';
import type { Policy } from '../fs/image/index.ts';
import { InheritedFiles } from '../fs/inherited.ts';
import { openSource } from '../host/image/open-source.ts';
import { say } from '../host/node.ts';
import type { ExitStatus, Machine } from '../machine.ts';
import { type RestoreOptions, restore } from '../node.ts';
import type { OpenFile } from '../vfs/open-file.ts';
import { changesAreHome, viewsOf } from './bring-home.ts';
import type { RestoreValues } from './commands.ts';
import { announce } from './control/announce.ts';
import { openAny, parseDescriptors } from './descriptors.ts';
import { CliError, EXIT } from './error.ts';
import { Session } from './session.ts';
import { guestFiles, openStdio } from './stdio.ts';
import { treesNow } from './trees-now.ts';
import { realWorld, type World } from './world.ts';

/** What `tallship run --state` has of it, too. */
export type GoOnValues = Omit<RestoreValues, Elsewhere | 'detach'> &
  Partial<Pick<RestoreValues, Elsewhere>> & { readonly isDetached?: boolean };
/** Only a restore is told. */
type Elsewhere = 'map' | 'volume' | 'mount' | 'remote' | 'fd' | 'stopped';

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
    return goOn(image, { ...values, isDetached: true }, self);
  }
  return goOn(image, values);
}

/** @param watcher hears how it ends: a detached run's record, a job's state. */
export async function goOn(image: string, values: GoOnValues, ...watchers: Watcher[]): Promise<number> {
  const world = realWorld();
  const asked = parseDescriptors(values.fd ?? []);
  // Files are open before anything else is.
  const given = new Map([...asked.paths].map(([key, path]) => [key, openAny(path)]));
  const stdio = openStdio(
    world,
    new Map([...given].filter(([key]) => isNumber(key)).map(([key, fd]) => [Number(key), fd])),
  );
  await allCompiled();
  const machine = await open(image, values, stdio, { ...asked.policies, ...namedFiles(given, world) });
  const session = new Session(machine, stdio.terminal);
  session.staysAwake = values.isDetached === true;
  session.attend();
  if (values.stopped) stopAll(machine);
  await session.saveAsAsked(values, basename(image, '.image'));
  const command = commandOf(machine);
  for (const watcher of watchers) watcher.started?.(machine, session.first, values.name, command);
  announce({ machine, session, stdio, values: {} }, command, values.name);
  const end = await session.run(values.timeout);
  const isHome = session.leaving !== undefined || (await changesAreHome(viewsOf(machine), machine));
  machine.close();
  if (session.leaving !== undefined) {
    for (const watcher of watchers) watcher.moved?.();
    return session.leave();
  }
  if (!session.isStopped) for (const watcher of watchers) watcher.ended(end);
  return session.finish(end, isHome ? undefined : EXIT.failure);
}

/** The first process's, as it is now. */
function commandOf(machine: Machine): string[] {
  const first = machine.kernel.groups.get(machine.first) ?? [...machine.kernel.groups.values()][0];
  return [first?.leader.comm ?? 'restored'];
}

/** Where another file was named, for the API: one with our caller's number is among our own descriptors. */
function namedFiles(given: ReadonlyMap<string, number>, world: World): Record<string, Policy | OpenFile> {
  const files = new InheritedFiles();
  return Object.fromEntries(
    [...given].map(([key, fd]) => [key, isNumber(key) ? 'caller' : files.open(world.descriptor(fd))]),
  );
}

const isNumber = (key: string) => /^\d+$/.test(key);

async function open(
  image: string,
  values: GoOnValues,
  stdio: ReturnType<typeof openStdio>,
  descriptors: RestoreOptions['descriptors'],
): Promise<Machine> {
  const layers = values.layer.length === 0 ? [] : await layersOf(values.layer);
  try {
    const source = await openSource(resolve(image));
    return await restore(source, {
      ...{ layers, protection: values.protection, console: stdio.makeConsole },
      trees: treesNow(values, checkedManifest(source).trees),
      connect: (origin, device) =>
        origin.kind === 'remote'
          ? import('./remote.ts').then(({ openTreeAgain }) => openTreeAgain(origin, values, device))
          : null,
      descriptors,
      files: (machine) => guestFiles(stdio, machine as Machine, process.getuid?.() ?? 0, false),
      warn: values.quiet ? undefined : say,
    });
  } catch (error) {
    if (!(error instanceof ImageError) && (error as Error).name !== 'ImageError') throw error;
    throw new CliError(EXIT.failure, `restore ${image}: ${(error as Error).message}`);
  }
}

async function layersOf(specs: readonly string[]) {
  const { callersSide, distinct, loadLayer } = await import('./layers.ts');
  return distinct((await Promise.all(specs.map((spec) => loadLayer(spec, callersSide)))).flat());
}

function stopAll({ kernel }: Machine): void {
  for (const group of kernel.groups.values()) kernel.signals.sendToGroup(group, { signo: SIGSTOP, code: 0 });
}
