import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { Row } from './main.ts';
import { fixture, MAIN } from './measure.ts';

const SIZES = [1, 100, 1000];

/** Runs a command until its output has a text; answers it, and what came. */
function until(args: readonly string[], text: string) {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let seen = '';
  const has = (wanted: string) =>
    new Promise<void>((done, failed) => {
      const look = (data: Buffer | string) => {
        seen += data;
        if (seen.includes(wanted)) done();
      };
      for (const stream of [child.stdout, child.stderr]) stream.on('data', look);
      child.on('close', () => failed(new Error(`${args.join(' ')} has ended: ${seen.slice(-200)}`)));
      look('');
    });
  const forget = () => {
    seen = '';
  };
  return { child, ready: has(text), has, forget, seen: () => seen };
}

const sizeOf = (directory: string): number =>
  readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);

/** Rows of a process with so much memory, nothing of which is zero or compresses, saved several times. */
async function measure(megabytes: number, store: boolean): Promise<Row[]> {
  const rows: Row[] = [];
  const directory = mkdtempSync(join(tmpdir(), 'tallship-bench-'));
  const path = (image: string) => (store ? join(directory, 'images', image) : image);
  const name = store ? 'image' : join(directory, 'image');
  const where = store ? ['--store', directory, '--image', name] : ['--image', name];
  const running = until(['run', '-q', '--on-signal', 'USR1=save', ...where, fixture('fill'), `${megabytes}`], '.');
  await running.ready;
  const what = `${megabytes} MB${store ? ' in a store' : ''}`;
  let before = 0;
  for (const turn of store ? ['first', 'next', 'third'] : ['first', 'next']) {
    running.forget();
    const start = performance.now();
    const saved = running.has('saved');
    running.child.kill('SIGUSR1');
    await saved;
    const note = /paused for \d+ ms/.exec(running.seen())?.[0] ?? '';
    const size = sizeOf(store ? join(directory, 'packs') : name);
    rows.push({ what: `save ${what}, ${turn}`, value: performance.now() - start, unit: 'ms', note });
    rows.push({ what: `size of ${what}, ${turn}`, value: (size - (store ? before : 0)) / 1e6, unit: 'MB' });
    before = size;
  }
  running.child.kill('SIGKILL');
  const begin = performance.now();
  const restored = until(['restore', '-q', path(name)], '.');
  await restored.ready;
  rows.push({ what: `restore ${what}`, value: performance.now() - begin, unit: 'ms' });
  restored.child.kill('SIGKILL');
  rmSync(directory, { recursive: true });
  return rows;
}

/** Save and restore, in a directory of its own and in a store. Times have fsync in them. */
export async function checkpoint(): Promise<Row[]> {
  const rows: Row[] = [];
  for (const megabytes of SIZES) {
    for (const store of [false, true]) rows.push(...(await measure(megabytes, store)));
  }
  return rows;
}
