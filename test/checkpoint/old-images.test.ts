/** Images of every released version go on in this one: fixtures/images/VERSION-PROGRAM, which are never made anew. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { restore } from '../../src/node.ts';
import { golden, outputOf, runGuest } from '../support/machine.ts';

const IMAGES = fileURLToPath(new URL('../../fixtures/images', import.meta.url));
const COUNTED = ['12', '100000'];

describe('an old image', () => {
  it.each(readdirSync(IMAGES))('%s goes on', async (name) => {
    const program = name.slice(name.indexOf('-') + 1);
    const expected =
      program === 'counter' ? (await runGuest(program, COUNTED)).output : readFileSync(golden(program), 'utf8');
    const machine = await restore(`${IMAGES}/${name}`);
    expect(await machine.run()).toEqual({ status: 0 });
    expect(outputOf(machine)).toBe(expected);
  });
});
