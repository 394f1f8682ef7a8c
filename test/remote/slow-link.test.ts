/** Over a link of 20 ms a program must not wait for home more often than it has to. */
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Traffic } from '../../src/vfs/inode.ts';
import { cuttingProxy } from '../support/cutting-proxy.ts';
import { tallship } from '../support/run.ts';
import { serve } from '../support/served-work.ts';
import { sysroot } from '../support/sysroot.ts';

const made = sysroot();
const root = 'path' in made ? made.path : '';
const directory = mkdtempSync(join(tmpdir(), 'tallship-slow-'));
const slow = join(directory, 'slow');
let server: ChildProcess;
let proxy: Awaited<ReturnType<typeof cuttingProxy>>;

beforeAll(async () => {
  server = await serve(join(directory, 'socket'), root);
  proxy = await cuttingProxy(slow, join(directory, 'socket'), { delay: 10, life: Number.POSITIVE_INFINITY });
});
afterAll(() => {
  proxy.close();
  server.kill();
  rmSync(directory, { recursive: true, force: true });
});

async function traffic(command: readonly string[]): Promise<Traffic> {
  const outcome = await tallship(['run', '--stats', '--json', '--remote', `unix:${slow}`, ...command]);
  expect(outcome.status).toBe(0);
  return JSON.parse(outcome.stderr).remote[0];
}

describe.skipIf(root === '')('a link of 20 ms', () => {
  // Two more at the start: hello and attach.
  it('a dynamic program starts within 15 round trips', async () => {
    expect((await traffic(['/bin/echo'])).waits).toBeLessThanOrEqual(13);
  });
});
