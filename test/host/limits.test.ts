import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { ProcProcess } from '../../src/fs/proc-source.ts';
import { limitsText } from '../../src/fs/proc-status.ts';
import { parseLimits } from '../../src/host/limits.ts';
import { stripTypeScript } from '../support/strip.ts';

it('reads what /proc/PID/limits shows, each limit to its number', () => {
  const limits = Array.from({ length: 16 }, (_, i) => ({
    soft: i,
    hard: i === 3 ? Number.POSITIVE_INFINITY : 100 + i,
  }));
  const expected = limits.map(({ soft, hard }) => ({ soft, hard: hard === Number.POSITIVE_INFINITY ? 2 ** 64 : hard }));
  expect(parseLimits(limitsText({ limits } as unknown as ProcProcess))).toEqual(expected);
  expect(parseLimits('Max open files 1 2 files\n')).toBeUndefined();
});

it("knows the caller's soft limit of descriptors, which Node raises for itself", () => {
  const directory = mkdtempSync(join(tmpdir(), 'tallship-'));
  const source = `${stripTypeScript('src/host/limits.ts')}\nconsole.log(JSON.stringify(callersLimits()));\n`;
  writeFileSync(join(directory, 'limits.mjs'), source);
  // The last command keeps bash from becoming Node.
  const script = 'ulimit -Sn 100; ulimit -Hn 200; ulimit -c 0; "$0" limits.mjs; :';
  const out = execFileSync('bash', ['-c', script, process.execPath], { cwd: directory, encoding: 'utf8' });
  rmSync(directory, { recursive: true });
  const limits = JSON.parse(out);
  expect([limits[7], limits[4]]).toEqual([
    { soft: 100, hard: 200 },
    { soft: 0, hard: 0 },
  ]);
});
