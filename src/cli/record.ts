/** tallship run --record DIR: the real world, with everything that comes out of it written down. */
import { resolve } from 'node:path';
import type { ExitStatus } from '../machine.ts';
import { DESCRIPTOR, FILES, type PortShape, TERMINAL } from '../replay/ports.ts';
import { Recorder } from '../replay/record.ts';
import type { RunValues } from './commands.ts';
import { CliError, EXIT } from './error.ts';
import { isFile } from './layers.ts';
import { createRecording } from './recording.ts';
import { realWorld, type World } from './world.ts';

/** world.ts's Facts. */
export const FACTS: PortShape = {
  properties: [],
  methods: {
    ...{ cwd: {}, home: {}, environment: {}, user: {}, umask: {}, limits: {}, descriptors: {}, place: {} },
    ...{ isExecutable: {}, openArchive: {}, readArchive: { fills: 2 } },
  },
};

/** layers/outside.ts, as far as it answers. */
export const LAYERS: PortShape = { properties: [], methods: { readText: {}, ask: {} } };

export interface Recording {
  readonly world: World;
  end(end: ExitStatus, stopped: boolean): void;
}

export function record(values: RunValues, operands: readonly string[]): Recording {
  const own = values.layer.find((spec) => isFile(spec));
  if (own !== undefined) {
    throw new CliError(EXIT.failure, `--record: what the layer ${own} gets from outside cannot be recorded`);
  }
  if (values.remote !== undefined || values.mount.length > 0) {
    throw new CliError(EXIT.failure, '--record: what comes from other machines (--remote, -M) cannot be recorded');
  }
  if (values['on-signal'].length > 0) {
    throw new CliError(EXIT.failure, '--record: a machine that is saved by a signal cannot be recorded as well');
  }
  const log = createRecording(resolve(values.record!), values, operands);
  const real = realWorld();
  const recorder = new Recorder(real.host, log);
  process.on('exit', () => log.flush());
  const world: World = {
    host: recorder.host,
    files: recorder.port('files', FILES, real.files),
    facts: recorder.port('facts', FACTS, real.facts),
    exact: true,
    descriptor: (fd) => recorder.watched(`descriptor ${fd}`, DESCRIPTOR, real.descriptor(fd)),
    terminal: (fd) => recorder.port('terminal', TERMINAL, real.terminal(fd)),
    outside: (outside) => ({ ...outside, ...recorder.port('layers', LAYERS, outside) }),
    attach: ({ kernel }) => recorder.attach(kernel),
  };
  return { world, end: (end, stopped) => recorder.end({ ...end, stopped }) };
}
