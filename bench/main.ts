/**
 * npm run bench [NAME...] [--json] [--svg=FILE]: what a user waits and pays for, beside native runs in the same minutes. Each
 * figure is the median of interleaved runs. --svg draws the rows that are multiples of native runs.
 */
import { writeFileSync, writeSync } from 'node:fs';
import { chart } from './chart.ts';
import { checkpoint } from './checkpoint.ts';
import { cpu } from './cpu.ts';
import { memory } from './memory.ts';
import { os } from './os.ts';
import { remote } from './remote.ts';
import { speed } from './speed.ts';
import { startup } from './startup.ts';
import { syscalls } from './syscalls.ts';
import { translation, translationLong } from './translation.ts';

export interface Row {
  what: string;
  value: number;
  unit: string;
  /** What it should be at most, or at least. */
  atMost?: number;
  atLeast?: number;
  native?: number;
  /** The same of another emulator. */
  rival?: number;
  note?: string;
}

const BENCHES: Record<string, () => Row[] | Promise<Row[]>> = {
  startup,
  memory,
  speed,
  cpu,
  syscalls,
  os,
  remote,
  translation,
  'translation-long': translationLong,
  checkpoint,
};

async function main(args: string[]): Promise<void> {
  const json = args.includes('--json');
  const names = args.filter((arg) => !arg.startsWith('--'));
  for (const name of names) {
    if (!Object.hasOwn(BENCHES, name))
      throw new Error(`no bench ${name}: there are ${Object.keys(BENCHES).join(', ')}`);
  }
  const chosen = names.length > 0 ? names : Object.keys(BENCHES).filter((name) => !name.endsWith('-long'));
  const results: [string, Row[]][] = [];
  for (const name of chosen) results.push([name, await BENCHES[name]()]);
  const svg = args.find((arg) => arg.startsWith('--svg='))?.slice('--svg='.length);
  const multiples = results.flatMap(([, rows]) => rows.filter(({ unit }) => unit === 'x native'));
  if (svg) writeFileSync(svg, chart('Processor time, native = 1: Tallship, and below it qemu-i386', multiples));
  if (json) writeSync(1, `${JSON.stringify(Object.fromEntries(results), null, 1)}\n`);
  else for (const [name, rows] of results) writeSync(1, table(name, rows));
}

function table(name: string, rows: readonly Row[]): string {
  const lines = rows.map((row) => {
    const goal = row.atMost !== undefined ? `<= ${row.atMost}` : row.atLeast !== undefined ? `>= ${row.atLeast}` : '';
    const met = (row.atMost ?? Infinity) >= row.value && (row.atLeast ?? 0) <= row.value;
    const native = row.native === undefined ? '' : `native ${shown(row.native)}`;
    return [
      row.what,
      `${shown(row.value)} ${row.unit}`,
      native,
      goal === '' ? '' : `${goal} ${met ? 'met' : 'MISSED'}`,
      row.note ?? '',
    ];
  });
  const widths = lines[0].map((_, i) => Math.max(...lines.map((line) => line[i].length)));
  const body = lines.map(
    (line) =>
      `  ${line
        .map((cell, i) => cell.padEnd(widths[i]))
        .join('  ')
        .trimEnd()}\n`,
  );
  return `${name}\n${body.join('')}\n`;
}

function shown(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

await main(process.argv.slice(2));
