/** The public API, used as the README shows it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { type KernelModel, local, Machine, SpawnError } from '../../src/index.ts';
import { hostDirectory, nodeHost } from '../../src/node.ts';

const FIXTURES = fileURLToPath(new URL('../../fixtures/bin', import.meta.url));

function machineWith(path: string): Machine {
  const machine = new Machine({ host: nodeHost() });
  machine.mount({ path: '/data', fs: hostDirectory(path, machine.nextDevice()) });
  return machine;
}

it('runs a program from a directory of the host', async () => {
  const machine = machineWith(FIXTURES);
  machine.spawn({ path: '/data/hello', argv: ['hello', 'world'] });
  expect(await machine.run()).toEqual({ status: 0 });
});

it('says why a program cannot be started', () => {
  const directory = mkdtempSync(join(tmpdir(), 'tallship-'));
  writeFileSync(join(directory, 'text'), 'text', { mode: 0o755 });
  const machine = machineWith(directory);
  expect(() => machine.spawn({ path: '/data/text' })).toThrow(SpawnError);
  expect(() => machine.spawn({ path: '/data/text' })).toThrow('neither an ELF program nor a script');
  expect(() => machine.spawn({ path: '/nowhere' })).toThrow('ENOENT');
  rmSync(directory, { recursive: true });
});

it('runs several machines in one process', async () => {
  const machines = [machineWith(FIXTURES), machineWith(FIXTURES)];
  for (const machine of machines) machine.spawn({ path: '/data/integer-loop', argv: ['loop', '1000'] });
  expect(await Promise.all(machines.map((machine) => machine.run()))).toEqual([{ status: 0 }, { status: 0 }]);
});

it('takes its kernel from a model: parts, layers, file systems, what it starts with', async () => {
  const seen: string[] = [];
  const model: KernelModel = {
    ...local(),
    name: 'watched',
    layers: [{ name: 'watch', calls: { write: { enter: (call) => void seen.push(call.callName) } } }],
    populate(machine) {
      machine.mount({ path: '/', fs: hostDirectory(FIXTURES, machine.nextDevice()) });
      seen.push('populate');
    },
    ready: async () => void seen.push('ready'),
    finish: () => void seen.push('finish'),
  };
  const machine = new Machine({ host: nodeHost(), kernel: model });
  machine.spawn({ path: '/hello' });
  expect(await machine.run()).toEqual({ status: 0 });
  expect([...seen.slice(0, 3), seen.at(-1)]).toEqual(['populate', 'ready', 'write', 'finish']);
  expect(machine.namespace.mounts).toHaveLength(1);
});
