/** Images of every released version go on in this one: fixtures/images/VERSION-PROGRAM, which are never made anew. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Machine } from '../../src/machine.ts';
import { restore } from '../../src/node.ts';
import { openPath } from '../../src/vfs/open.ts';
import { failed } from '../../src/wait/wait.ts';
import { content, golden, runGuest } from '../support/machine.ts';

const IMAGES = fileURLToPath(new URL('../../fixtures/images', import.meta.url));
const COUNTED = ['12', '100000'];

function output(machine: Machine): string {
  const ctx = machine.context();
  const file = openPath(ctx, ctx.fs.root, '/output', 0o100000);
  if (failed(file)) throw new Error(`/output: ${file}`);
  return content(machine, file);
}

describe('an old image', () => {
  it.each(readdirSync(IMAGES))('%s goes on', async (name) => {
    const program = name.slice(name.indexOf('-') + 1);
    const expected =
      program === 'counter' ? (await runGuest(program, COUNTED)).output : readFileSync(golden(program), 'utf8');
    const machine = await restore(`${IMAGES}/${name}`);
    expect(await machine.run()).toEqual({ status: 0 });
    expect(output(machine)).toBe(expected);
  });
});
