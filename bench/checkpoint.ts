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
  return { child, ready: has(text), has, seen: () => seen };
}

/** Save and restore of a process with so much memory: nothing of it is zero, nothing compresses. */
export async function checkpoint(): Promise<Row[]> {
  const rows: Row[] = [];
  for (const megabytes of SIZES) {
    const directory = mkdtempSync(join(tmpdir(), 'tallship-bench-'));
    const image = join(directory, 'image');
    const running = until(
      ['run', '-q', '--on-signal', 'USR1=save', '--image', image, fixture('fill'), `${megabytes}`],
      '.',
    );
    await running.ready;
    const start = performance.now();
    const saved = running.has('saved');
    running.child.kill('SIGUSR1');
    await saved;
    const save = performance.now() - start;
    running.child.kill('SIGKILL');
    const size = readdirSync(image).reduce((sum, name) => sum + statSync(join(image, name)).size, 0);
    const begin = performance.now();
    const restored = until(['restore', '-q', image], '.');
    await restored.ready;
    const restore = performance.now() - begin;
    restored.child.kill('SIGKILL');
    rmSync(directory, { recursive: true });
    const what = `${megabytes} MB`;
    rows.push({ what: `save ${what}`, value: save, unit: 'ms', note: pauseOf(running.seen()) });
    rows.push({ what: `image of ${what}`, value: size / 1e6, unit: 'MB' });
    rows.push({ what: `restore ${what}`, value: restore, unit: 'ms' });
  }
  return rows;
}

const pauseOf = (text: string) => /paused for \d+ ms/.exec(text)?.[0] ?? '';
