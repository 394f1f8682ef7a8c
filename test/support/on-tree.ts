/** Runs a guest program from fixtures/bin in a machine whose file system under /work is the one to be tried. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { O_LARGEFILE, O_RDWR } from '../../src/abi/fs.ts';
import { NodeHost } from '../../src/host/node.ts';
import { Machine } from '../../src/machine.ts';
import { type Credentials, makeCredentials } from '../../src/vfs/credentials.ts';
import type { FileSystem } from '../../src/vfs/inode.ts';
import { openPath } from '../../src/vfs/open.ts';
import { failed } from '../../src/wait/wait.ts';
import { memoryFs, World } from './world.ts';

export const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/bin/${name}`, import.meta.url));
export const golden = (name: string) => fileURLToPath(new URL(`../../fixtures/golden/${name}`, import.meta.url));

/** Whoever runs the tests. */
export const ourselves = () => makeCredentials(process.getuid!(), process.getgid!(), process.getgroups!());

/** What the program writes to its standard output; it must end with status 0. */
export async function runOn(
  tree: FileSystem,
  program: string,
  argv: readonly string[] = [],
  credentials: Credentials = ourselves(),
): Promise<string> {
  const root = memoryFs(70);
  const world = new World(root);
  world.put(`/${program}`, readFileSync(fixture(program)), 0o755);
  world.put('/output', '');
  const mounts = [
    { path: '/', fs: root },
    { path: '/work', fs: tree },
  ];
  const machine = new Machine({ host: new NodeHost(), mounts });
  const ctx = machine.context();
  const output = openPath(ctx, ctx.fs.root, '/output', O_RDWR | O_LARGEFILE);
  if (failed(output)) throw new Error(`/output: ${output}`);
  machine.spawn({ path: `/${program}`, argv: [program, ...argv], cwd: '/work', fds: [null, output], credentials });
  expect(await machine.run()).toEqual({ status: 0 });
  return world.text('/output');
}
