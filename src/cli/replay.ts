/** tallship replay DIR: the recorded run again, from its recording alone. */
import { writeSync } from 'node:fs';
import { DECLARATIONS } from '../../syscalls/index.ts';
import { NodeHost, say } from '../host/node.ts';
import { dieOf } from '../host/signals.ts';
import type { Descriptor } from '../host/stdio.ts';
import type { Outside } from '../layers/outside.ts';
import { type ExitStatus, type Machine, SpawnError } from '../machine.ts';
import type { End } from '../replay/events.ts';
import type { LogReader } from '../replay/log.ts';
import { DESCRIPTOR, FILES, TERMINAL } from '../replay/ports.ts';
import { Divergence, RecordingEnds, Replayer } from '../replay/replay.ts';
import { eventJson } from '../replay/show.ts';
import type { ReplayValues } from './commands.ts';
import { CliError, EXIT } from './error.ts';
import { prepare } from './prepare.ts';
import { FACTS, LAYERS } from './record.ts';
import { asCliError, type Manifest, openRecording } from './recording.ts';
import { showStats } from './stats.ts';
import { version } from './version.ts';
import type { World } from './world.ts';

const SIGKILL = 9;
const EAGAIN = 'EAGAIN';
const EPIPE = 'EPIPE';

export async function main(values: ReplayValues, [directory, ...more]: string[]): Promise<number> {
  if (directory === undefined || more.length > 0)
    throw new CliError(EXIT.failure, 'replay: which recording? Give its directory');
  const { manifest, log } = openRecording(directory);
  try {
    return values.events ? list(log) : await replay(values, manifest, log);
  } catch (error) {
    if (error instanceof RecordingEnds) {
      throw new CliError(EXIT.failure, `${directory}: the recording ends here, ${error.message}: it was cut off`);
    }
    if (error instanceof Divergence)
      throw new CliError(EXIT.failure, `the replay diverges ${error.message}${other(manifest)}`);
    throw asCliError(directory, error);
  }
}

/** A recording fits the Tallship that made it. */
function other({ tallship }: Manifest): string {
  return tallship === version() ? '' : ` (recorded by Tallship ${tallship}, this is ${version()})`;
}

const names = new Map([...DECLARATIONS].map(({ nr, name }) => [nr, name]));
const callName = (nr: number): string => names.get(nr) ?? `system call ${nr}`;

/** One event a line. */
function list(log: LogReader): number {
  for (let event = log.peek(); event !== undefined; event = log.peek()) {
    process.stdout.write(`${eventJson(event, callName)}\n`);
    log.take(event.kind);
  }
  return 0;
}

async function replay(values: ReplayValues, { values: recorded, operands }: Manifest, log: LogReader): Promise<number> {
  const replayer = new Replayer(new NodeHost(), log, callName);
  const protection = values.protection ?? recorded.protection;
  const asked = { ...recorded, protection, stats: values.stats, json: values.json };
  const { machine, program, started } = await prepare(worldOf(replayer), asked, [...operands]);
  try {
    machine.spawn({ ...program, terminal: machine.console ?? undefined });
  } catch (error) {
    throw error instanceof SpawnError ? new CliError(EXIT.failure, `as recorded: ${error.message}`) : error;
  }
  started();
  const status = await run(machine);
  const end = replayer.end();
  if (!isSame(status, end)) throw new Divergence(`at its end: recorded was ${how(end)}; now it is ${how(status)}`);
  if (values.stats) showStats(machine, values.json);
  if (end.stopped) return EXIT.timeout;
  return end.signal === undefined ? end.status! : dieOf(end.signal);
}

/** As Session.run, with what it does when the machine has executed what it may. */
async function run(machine: Machine): Promise<ExitStatus> {
  const end = await machine.run();
  const { groups, signals, scheduler } = machine.kernel;
  if (groups.size === 0) return end;
  say(`stopped after ${scheduler.instructions} instructions (--max-insns)`);
  scheduler.haltAt = Infinity;
  for (const group of [...groups.values()]) signals.sendToGroup(group, { signo: SIGKILL, code: 0 });
  return machine.run();
}

const isSame = (a: ExitStatus, b: End): boolean => a.status === b.status && a.signal === b.signal;
const how = ({ status, signal }: ExitStatus | End): string =>
  signal === undefined ? `exit status ${status}` : `signal ${signal}`;

function worldOf(replayer: Replayer): World {
  return {
    host: replayer.host,
    files: replayer.port('files', FILES),
    facts: replayer.port('facts', FACTS),
    exact: true,
    descriptor: (fd) => shown(replayer.watched<Descriptor>(`descriptor ${fd}`, DESCRIPTOR)),
    terminal: () => replayer.port('terminal', TERMINAL),
    outside: (real) => ({
      ...replayer.port<Outside>('layers', LAYERS),
      error: real.error,
      later: () => {},
      output: () => () => {},
      writeText: () => {},
    }),
    attach: ({ kernel }) => replayer.attach(kernel),
  };
}

/** What the guest wrote to standard output and error is written there again; a terminal may be both, and input as well. */
function shown(descriptor: Descriptor): Descriptor {
  const to = descriptor.fd === 2 ? 2 : 1;
  if (descriptor.fd > 2 || (descriptor.fd === 0 && descriptor.kind !== 'terminal')) return descriptor;
  const { write, writeAt } = descriptor;
  const show = (from: Uint8Array, count: number): number => {
    if (count > 0) writeAll(to, from.subarray(0, count));
    return count;
  };
  return Object.assign(descriptor, {
    write: (from: Uint8Array) => show(from, write(from)),
    writeAt: (position: number, from: Uint8Array) => show(from, writeAt(position, from)),
  });
}

/** Whoever reads may be slow, or have gone. */
function writeAll(fd: number, bytes: Uint8Array): void {
  const turn = new Int32Array(new SharedArrayBuffer(4));
  const copy = bytes.slice();
  for (let at = 0; at < copy.length; ) {
    try {
      at += writeSync(fd, copy, at);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === EPIPE) return;
      if (code !== EAGAIN) throw error;
      Atomics.wait(turn, 0, 0, 1);
    }
  }
}
