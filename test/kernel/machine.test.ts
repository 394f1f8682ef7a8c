import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { EACCES, ENOENT } from '../../src/abi/errno.ts';
import { SI_KERNEL, SIGINT, SIGKILL } from '../../src/abi/signal.ts';
import { SpawnError } from '../../src/machine.ts';
import type { Inode } from '../../src/vfs/inode.ts';
import { BlockingFs } from '../fs/blocking.ts';
import { content, fixture, golden, prepare, put, runGuest } from '../support/machine.ts';

describe('a machine', () => {
  test('lives until its last process has ended, and answers how the first one did', async () => {
    const { outcome, output } = await runGuest('daemon');
    expect(outcome).toEqual({ status: 9 });
    // 1 stands for whoever started the machine.
    expect(output).toBe('parent 1\n');
  });

  test('runs programs beside each other', async () => {
    const { machine, output } = prepare('daemon');
    for (let i = 0; i < 3; i++) machine.spawn({ path: '/daemon', fds: [null, output, output] });
    expect(await machine.run()).toEqual({ status: 9 });
    expect(content(machine, output)).toBe('parent 1\n'.repeat(3));
  });

  test('starts programs from a file system that sleeps before every operation', async () => {
    const { machine, output } = prepare('hello');
    const stored = machine.memfs();
    put(machine, stored.root, 'programs', readFileSync(fixture('programs')), 0o755);
    const sleeping = new BlockingFs(stored);
    machine.mount({ path: '/slow', fs: sleeping });
    machine.spawn({ path: '/slow/programs', fds: [null, output, output] });
    expect(await machine.run()).toEqual({ status: 0 });
    expect(content(machine, output)).toBe(readFileSync(golden('programs'), 'utf8'));
    expect(sleeping.sleepsTaken).toBeGreaterThan(10);
    // Every reference to the file has been given back.
    expect(sleeping.wrap(stored.root.lookup(machine.context(), 'programs') as Inode).writers).toBe(0);
  });

  test('a program on such a file system that cannot be started ends its process', async () => {
    const { machine } = prepare('hello');
    const stored = machine.memfs();
    put(machine, stored.root, 'text', new Uint8Array(9), 0o755);
    machine.mount({ path: '/slow', fs: new BlockingFs(stored) });
    machine.spawn({ path: '/slow/text' });
    expect(await machine.run()).toEqual({ status: 127 });
  });

  test('says why a program cannot be started', () => {
    const { machine } = prepare('hello');
    const attempt = (path: string) => {
      try {
        return machine.spawn({ path });
      } catch (error) {
        return error;
      }
    };
    expect(attempt('/nothing')).toMatchObject({ errno: ENOENT });
    expect(attempt('/output')).toMatchObject({ errno: EACCES });
    expect(attempt('/nothing')).toBeInstanceOf(SpawnError);
    expect(machine.kernel.tasks.size).toBe(0);
  });

  test('lets the event loop have its turn while a guest computes: a signal from outside arrives', async () => {
    const { machine, output } = prepare('busy');
    const pid = machine.spawn({ path: '/busy', fds: [null, output, output] });
    const { kernel } = machine;
    let turns = 0;
    const ticking = setInterval(() => turns++, 5);
    setTimeout(() => kernel.signals.sendToGroup(kernel.groups.get(pid)!, { signo: SIGINT, code: SI_KERNEL }), 120);
    expect(await machine.run()).toEqual({ status: 3 });
    clearInterval(ticking);
    expect(content(machine, output)).toBe('stopped 1\n');
    expect(turns).toBeGreaterThan(2);
  });

  test('a guest that computes can be killed', async () => {
    const { machine } = prepare('busy');
    const pid = machine.spawn({ path: '/busy' });
    const { kernel } = machine;
    setTimeout(() => kernel.signals.sendToGroup(kernel.groups.get(pid)!, { signo: SIGKILL, code: SI_KERNEL }), 20);
    expect(await machine.run()).toEqual({ signal: SIGKILL, core: false });
  });

  test('the same seed gives the same random numbers, addresses and pids', async () => {
    const run = async (seed?: Uint8Array) => (await runGuest('busy', ['random'], { seed })).output;
    const seed = new Uint8Array(32).fill(7);
    const first = await run(seed);
    expect(first).toMatch(/^(random 0x[0-9a-f]+\n){16}stack /);
    expect(await run(seed)).toBe(first);
    expect(await run(new Uint8Array(32).fill(8))).not.toBe(first);
    expect(await run()).not.toBe(await run());
  });

  test('counts calls, and calls that are not there', async () => {
    const { machine } = prepare('hello');
    machine.table.count();
    machine.spawn({ path: '/hello' });
    await machine.run();
    expect(machine.table.counts![4]).toBeGreaterThan(0);
    expect(machine.table.missing.size).toBe(0);
  });
});
