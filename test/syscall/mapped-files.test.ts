/** Programs and mappings from every file system, those that sleep at every operation included. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { fixture, runOn } from '../support/on-tree.ts';
import { hasNative } from '../support/run.ts';
import { hostDirectory, TREES } from '../support/trees.ts';
import { World } from '../support/world.ts';

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
    const tree = make();
    const inside = new World(tree);
    inside.put('/hello', readFileSync(fixture('hello')), 0o755);
    inside.put('/data', DATA, 0o666);
    expect(await runOn(tree, 'exec-map', ['/work/data', '/work/hello', 'from', 'a', 'script'])).toBe(EXPECTED);
    expect(inside.text('/data').slice(0, 5)).toBe('sSmW ');
  });
});
