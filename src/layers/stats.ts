/** The stats layer: calls, errors, bytes and time, by call and by path. */
import { type Layer, type LayeredCall, layer } from '../syscall/layer.ts';
import type { Plain } from '../wait/wait.ts';
import { count, items, members } from './kept.ts';
import type { Outside } from './outside.ts';

interface Row {
  calls: number;
  errors: number;
  bytes: number;
  nanoseconds: number;
}

const MOVES_BYTES = /^(p?(read|write)v?(64|2)?|recv(from|msg)?|send(to|msg|file|file64)?)$/;
const SHOWN = 20;

export class Statistics {
  readonly byCall = new Map<string, Row>();
  readonly byPath = new Map<string, Row>();

  add(call: LayeredCall, result: number, nanoseconds: number): void {
    const path = pathOf(call);
    const rows = [rowOf(this.byCall, call.callName), ...(path === '' ? [] : [rowOf(this.byPath, path)])];
    for (const row of rows) {
      row.calls++;
      row.nanoseconds += nanoseconds;
      if (result < 0 && result > -4096) row.errors++;
      else if (MOVES_BYTES.test(call.callName)) row.bytes += result;
    }
  }

  save(): Plain {
    return { calls: saved(this.byCall), paths: saved(this.byPath) };
  }

  load(state: Plain): void {
    load(this.byCall, members(state).calls);
    load(this.byPath, members(state).paths);
  }

  text(): string {
    return `${table('system call', this.byCall)}\n${table('path', this.byPath)}`;
  }
}

function pathOf(call: LayeredCall): string {
  const path = call.absolute();
  if (path !== '') return path;
  const fd = call.declaration.args.find(({ role }) => role === 'fd');
  return fd === undefined ? '' : call.describe((call as unknown as Record<string, number>)[fd.name]);
}

function rowOf(rows: Map<string, Row>, name: string): Row {
  let row = rows.get(name);
  if (row === undefined) rows.set(name, (row = { calls: 0, errors: 0, bytes: 0, nanoseconds: 0 }));
  return row;
}

function saved(rows: ReadonlyMap<string, Row>): Plain {
  return [...rows].map(([name, { calls, errors, bytes, nanoseconds }]) => [name, calls, errors, bytes, nanoseconds]);
}

function load(rows: Map<string, Row>, state: Plain | undefined): void {
  for (const item of items(state)) {
    const [name, calls, errors, bytes, nanoseconds] = items(item);
    if (typeof name !== 'string') continue;
    const row = { calls: count(calls), errors: count(errors), bytes: count(bytes), nanoseconds: count(nanoseconds) };
    rows.set(name, row);
  }
}

function table(head: string, rows: ReadonlyMap<string, Row>): string {
  const sorted = [...rows].sort(([, a], [, b]) => b.nanoseconds - a.nanoseconds || b.calls - a.calls);
  const lines = sorted
    .slice(0, SHOWN)
    .map(([name, { calls, errors, bytes, nanoseconds }]) =>
      [
        String(calls).padStart(9),
        String(errors).padStart(8),
        String(bytes).padStart(12),
        (nanoseconds / 1e6).toFixed(3).padStart(10),
        name,
      ].join(' '),
    );
  const more = sorted.length > SHOWN ? `${' '.repeat(43)}and ${sorted.length - SHOWN} more\n` : '';
  return `    calls   errors        bytes         ms ${head}\n${lines.join('\n')}\n${more}`;
}

export function stats(outside: Outside, file?: string): Layer & { readonly statistics: Statistics } {
  const statistics = new Statistics();
  const every = {
    enter: (call: LayeredCall) => void (call.state.start = call.task.now()),
    exit: (call: LayeredCall, result: number) =>
      statistics.add(call, result, call.task.now() - (call.state.start as number)),
  };
  const finish = () =>
    file === undefined ? outside.error(statistics.text()) : outside.writeText(file, statistics.text());
  const image = { save: () => statistics.save(), load: (state: Plain) => statistics.load(state) };
  return { ...layer('stats', {}, { every, finish, image }), statistics };
}
