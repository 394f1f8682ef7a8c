/** The layers of a running machine: `tallship layer --pid`. Each change happens between two calls, or not at all. */
import type { Layer } from '../../syscall/layer.ts';
import { byName } from '../../syscall/multiplexer.ts';
import { callersSide, loadLayer } from '../layers.ts';
import type { ControlCommand, Running } from './commands.ts';

export const list: ControlCommand = ({ machine }) => namesOf(machine);

/** `spec` as for --layer, with an absolute path; several layers of one file stay together. */
export const add: ControlCommand = async (running, { spec, at }) => {
  const { machine } = changeable(running);
  if (typeof spec !== 'string') throw new Error('which layer?');
  const place = placeOf(at, machine.layers.layers.length);
  const added = await loadLayer(spec, callersSide, byName(machine.table.declarations.values()));
  const { layers } = machine;
  const taken = added.find(({ name }) => layers.layers.some((other) => other.name === name));
  if (taken !== undefined) throw new Error(`layer ${taken.name} is installed already`);
  const installed: Layer[] = [];
  try {
    for (const [i, layer] of added.entries()) {
      layers.install(layer, place === undefined ? 'innermost' : place + i);
      installed.push(layer);
    }
  } catch (error) {
    for (const { name } of installed) layers.remove(name);
    throw error;
  }
  return namesOf(machine);
};

export const remove: ControlCommand = (running, { name }) => {
  const { machine } = changeable(running);
  if (!machine.layers.remove(String(name))) throw new Error(noSuch(machine, name));
  return namesOf(machine);
};

export const move: ControlCommand = (running, { name, at }) => {
  const { machine } = changeable(running);
  if (!namesOf(machine).includes(String(name))) throw new Error(noSuch(machine, name));
  machine.layers.move(String(name), placeOf(at, namesOf(machine).length - 1) ?? 'innermost');
  return namesOf(machine);
};

/** A recording says what runs, not what is changed meanwhile. */
function changeable(running: Running): Running {
  if (running.values.record !== undefined) throw new Error('it is being recorded, and so its layers stay as they are');
  return running;
}

const namesOf = (machine: Running['machine']) => machine.layers.layers.map(({ name }) => name);

function noSuch(machine: Running['machine'], name: unknown): string {
  const names = namesOf(machine);
  return `there is no layer ${name}; ${names.length === 0 ? 'there are none' : `there are ${names.join(', ')}`}`;
}

function placeOf(at: unknown, last: number): number | undefined {
  if (at === undefined) return undefined;
  if (!Number.isInteger(at) || (at as number) < 0 || (at as number) > last)
    throw new Error(
      `there is no place ${at}: ${last === 0 ? 'there is only 0' : `places are 0 (outermost) to ${last}`}`,
    );
  return at as number;
}
