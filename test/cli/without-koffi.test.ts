/** Where the host's C library cannot be called, everything has another way. */
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { run } from '../support/run.ts';
import { MAIN } from '../support/sysroot.ts';
import { Terminal } from '../support/terminal.ts';

const hook = fileURLToPath(new URL('../support/without-koffi.cjs', import.meta.url));
const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/bin/${name}`, import.meta.url));
const vm = `${JSON.stringify(process.execPath)} --require ${hook} ${MAIN}`;

it('runs programs, by software protection', async () => {
  expect(await run('sh', ['-c', `${vm} ${fixture('hello')} there`])).toMatchObject({
    status: 0,
    stdout: 'hello there\n',
  });
  const { status, stderr } = await run('sh', ['-c', `${vm} --protection hardware ${fixture('hello')}`]);
  expect([status, stderr]).toEqual([125, expect.stringContaining('no koffi')]);
});

it('waits for pipes, and writes to slow ones', async () => {
  const script = `(sleep 1; seq 1000) | ${vm} ${fixture('wordcount')} | (sleep 1; cat)`;
  expect((await run('sh', ['-c', script])).stdout).toBe('   1000    1000    3893\n');
});

it('reads a terminal', async () => {
  const terminal = new Terminal(`exec ${vm} ${fixture('wordcount')}`, '/');
  terminal.type('one two\n');
  await terminal.see('one two');
  terminal.type('\x04');
  await terminal.see('1       2       8');
  expect(await terminal.end()).toBe(0);
});
