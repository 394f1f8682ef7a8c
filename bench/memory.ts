import { spawnSync } from 'node:child_process';
import type { Row } from './main.ts';
import { fixture, MAIN, median } from './measure.ts';

/** Most memory that a hello world needs. */
export function memory(): Row[] {
  const peaks = Array.from({ length: 5 }, () => {
    const { stderr } = spawnSync(process.execPath, [MAIN, '--stats', '--json', fixture('hello')], { encoding: 'utf8' });
    return JSON.parse(stderr).maxRss / 1e6;
  });
  return [{ what: 'hello world, peak RSS', value: median(peaks), unit: 'MB', atMost: 120 }];
}
