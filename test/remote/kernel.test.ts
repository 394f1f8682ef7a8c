/** `new Machine({ kernel: await remote(url) })`: a machine whose root is served at a socket, by a server in this process. */
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { O_LARGEFILE, O_RDWR } from '../../src/abi/fs.ts';
import { type Listener, listen } from '../../src/host/transport/listen.ts';
import { Machine } from '../../src/machine.ts';
import { nodeHost, remote } from '../../src/node.ts';
import { openPath } from '../../src/vfs/open.ts';
import { failed } from '../../src/wait/wait.ts';
import { shadowOf } from '../support/loopback.ts';
import { fixture } from '../support/machine.ts';
import { Patient } from '../support/patient.ts';
import { hostDirectory, hostFs } from '../support/trees.ts';
import { memoryFs } from '../support/world.ts';

const directory = hostDirectory();
const open: Listener[] = [];
afterAll(() => {
  for (const listener of open) listener.close();
});

async function serve(token?: string): Promise<string> {
  const known = token === undefined ? undefined : new TextEncoder().encode(token);
  const shadow = shadowOf(hostFs(directory), { token: known, uid: 1000, gid: 1001, groups: [7] });
  const at = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const;
  const listener = await listen(at, (transport) => shadow.accept(transport));
  open.push(listener);
  return listener.url;
}

it('runs programs that lie there, and writes there; mounts of its own come on top', async () => {
  copyFileSync(fixture('slow-read'), join(directory, 'slow-read'));
  writeFileSync(join(directory, 'output'), '');
  const lines: string[] = [];
  const kernel = await remote(await serve('secret'), { token: 'secret\n', log: (line) => lines.push(line) });
  expect(kernel).toMatchObject({ name: 'remote', owner: { uid: 1000, gid: 1001, groups: [7] } });
  const machine = new Machine({ host: nodeHost(), kernel, mounts: [{ path: '/here', fs: memoryFs(70) }] });
  expect(machine.namespace.mounts.map(({ fs }) => fs.type).slice(0, 3)).toEqual(['tallship', 'tmpfs', 'tmpfs']);
  // Only one who can wait can open a file of the other side.
  const patient = new Patient(machine.namespace.mounts[0].fs);
  const output = await patient.run((ctx) => openPath(ctx, patient.root, 'output', O_RDWR | O_LARGEFILE));
  if (failed(output)) throw new Error(`output: ${output}`);
  output.hold();
  machine.spawn({ path: '/slow-read', argv: ['slow-read', '/proc/version'], fds: [null, output, output] });
  expect(await machine.run()).toEqual({ status: 0 });
  machine.close();
  expect(readFileSync(join(directory, 'output'), 'utf8')).toContain('read 1\nbyte 120\n');
  // What it mounts is not made there.
  expect(readdirSync(directory).sort()).toEqual(['output', 'slow-read']);
  expect(lines).toEqual([]);
});

it('says in one Error why there is none', async () => {
  const url = await serve('secret');
  await expect(remote(url, { token: 'guessed' })).rejects.toThrow(/^[^\n]*token[^\n]*$/);
  await expect(remote(`${url}/elsewhere`, { token: 'secret' })).rejects.toThrow('/elsewhere is not exported there');
  const missing = join(directory, 'no-socket');
  await expect(remote(`unix:${missing}`)).rejects.toThrow(`${missing} cannot be reached: there is no such socket`);
  await expect(remote('exec:exit 3')).rejects.toThrow(/^[^\n]+$/);
  await expect(remote('somewhere')).rejects.toThrow("'somewhere' is no URL");
  await expect(remote('chirp://host/dir')).rejects.toThrow('cannot be the kernel');
});
