/** The example of docs/REPLAY.md, run; `...` stands for anything. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { tallship } from '../support/run.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

it('docs/REPLAY.md shows what happens', async () => {
  const [, block] = /```console\n([^`]*)```/.exec(readFileSync(join(ROOT, 'docs/REPLAY.md'), 'utf8'))!;
  const directory = mkdtempSync(join(tmpdir(), 'tallship-'));
  const outputs: string[] = [];
  for (const [, command, shown] of block.matchAll(/\$ tallship (.*)\n((?:[^$].*\n)*)/g)) {
    const words = command.replace('RECORDING', join(directory, 'recording')).split(' ');
    const { stdout, stderr } = await tallship(words, { cwd: ROOT });
    const parts = shown.split('...').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
    expect(`${stdout}${stderr}`).toMatch(new RegExp(`^${parts.join('[^]*')}`));
    outputs.push(stdout);
  }
  expect(outputs).toEqual([outputs[0], outputs[0], outputs[0]]);
  rmSync(directory, { recursive: true });
});
