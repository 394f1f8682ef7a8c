/** The examples, against a server and a store of the test's own. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { fixture } from '../support/machine.ts';
import { tallship } from '../support/run.ts';

const example = (name: string) => fileURLToPath(new URL(`../../examples/${name}.ts`, import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'examples-'));
afterAll(() => rmSync(directory, { recursive: true }));

describe('examples', () => {
  it('http-tree: a file is what the server answers', async () => {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(request.url ?? '');
      response.statusCode = request.url === '/text' ? 200 : 404;
      response.end('three words here\n');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const layer = `${example('http-tree')}:http://127.0.0.1:${port}`;
    const run = (path: string) => tallship(['run', '--layer', layer, fixture('wordcount'), path], { cwd: directory });
    expect((await run('/web/text')).stdout).toMatch(/\b1\b.*\b3\b.*\b17\b/);
    expect((await run('/web/none')).stderr).toContain('cannot open');
    expect(asked).toEqual(['/text', '/none']);
    server.close();
  });

  it('key-value: a file holds its value', async () => {
    const store = join(directory, 'store.json');
    const layers = ['--layer', `${example('key-value')}:${store}`];
    const { stderr } = await tallship(['run', ...layers, fixture('wordcount'), '/kv/none'], { cwd: directory });
    expect(stderr).toContain('cannot open');
    writeFileSync(store, JSON.stringify({ text: 'three words here\n' }));
    const { stdout } = await tallship(['run', ...layers, fixture('wordcount'), '/kv/text'], { cwd: directory });
    expect(stdout).toMatch(/\b1\b.*\b3\b.*\b17\b/);
  });
});
