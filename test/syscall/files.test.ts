/**
 * fixtures/guest/files.c makes file calls of every kind and prints the answers: the real kernel's are in the golden file
 * (recorded by TALLSHIP_RECORD=1 on Linux 6.18), and asked for again where this machine runs i386 programs.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { O_LARGEFILE, O_RDWR } from '../../src/abi/fs.ts';
import { NodeHost } from '../../src/host/node.ts';
import { Machine } from '../../src/machine.ts';
import { makeCredentials } from '../../src/vfs/credentials.ts';
import { openPath } from '../../src/vfs/open.ts';
import { failed } from '../../src/wait/wait.ts';
import { hasNative } from '../support/run.ts';
import { hostDirectory, TREES } from '../support/trees.ts';
import { memoryFs, World } from '../support/world.ts';

const PROGRAM = fileURLToPath(new URL('../../fixtures/bin/files', import.meta.url));
const GOLDEN = fileURLToPath(new URL('../../fixtures/golden/files.txt', import.meta.url));

function runNatively(): string {
  const { stdout } = spawnSync(PROGRAM, { cwd: hostDirectory(), encoding: 'utf8' });
  return stdout;
}

if (process.env.TALLSHIP_RECORD && hasNative()) writeFileSync(GOLDEN, runNatively());
const expected = readFileSync(GOLDEN, 'utf8');

if (hasNative()) {
  test('the real kernel answers what was recorded', () => {
    expect(runNatively()).toBe(expected);
  });
}

describe.each(TREES)('file calls over %s', (_name, make) => {
  test('answer as the real kernel does', async () => {
    const root = memoryFs(70);
    const world = new World(root);
    world.put('/files', readFileSync(PROGRAM), 0o755);
    world.put('/output', '');
    const mounts = [
      { path: '/', fs: root },
      { path: '/work', fs: make() },
    ];
    const machine = new Machine({ host: new NodeHost(), mounts });
    const ctx = machine.context();
    const output = openPath(ctx, ctx.fs.root, '/output', O_RDWR | O_LARGEFILE);
    if (failed(output)) throw new Error(`/output: ${output}`);
    machine.spawn({
      path: '/files',
      cwd: '/work',
      fds: [null, output],
      credentials: makeCredentials(process.getuid!(), process.getgid!(), process.getgroups!()),
    });
    expect(await machine.run()).toEqual({ status: 0 });
    expect(world.text('/output')).toBe(expected);
  });
});
