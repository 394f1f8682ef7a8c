/** Over a link of 20 ms a program must not wait for home more often than it has to. */
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Traffic } from '../../src/vfs/inode.ts';
import { cuttingProxy } from '../support/cutting-proxy.ts';
import { tallship } from '../support/run.ts';
import { serve } from '../support/served-work.ts';
import { sysroot } from '../support/sysroot.ts';

const made = sysroot();
const root = 'path' in made ? made.path : '';
const directory = mkdtempSync(join(tmpdir(), 'tallship-slow-'));
const closing: (() => void)[] = [];

/** Serves a directory 20 ms away. */
async function serveSlowly(path: string, name: string): Promise<string> {
  const [near, far] = [join(directory, `${name}.near`), join(directory, `${name}.far`)];
  const server: ChildProcess = await serve(near, path);
  const proxy = await cuttingProxy(far, near, { delay: 10, life: Number.POSITIVE_INFINITY });
  closing.push(
    () => server.kill(),
    () => proxy.close(),
  );
  return `unix:${far}`;
}

afterAll(() => {
  for (const close of closing) close();
  rmSync(directory, { recursive: true, force: true });
});

async function traffic(...args: readonly string[]): Promise<Traffic> {
  const outcome = await tallship(['run', '-q', '--stats', '--json', ...args]);
  expect(outcome.status).toBe(0);
  return JSON.parse(outcome.stderr).remote[0];
}

describe.skipIf(root === '')('a link of 20 ms', () => {
  // Two more at the start: hello and attach.
  it('a dynamic program starts within 15 round trips', async () => {
    const { waits } = await traffic('--remote', await serveSlowly(root, 'root'), '/bin/echo');
    expect(waits).toBeLessThanOrEqual(13);
  });

  it('who goes through a large directory gets what follows', async () => {
    const many = join(directory, 'many');
    mkdirSync(many);
    for (let i = 0; i < 4000; i++) writeFileSync(join(many, `file-${i}`), `${i}\n`);
    const url = await serveSlowly(many, 'many');
    const { waits } = await traffic('-L', root, '-M', `/w=${url}`, '-C', '/w', 'tar', 'cf', '/tmp/all', '.');
    expect(waits).toBeLessThan(100);
  });
});
