/** An image of another user's gets no directory of this host unless someone names it. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { hostDirectory, restore } from '../../src/node.ts';
import { prepare } from '../support/machine.ts';

const directory = mkdtempSync(join(tmpdir(), 'tallship-elsewhere-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('an image from elsewhere', () => {
  it('opens no tree that was not named', async () => {
    const [tree, image] = [join(directory, 'tree'), join(directory, 'image')];
    mkdirSync(tree);
    const { machine, output } = prepare('counter', { exact: true });
    machine.mount({ path: '/tree', fs: hostDirectory(tree, machine.nextDevice(), { readOnly: false }) });
    machine.spawn({ path: '/counter', argv: ['counter', '9', '9000'], cwd: '/tree', fds: [null, output] });
    machine.kernel.scheduler.haltAt = 50_000;
    await machine.run();
    await machine.checkpoint(image);
    expect(await (await restore(image)).run()).toEqual({ status: 0 });
    const manifest = join(image, 'manifest.json');
    const text = readFileSync(manifest, 'utf8');
    const seal = /"seal": "(\w+)"/.exec(text)![1];
    writeFileSync(manifest, text.replace(seal, seal.replace(/./g, '0')));
    await expect(restore(image)).rejects.toThrow(`it was made elsewhere and wants ${tree}`);
    const named = await restore(image, { trees: { [tree]: tree } });
    expect(await named.run()).toEqual({ status: 0 });
    writeFileSync(manifest, text.replace('"threads": 1', '"threads": 2'));
    await expect(restore(image)).rejects.toThrow('its manifest is damaged');
  });
});
