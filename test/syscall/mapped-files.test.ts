/** Programs and mappings from every file system, those that sleep at every operation included. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { O_LARGEFILE, O_RDWR } from '../../src/abi/fs.ts';
import { NodeHost } from '../../src/host/node.ts';
import { Machine } from '../../src/machine.ts';
import { openPath } from '../../src/vfs/open.ts';
import { failed } from '../../src/wait/wait.ts';
import { hasNative } from '../support/run.ts';
import { hostDirectory, TREES } from '../support/trees.ts';
import { memoryFs, World } from '../support/world.ts';

const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/bin/${name}`, import.meta.url));
const DATA = 'some data, '.repeat(20_000);
const EXPECTED = `size 220000
private ${sum(DATA)}
shared ${sum(DATA)}
read after a store 83
load after a write 87
private page 80
shared page 109
msync 0
hello from a script
`;

function sum(text: string): number {
  return [...text].reduce((total, char) => total + char.charCodeAt(0), 0);
}

if (hasNative()) {
  test('the real kernel', () => {
    const directory = hostDirectory();
    copyFileSync(fixture('hello'), `${directory}/hello`);
    writeFileSync(`${directory}/data`, DATA);
    const argv = [`${directory}/data`, `${directory}/hello`, 'from', 'a', 'script'];
    expect(spawnSync(fixture('exec-map'), argv, { encoding: 'utf8' }).stdout).toBe(EXPECTED);
  });
}

describe.each(TREES)('over %s', (_name, make) => {
  test('programs run, and mappings agree with read and write', async () => {
    const root = memoryFs(70);
    const tree = make();
    const world = new World(root);
    world.put('/exec-map', readFileSync(fixture('exec-map')), 0o755);
    world.put('/output', '');
    const inside = new World(tree);
    inside.put('/hello', readFileSync(fixture('hello')), 0o755);
    inside.put('/script', '#!/tree/hello from\n', 0o755);
    inside.put('/data', DATA);
    const mounts = [
      { path: '/', fs: root },
      { path: '/tree', fs: tree },
    ];
    const machine = new Machine({ host: new NodeHost(), mounts });
    const ctx = machine.context();
    const output = openPath(ctx, ctx.fs.root, '/output', O_RDWR | O_LARGEFILE);
    if (failed(output)) throw new Error(`/output: ${output}`);
    const argv = ['exec-map', '/tree/data', '/tree/hello', 'from', 'a', 'script'];
    machine.spawn({ path: '/exec-map', argv, fds: [null, output] });
    expect(await machine.run()).toEqual({ status: 0 });
    expect(world.text('/output')).toBe(EXPECTED);
    expect(inside.text('/data').slice(0, 5)).toBe('sSmW ');
  });
});
