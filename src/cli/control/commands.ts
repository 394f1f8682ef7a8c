/**
 * What a running machine can be asked to do. A command is a function in a file of its own, named here and loaded when it is
 * asked for. It runs between slices, with every task of the machine as data.
 */
import type { Machine } from '../../machine.ts';
import type { RunValues } from '../commands.ts';
import type { Screen } from '../detached/screen.ts';
import type { Session } from '../session.ts';
import type { Stdio } from '../stdio.ts';
import type { Connection } from './server.ts';

/** What commands work on. */
export interface Running {
  readonly machine: Machine;
  readonly session: Session;
  readonly values: Pick<Partial<RunValues>, 'record'>;
  readonly screen?: Screen;
  /** Our caller's descriptors. */
  readonly stdio: Stdio;
}

/** Answers what the client gets as result: plain data. An error that it throws is shown to the client, in one line. */
export type ControlCommand = (
  running: Running,
  argument: Readonly<Record<string, unknown>>,
  connection: Connection,
) => unknown;

export const CONTROL_COMMANDS: Readonly<Record<string, () => Promise<ControlCommand>>> = {
  ps: async () => (await import('./processes.ts')).processes,
  'layer-list': async () => (await import('./change-layers.ts')).list,
  'layer-add': async () => (await import('./change-layers.ts')).add,
  'layer-remove': async () => (await import('./change-layers.ts')).remove,
  'layer-move': async () => (await import('./change-layers.ts')).move,
  checkpoint: async () => (await import('./checkpoint.ts')).checkpoint,
  check: async () => (await import('./checkpoint.ts')).check,
  migrate: async () => (await import('../migrate/departure.ts')).migrate,
  attach: async () => (await import('./attach-screen.ts')).attachScreen,
  resize: async () => (await import('./attach-screen.ts')).resizeScreen,
  kill: async () => (await import('./send-signal.ts')).sendSignal,
};
