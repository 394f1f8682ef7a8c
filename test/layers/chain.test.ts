import { describe, expect, test } from 'vitest';
import { EACCES, EIO, EPERM } from '../../src/abi/errno.ts';
import { language, layer } from '../../src/index.ts';
import type { Layer, LayeredCall } from '../../src/syscall/layer.ts';
import type { Scope } from '../../src/syscall/scope.ts';
import { content, prepare, quietHost, runGuest } from '../support/machine.ts';

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
        enter: (call) => call.with({ path: call.path.replace('/old/', '/') }),
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
    [['/slow-read', 'caught'], 1],
    [['/slow-read', 'caught', 'ended'], 6],
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

  test.each([Number.NaN, 1.5, Number.POSITIVE_INFINITY, -512, -4096, -100000, 'text' as unknown as number])(
    'an answer that no call can give (%s) fails the call with a line, and hangs nobody',
    async (answer) => {
      const lines: string[] = [];
      const early = layer('early', { open: { enter: () => answer } });
      const late = layer('late', { open: { exit: () => answer } });
      const waiting = layer('waiting', { open: async () => answer });
      for (const broken of [early, late, waiting]) {
        const { output } = await runGuest('slow-read', [], { layers: [broken], host: quietHost(lines) });
        expect(output).toContain(`open ${-EIO}\n`);
      }
      const said = `open: answers ${answer}, which is neither a result nor a negative errno`;
      expect(lines).toEqual(['early', 'late', 'waiting'].map((name) => `layer ${name}: ${said}`));
    },
  );

  test('when() selects calls; a layer that throws fails the call, not the machine', async () => {
    const picky = layer('picky', { open: { enter: () => -EPERM } }, { scope: { when: () => false } });
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

describe('the stack', () => {
  test('without a layer, the very function of the declaration is called', async () => {
    const { machine } = await run([]);
    const { table, layers } = machine;
    const { entry } = table.declarations.get(3)!;
    expect(table.entry(3)).toBe(entry);
    layers.install(layer('one', { open: { enter: () => -EPERM } }));
    expect(table.entry(3)).toBe(entry);
    expect(table.entry(5)).not.toBe(table.declarations.get(5)!.entry);
    layers.remove('one');
    expect(table.entry(5)).toBe(table.declarations.get(5)!.entry);
  });

  test('a scope that a declaration cannot match costs it nothing', async () => {
    const { machine } = await run([]);
    const { table, layers } = machine;
    const untouched = (nr: number) => table.entry(nr) === table.declarations.get(nr)!.entry;
    layers.install(layer('files', {}, { every: { exit: () => {} }, scope: { path: '/etc' } }));
    expect([20, 64, 13].map(untouched)).toEqual([true, true, true]);
    expect([3, 5].map(untouched)).toEqual([false, false]);
    layers.remove('files');
    layers.install(layer('network', {}, { every: { exit: () => {} }, scope: { calls: '%network' } }));
    expect([3, 5, 359].map(untouched)).toEqual([true, true, false]);
  });

  test('order can be changed', async () => {
    const { machine } = await run([]);
    const { layers } = machine;
    const order = () => layers.layers.map(({ name }) => name);
    layers.install(layer('a', {}));
    layers.install(layer('b', {}), 'innermost');
    layers.install(layer('c', {}), { before: 'b' });
    expect(order()).toEqual(['a', 'c', 'b']);
    layers.move('a', { after: 'b' });
    expect(order()).toEqual(['c', 'b', 'a']);
    expect(() => layers.install(layer('a', {}))).toThrow('installed already');
    expect(layers.remove('nobody')).toBe(false);
  });

  test('calls under way leave the layers that they entered, and enter none that came later', async () => {
    const seen: string[] = [];
    const { machine, output } = prepare('slow-read');
    const named = (name: string) =>
      layer(name, {
        read: { enter: () => void seen.push(`enter ${name}`), exit: () => void seen.push(`exit ${name}`) },
      });
    machine.layers.install(named('first'));
    machine.layers.install(
      layer('switch', {
        // The child's, while its parent is inside of read.
        kill: {
          enter() {
            if (!machine.layers.remove('first')) return;
            machine.layers.install(named('second'));
          },
        },
      }),
    );
    machine.spawn({ path: '/slow-read', fds: [null, output, output] });
    await machine.run();
    expect(seen).toEqual(['enter first', 'exit first']);
    expect(content(machine, output)).toContain('read 1\n');
    machine.layers.remove('second');
    expect(machine.table.entry(3)).toBe(machine.table.declarations.get(3)!.entry);
  });
});

describe('what layers keep and see', () => {
  test('outputs are read and written by name', async () => {
    const seen: unknown[] = [];
    const letters = layer('letters', {
      read: {
        enter: (call) => void seen.push(call.buf),
        exit(call, result) {
          seen.push(call.buf);
          call.put({ buf: Uint8Array.of(0x41) });
          return result;
        },
      },
      pipe: { exit: (call) => void seen.push(call.describe(3).startsWith('pipe:')) },
    });
    expect((await run([letters])).output).toContain('byte 65\n');
    expect(seen).toEqual([true, null, Uint8Array.of(0x78)]);
  });

  test('a count follows the buffer that a layer gives', async () => {
    const short = layer('short', { write: { enter: (call) => call.with({ buf: call.buf.subarray(0, 1) }) } });
    expect((await run([short])).output).toMatch(/^o 0\nr 1\nb /);
  });

  test('the state of a task is copied to its children, that of a file is shared', async () => {
    const seen: string[] = [];
    const counter = layer('counter', {
      pipe: { exit: (call) => void (call.fileState(3).uses = 1) },
      open: { enter: (call) => void (call.taskState.generation = 1) },
      write: {
        enter(call) {
          if (call.fd < 3) return;
          const file = call.task.files.get(3) === undefined ? {} : call.fileState(3);
          seen.push(`${call.taskState.generation} ${file.uses}`);
          call.taskState.generation = 2;
        },
      },
      waitpid: { exit: (call) => void seen.push(`${call.taskState.generation}`) },
    });
    await run([counter]);
    expect(seen).toEqual(['1 1', '1']);
  });

  test('paths: absolute without a look at files, resolved with one', async () => {
    const seen: string[] = [];
    const paths = layer('paths', {
      open: { enter: (call) => void seen.push(call.path, call.absolute(), call.resolve()) },
    });
    await run([paths], 'proc/../proc/self/root/slow-read');
    expect(seen).toEqual(['proc/../proc/self/root/slow-read', '/proc/self/root/slow-read', '/slow-read']);
  });

  test('new calls: their declarations come with the layer', async () => {
    const { machine } = await run([]);
    const made = language.syscall(600, 'ahoy', [language.int('times')], (_task, times) => times + 1);
    machine.layers.install(layer('ahoy', {}, { defines: [made] }));
    expect(machine.table.entry(600)).toBe(made.entry);
    machine.layers.remove('ahoy');
    expect(machine.table.declarations.has(600)).toBe(false);
  });
});

describe('scopes', () => {
  const lines = async (scope: Scope) => {
    const seen: string[] = [];
    const every = { exit: (call: LayeredCall) => void seen.push(call.callName) };
    await run([layer('seen', {}, { every, scope })]);
    return [...new Set(seen)];
  };
  test.each<[string, Scope, string[]]>([
    ['names', { calls: 'open,pipe' }, ['open', 'pipe']],
    ['classes', { calls: '%file' }, ['open']],
    ['regular expressions', { calls: '/^(get|wait)pid/' }, ['getpid', 'waitpid']],
    ['paths', { path: '/slow*', calls: '!%desc' }, ['open']],
    ['descriptors', { fd: 3 }, ['read']],
    ['a process', { process: 'nobody' }, []],
    [
      'a predicate',
      { calls: '!write', when: (call) => call.callName.length === 4 },
      ['open', 'pipe', 'fork', 'read', 'kill'],
    ],
  ])('%s', async (_name, scope, expected) => {
    expect((await lines(scope)).sort()).toEqual([...expected].sort());
  });
});
