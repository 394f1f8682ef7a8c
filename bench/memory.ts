import { spawnSync } from 'node:child_process';
import type { Row } from './main.ts';
import { fixture, MAIN, median, sysroot } from './measure.ts';

/** Most memory that a hello world needs. */
export function memory(): Row[] {
  const root = sysroot();
  const rows = [peak('hello world, peak RSS', [fixture('hello')])];
  if (root !== undefined) rows.push(peak('dynamic hello world, peak RSS', ['-L', root, '/bin/echo', 'hello, world']));
  return rows;
}

function peak(what: string, program: readonly string[]): Row {
  const peaks = Array.from({ length: 5 }, () => {
    const { stderr } = spawnSync(process.execPath, [MAIN, '--stats', '--json', ...program], { encoding: 'utf8' });
    return JSON.parse(stderr).maxRss / 1e6;
  });
  return { what, value: median(peaks), unit: 'MB', atMost: 120 };
}
