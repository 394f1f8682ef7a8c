/** tallship run: one program and what it starts, with our caller's descriptors, environment and identity. */
import { basename } from 'node:path';
import { EACCES, ENOENT, ENOTDIR, errnoName } from '../abi/errno.ts';
import { say } from '../host/node.ts';
import { type Machine, SpawnError } from '../machine.ts';
import { walkToDirectory } from '../vfs/walk.ts';
import { changesAreHome } from './bring-home.ts';
import type { RunValues } from './commands.ts';
import { announce } from './control/announce.ts';
import { droppedChanges } from './dropped.ts';
import { CliError, EXIT } from './error.ts';
import { prepare } from './prepare.ts';
import { Session } from './session.ts';
import { showStats } from './stats.ts';
import { realWorld } from './world.ts';

export async function main(values: RunValues, operands: string[]): Promise<number> {
  if (values.tty && !values.detach) throw new CliError(EXIT.failure, '--tty goes with -d');
  if (values.on !== undefined) return (await import('./on/home.ts')).runThere(values, operands);
  const self = values.detach ? (await import('./detached/self.ts')).detachedSelf() : undefined;
  if (values.detach && self === undefined) {
    return (await import('./detached/detach.ts')).detach(operands, values.name);
  }
  const state = values.state === undefined ? undefined : (await import('./state.ts')).openState(values, operands);
  if (state?.resumes) {
    const { goOn } = await import('./restore.ts');
    return goOn(
      state.image,
      { ...values, volume: [], image: state.image, isDetached: self !== undefined },
      ...(self === undefined ? [state] : [state, self]),
    );
  }
  const recording = values.record === undefined ? undefined : (await import('./record.ts')).record(values, operands);
  const { machine, builder, stdio, program, started } = await prepare(
    recording?.world ?? realWorld(),
    values,
    operands,
  );
  const session = new Session(machine, stdio.terminal);
  session.staysAwake = self !== undefined;
  try {
    session.start(
      values.tty ? { ...program, fds: self?.openScreen(machine, program.credentials?.fsuid ?? 0) } : program,
    );
  } catch (error) {
    if (!(error instanceof SpawnError)) throw error;
    throw (
      noDirectory(machine, program.cwd) ?? explain(error, values.sysroot !== undefined || values.remote !== undefined)
    );
  }
  const command = [program.path, ...operands.slice(1)];
  self?.started(machine, session.first, values.name, command);
  announce({ machine, session, values, stdio, screen: self?.screen }, command, values.name);
  const saves = state === undefined ? values : { ...values, image: state.image };
  await session.saveAsAsked(saves, basename(program.path));
  started();
  const end = await session.run(values.timeout);
  const isHome = session.leaving !== undefined || (await changesAreHome(builder.views, machine));
  machine.close();
  if (session.leaving !== undefined) {
    self?.moved();
    return session.leave();
  }
  if (!session.isStopped) state?.ended(end);
  self?.ended(end);
  recording?.end(end, session.isStopped);
  if (values.stats) showStats(machine, values.json);
  if (machine.endedInLoader) say(`${program.path}: a shared library is missing${whereToGet(values.sysroot)}`);
  const dropped = values.quiet || session.elsewhere !== undefined ? undefined : droppedChanges(builder);
  if (dropped !== undefined) say(dropped);
  return session.finish(end, isHome ? undefined : EXIT.failure);
}

const MAKE_SYSROOT = 'make a sysroot with tallship sysroot DIR PACKAGE..., run with -L DIR';

/** ld.so has named the library. */
function whereToGet(sysroot: string | undefined): string {
  if (sysroot === undefined) return `; ${MAKE_SYSROOT}`;
  return ` in ${sysroot}; tallship sysroot DIR PACKAGE... adds to a sysroot`;
}

/** The program is not to blame where the directory that it was to start in is missing. */
function noDirectory(machine: Machine, path = '/'): CliError | undefined {
  const context = machine.context();
  const found = walkToDirectory(context, context.fs.root, path);
  if (found !== -ENOENT && found !== -ENOTDIR) return undefined;
  return new CliError(EXIT.failure, `-C ${path}: the program would find no such directory (${errnoName(-found)})`);
}

/** Which of program, interpreter or library is missing is in the reason; where to get it is for us to say. */
function explain({ errno, message }: SpawnError, hasSysroot: boolean): CliError {
  if (errno === EACCES) return new CliError(EXIT.notExecutable, `${message}: permission denied; is it executable?`);
  if (errno !== ENOENT) return new CliError(EXIT.notExecutable, message);
  const where = hasSysroot ? 'the sysroot has none' : MAKE_SYSROOT;
  return new CliError(EXIT.notFound, `${message} (${where})`);
}
