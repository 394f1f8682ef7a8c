/** Calls made through socketcall(2) and ipc(2): layers see what they stand for, by its own name and arguments. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { EACCES, ECONNRESET, EPERM } from '../../src/abi/errno.ts';
import { layer, test } from '../../src/index.ts';
import { inject, parseRules } from '../../src/layers/inject.ts';
import type { Outside } from '../../src/layers/outside.ts';
import { parsePolicy, policy } from '../../src/layers/policy.ts';
import { stats } from '../../src/layers/stats.ts';
import { PLAIN, traceFor } from '../../src/layers/trace/index.ts';
import type { Machine } from '../../src/machine.ts';
import { restore } from '../../src/node.ts';
import type { Hooks, Layer, LayeredCall } from '../../src/syscall/layer.ts';
import { openPath } from '../../src/vfs/open.ts';
import { failed } from '../../src/wait/wait.ts';
import { content, golden, prepare, runGuest } from '../support/machine.ts';

const directory = mkdtempSync(join(tmpdir(), 'tallship-multiplexed-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const SOCKETCALL = 102;
const IPC = 117;
const nobody = {} as Outside;
const sockets = async (...layers: Layer[]) => (await runGuest('multiplexed', ['sockets'], { layers })).output;
const messages = async (...layers: Layer[]) => (await runGuest('multiplexed', ['ipc'], { layers })).output;

describe('a layer', () => {
  it('hooks the calls by their names, with their arguments', async () => {
    const seen: string[] = [];
    const typed = layer('typed', {
      socket: { enter: (call) => void seen.push(`socket ${call.domain} ${call.type}`) },
      accept: { exit: (call, result) => void seen.push(`accept on ${call.sockfd}: ${result > 0}`) },
      send: { enter: (call) => void seen.push(`send ${Buffer.from(call.buf)}`) },
      recv: { exit: (call, result) => void seen.push(`recv ${Buffer.from(call.buf!)} ${result} ${call.nr}`) },
      msgrcv: { exit: (call, result) => void seen.push(`msgrcv ${call.msgtyp} ${call.msgflg} ${result}`) },
      semctl: { enter: (call) => void seen.push(`semctl ${call.cmd} ${call.arg}`) },
    });
    expect(await sockets(typed)).toContain('recv 5\nhello\n');
    expect(seen.sort()).toEqual([
      'accept on 0: true',
      `recv hello 5 ${SOCKETCALL}`,
      'send hello',
      'socket 2 1',
      'socket 2 1',
    ]);
    seen.length = 0;
    await messages(typed);
    // Packed in memory, and not.
    expect(seen.filter((line) => line.startsWith('msgrcv'))).toEqual([
      'msgrcv 3 0 7',
      'msgrcv 4 2048 -42',
      'msgrcv 3 2048 7',
      'msgrcv 0 2048 -14',
    ]);
    expect(seen).toContain(`semctl ${0x110} 2`);
  });

  it('answers them, and changes arguments and results', async () => {
    const changing = layer('changing', {
      send: { enter: (call) => call.with({ buf: Buffer.from('HE') }) },
      recv: { exit: (call, result) => call.put({ buf: Buffer.from('J') }) + result },
      listen: { enter: () => -EPERM },
    });
    const text = await sockets(changing);
    expect(text).toContain(`listen ${-EPERM}\n`);
    const patient = layer('patient', {
      async recv(call) {
        await new Promise((resolve) => setTimeout(resolve, 2));
        return (await call.next({ len: 4 })) + 100;
      },
    });
    expect(await sockets(patient)).toContain('recv 104\nhell\n');
  });

  it('gets the address from shmat, and may keep it back', async () => {
    let address = 0;
    const look = layer('look', { shmat: { exit: (_call, result) => void (address ||= result) } });
    expect(await messages(look)).toContain('shmat 0\nbyte 7\n');
    expect(address < -4096 || address > 4096).toBe(true);
    const refuse = layer('refuse', { shmat: { exit: () => -EACCES } });
    expect((await runGuest('multiplexed', ['ipc'], { layers: [refuse] })).output).toContain(`shmat ${-EACCES}\n`);
  });

  it('may hook the multiplexer itself; hooks for every call join once', async () => {
    const seen: string[] = [];
    const every = layer('every', {}, { every: { enter: (call) => void seen.push(call.callName) } });
    const itself = layer('itself', {
      socketcall: {
        enter: (call) => void (call.call === 10 && seen.push(`${call.callName} 10`)),
        exit: (call, result) => void (call.call === 10 && seen.push(`${call.callName} = ${result}`)),
      },
    });
    await sockets(every, itself);
    expect(seen.filter((name) => /recv|socketcall/.test(name))).toEqual([
      ...['socketcall 10', 'recv', 'socketcall = 5'],
      // Those that stand for nothing.
      ...['socketcall', 'socketcall'],
    ]);
  });

  it('that does not want them costs nothing', () => {
    const { machine } = prepare('multiplexed');
    const { table, layers } = machine;
    const [first, second] = [table.entry(SOCKETCALL), table.entry(IPC)];
    layers.install(layer('reads', { read: {}, recvfrom: undefined }));
    expect(table.entry(SOCKETCALL)).toBe(first);
    layers.install(layer('receives', { recv: {} }));
    expect(table.entry(SOCKETCALL)).not.toBe(first);
    expect(table.entry(IPC)).toBe(second);
    layers.remove('receives');
    expect(table.entry(SOCKETCALL)).toBe(first);
  });

  it('comes and goes while calls are in it', async () => {
    const seen: string[] = [];
    const watch = (name: string) =>
      layer(name, {
        accept: { enter: () => void seen.push(`${name} in`), exit: () => void seen.push(`${name} out`) },
      });
    const { machine, output } = prepare('multiplexed', { layers: [watch('first')] });
    const pid = machine.spawn({ path: '/multiplexed', argv: ['m', 'sockets'], fds: [null, output, output] });
    const done = machine.run();
    await inCall(machine, pid, SOCKETCALL);
    machine.layers.install(watch('second'));
    machine.layers.remove('first');
    await done;
    expect(seen).toEqual(['first in', 'first out']);
    expect(content(machine, output)).toContain('accept 1\nrecv 5\n');
  });

  it('is tried without a guest', async () => {
    const refuse = layer('refuse', { accept: { enter: (call) => (call.sockfd === 0 ? -EACCES : undefined) } });
    expect((await test(refuse).accept({ sockfd: 0 })).result).toBe(-EACCES);
  });
});

/** Until the process sleeps in such a call, and has made a child. */
async function inCall({ kernel }: Machine, pid: number, nr: number, also = () => true): Promise<void> {
  const sleeps = () => kernel.tasks.get(pid)?.call.nr === nr && kernel.groups.size > 1 && also();
  while (!sleeps()) await new Promise((resolve) => setImmediate(resolve));
}

describe('shipped layers', () => {
  const rules = (text: object) => policy(parsePolicy(JSON.stringify(text)), nobody);

  it.each([
    [{ rules: [{ calls: 'connect', action: 'deny', errno: 'EPERM' }] }, 'child'],
    [{ rules: [{ calls: 'connect', address: '127.0.0.1:*', action: 'deny', errno: 'EPERM' }] }, 'child'],
    [{ rules: [{ calls: 'socketcall', action: 'deny', errno: 'EPERM' }] }, 'socket'],
    [{ rules: [{ calls: '%network', action: 'deny', errno: 'EPERM' }] }, 'socket'],
    [{ rules: [{ calls: 'bind', address: '127.*', action: 'deny', errno: 'EPERM' }] }, 'bind'],
  ])('policy: %j', async (given, where) => {
    // Nobody connects: the guest must not wait for it.
    const impatient = layer('impatient', { accept: { enter: () => -EPERM } });
    const text = await sockets(rules(given), impatient);
    if (where === 'child') expect(text).toContain(`child ${`0x${(EPERM << 8).toString(16)}`}\n`);
    else expect(text).toContain(`${where} ${where === 'socket' ? 0 : -EPERM}\n`);
  });

  it('policy: ipc by names', async () => {
    const text = await messages(rules({ rules: [{ calls: 'msgsnd,semop,shmat', action: 'deny' }] }), nowait());
    expect(text).toContain(`msgsnd ${-EACCES}\n`);
    expect(text).toContain(`semop ${-EACCES}\n`);
    expect(text).toContain(`shmat ${-EACCES}\n`);
  });

  it('inject', async () => {
    expect(await sockets(inject(parseRules(['recv:error=ECONNRESET'])))).toContain(`recv ${-ECONNRESET}\n`);
    expect(await messages(inject(parseRules(['semtimedop:retval=9:when=2'])))).toContain(
      'semtimedop 0\nsemtimedop 9\n',
    );
  });

  it('stats', async () => {
    const counted = stats({ error: () => {} } as unknown as Outside);
    await sockets(counted);
    const { byCall } = counted.statistics;
    expect(byCall.get('recv')).toMatchObject({ calls: 1, errors: 0, bytes: 5 });
    expect(byCall.get('send')).toMatchObject({ calls: 1, bytes: 5 });
    expect(byCall.get('socketcall')).toMatchObject({ calls: 2, errors: 2 });
  });

  it('trace', async () => {
    let text = '';
    const outside = { error: (line: string) => (text += line) } as unknown as Outside;
    const options = { ...PLAIN, follow: 1, expression: ['trace=accept,recv,connect', 'signal=none', 'quiet=exit'] };
    await sockets(traceFor(options, outside, new Set(['accept', 'recv', 'connect'])).layer);
    expect(text).toMatch(/accept\(0, .*<unfinished/);
    expect(text).toMatch(/connect\(3, \{sa_family=AF_INET, sin_port=htons\(\d+\), sin_addr=inet_addr\("127/);
    expect(text).toMatch(/recv.*"hello", 8, 0\) += 5/);
    expect(text).not.toContain('socketcall');
  });
});

/** Guests that are refused something must not wait for it. */
const nowait = () =>
  layer('nowait', {
    msgrcv: { enter: () => -EACCES },
    semtimedop: { enter: () => -EACCES },
    semop: { enter: () => -1 },
  });

it.each(['accept', 'recv'] as const)('an image made while %s sleeps in its layers', async (name) => {
  const seen: string[] = [];
  const make = () => {
    const every: Hooks<LayeredCall> = {
      enter(call) {
        call.state.entered = call.callName;
        seen.push('enter');
      },
      exit: (call, result) => void seen.push(`exit ${call.state.entered} ${result > 0}`),
    };
    return layer('keeper', {}, { every, scope: { calls: name } });
  };
  const { machine, output } = prepare('multiplexed', { layers: [make()] });
  const pid = machine.spawn({ path: '/multiplexed', argv: ['m', 'sockets'], fds: [null, output, output] });
  const done = machine.run();
  await inCall(machine, pid, SOCKETCALL, () => seen.length > 0);
  const image = join(directory, name);
  const release = machine.kernel.scheduler.hold();
  await machine.checkpoint(image, { stop: true });
  release();
  await done;
  const restored = await restore(image, { layers: [make()] });
  expect(await restored.run()).toEqual({ status: 0 });
  const ctx = restored.context();
  const file = openPath(ctx, ctx.fs.root, '/output', 0o100000);
  if (failed(file)) throw new Error(`/output: ${file}`);
  expect(content(restored, file)).toBe(readFileSync(golden('multiplexed'), 'utf8').split('-- messages')[0]);
  expect(seen).toEqual(['enter', `exit ${name} true`]);
});
