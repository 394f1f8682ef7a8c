import { describe, expect, test } from 'vitest';
import { EACCES, EIO, EPERM } from '../../src/abi/errno.ts';
import { layer } from '../../src/index.ts';
import type { Layer } from '../../src/syscall/layer.ts';
import { quietHost, runGuest } from '../support/machine.ts';

const run = (layers: readonly Layer[], ...args: string[]) => runGuest('slow-read', args, { layers });

describe('synchronous layers', () => {
  test('an answer of enter() ends the call; the arguments have their types', async () => {
    const guard = layer('guard', {
      open: {
        enter(call) {
          return call.path.startsWith('/etc/') ? -EACCES : undefined;
        },
      },
    });
    expect((await run([guard], '/etc/passwd')).output).toContain(`open ${-EACCES}\n`);
    expect((await run([guard])).output).toContain('open 0\n');
  });

  test('a layer changes arguments, and the results of others', async () => {
    const map = layer('map', {
      open: {
        enter(call) {
          call.path = call.path.replace('/old/', '/');
        },
        exit: (_call, result) => result + 100,
      },
    });
    expect((await run([map], '/old/slow-read')).output).toContain('open 100\n');
  });

  test('outermost first on the way in, last on the way out', async () => {
    const seen: string[] = [];
    const named = (name: string) =>
      layer(name, {
        open: {
          enter: () => void seen.push(`enter ${name}`),
          exit: () => void seen.push(`exit ${name}`),
        },
      });
    await run([named('a'), named('b')]);
    expect(seen).toEqual(['enter a', 'enter b', 'exit b', 'exit a']);
  });

  test.each([
    [[], 1],
    [['/slow-read', 'caught'], 6],
  ])('a call that sleeps, with %s, is entered and left %i times', async (args, times) => {
    const seen: string[] = [];
    const trace = layer('trace', {
      read: {
        enter(call) {
          call.state = { count: seen.length };
          seen.push('enter');
        },
        exit(call, result) {
          seen.push(`exit ${result} ${JSON.stringify(call.state)}`);
        },
      },
    });
    const { output } = await run([trace], ...args);
    expect(output).toContain('read 1\nbyte 120\n');
    expect(seen).toHaveLength(2 * times);
    expect(seen.at(-1)).toBe(`exit 1 {"count":${2 * times - 2}}`);
  });

  test('a hook for every call shows it as strace does', async () => {
    const lines: string[] = [];
    const trace = layer(
      'trace',
      {},
      { every: { exit: (call, result) => void lines.push(`${call.show(result)} = ${result}`) } },
    );
    await run([trace]);
    expect(lines).toContain('open("/slow-read", O_RDONLY, 00) = 0');
    expect(lines).toContain('write(1, "open", 4) = 4');
    expect(lines.some((line) => line.startsWith('read(3, "x", 1) = 1'))).toBe(true);
  });

  test('when() selects calls; a layer that throws fails the call, not the machine', async () => {
    const picky = layer('picky', { open: { enter: () => -EPERM } }, { when: () => false });
    expect((await run([picky])).output).toContain('open 0\n');
    const broken = layer('broken', {
      open: {
        enter() {
          throw new Error('broken');
        },
      },
    });
    const log: string[] = [];
    const { output } = await runGuest('slow-read', [], { layers: [broken], host: quietHost(log) });
    expect(output).toContain(`open ${-EIO}\n`);
    expect(log).toEqual(['layer broken: open: broken']);
  });
});

describe('asynchronous layers', () => {
  test('park the task, run the rest on next(), and change its answer', async () => {
    const seen: string[] = [];
    const slow = layer('slow', {
      async open(call) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        seen.push(call.path);
        const answer = await call.next();
        await Promise.resolve();
        return answer + 10;
      },
      async read(call) {
        const answer = await call.next();
        seen.push(`read ${answer}`);
        return answer;
      },
    });
    const { output } = await run([slow]);
    expect(output).toContain('open 10\n');
    expect(seen).toEqual(['/slow-read', 'read 1']);
  });

  test('one that rejects fails the call', async () => {
    const log: string[] = [];
    const bad = layer('bad', { open: () => Promise.reject(new Error('no')) });
    const { output } = await runGuest('slow-read', [], { layers: [bad], host: quietHost(log) });
    expect(output).toContain(`open ${-EIO}\n`);
    expect(log).toEqual(['layer bad: open: no']);
  });
});

describe('the table', () => {
  test('without a layer, the very function of the declaration is called', async () => {
    const { machine } = await run([]);
    const { table } = machine;
    const { entry } = table.declarations.get(3)!;
    expect(table.entry(3)).toBe(entry);
    table.install(layer('one', { open: { enter: () => -EPERM } }));
    expect(table.entry(3)).toBe(entry);
    expect(table.entry(5)).not.toBe(table.declarations.get(5)!.entry);
    table.remove('one');
    expect(table.entry(5)).toBe(table.declarations.get(5)!.entry);
  });
});
