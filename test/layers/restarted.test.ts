/** What layers see of calls that signals interrupt: one call, with the result that the program sees. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Outside } from '../../src/layers/outside.ts';
import { PLAIN, traceFor } from '../../src/layers/trace/index.ts';
import type { Machine } from '../../src/machine.ts';
import { restore } from '../../src/node.ts';
import { type Hooks, type Layer, type LayeredCall, layer } from '../../src/syscall/layer.ts';
import { openPath } from '../../src/vfs/open.ts';
import { failed } from '../../src/wait/wait.ts';
import { content, prepare, runGuest } from '../support/machine.ts';

const directory = mkdtempSync(join(tmpdir(), 'tallship-restarted-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Says what it is told of reads and sleeps of the first process. */
function watcher(seen: string[]): Layer {
  const tell = ({ task }: LayeredCall, line: string) => void (task.tid === 2 && seen.push(line));
  const hooks: Hooks<LayeredCall> = {
    enter(call) {
      call.state.entered = call.callName;
      tell(call, `enter ${call.callName}`);
    },
    exit: (call, result) => tell(call, `exit ${call.state.entered === call.callName} ${result}`),
    interrupted: (call, answer) => tell(call, `interrupted ${answer}`),
    resumed: (call) => tell(call, 'resumed'),
  };
  return layer('watcher', {}, { every: hooks, scope: { calls: 'read,nanosleep' } });
}

const reads = (seen: readonly string[]) => seen.join(', ');
const nap = 'enter nanosleep, exit true 0';

async function watched(mode: string): Promise<{ seen: string; output: string }> {
  const seen: string[] = [];
  const { output } = await runGuest('restarted', [mode], { layers: [watcher(seen)] });
  return { seen: reads(seen), output };
}

describe('a call enters and leaves once', () => {
  it('restarted twice: it goes on behind each handler', async () => {
    const { seen, output } = await watched('r');
    const handled = `interrupted -512, ${nap}, resumed`;
    expect(seen).toBe(`enter read, ${handled}, ${handled}, exit true 1`);
    expect(output).toBe('handler\nhandler\nread 1\nbyte 120\n');
  });

  it('ended: with the EINTR that the program sees', async () => {
    const { seen, output } = await watched('e');
    expect(seen).toBe(`enter read, exit true -4, ${nap}, enter read, exit true 1`);
    expect(output).toBe('handler\nread -4\nread 1\nbyte 120\n');
  });

  it('a sleep that could go on by restart_syscall', async () => {
    const { seen } = await watched('n');
    expect(seen).toBe(`enter nanosleep, exit true -4, ${nap}, enter read, exit true 1`);
  });

  it('left by a jump: it leaves when the program goes on elsewhere', async () => {
    const { seen, output } = await watched('j');
    expect(seen).toBe('enter read, interrupted -512, exit true -4, enter read, exit true 1');
    expect(output).toBe('jump\nread 1\nbyte 120\n');
  });

  it('exit has the last word about EINTR', async () => {
    const patch = layer('patch', { read: { exit: (_call, result) => (result === -4 ? 0 : result) } });
    const { output } = await runGuest('restarted', ['e'], { layers: [patch] });
    expect(output).toContain('handler\nread 0\nread 1\n');
  });

  it('a layer that is removed meanwhile has still one call', async () => {
    const seen: string[] = [];
    const { machine, output } = prepare('restarted', { layers: [watcher(seen)] });
    const remover = layer('remover', {
      nanosleep: { enter: ({ task }) => void (task.tid === 2 && machine.layers.remove('watcher')) },
    });
    machine.layers.install(remover, 'innermost');
    machine.spawn({ path: '/restarted', argv: ['restarted', 'r'], fds: [null, output, output] });
    await machine.run();
    expect(content(machine, output)).toContain('handler\nhandler\nread 1\n');
    expect(seen.filter((line) => line !== 'enter nanosleep' && line !== 'exit true 0')).toEqual([
      ...['enter read', 'interrupted -512', 'resumed', 'interrupted -512', 'resumed', 'exit true 1'],
    ]);
  });

  it('an image made while the handler runs', async () => {
    const seen: string[] = [];
    const { machine, output } = prepare('restarted', { layers: [watcher(seen)] });
    const pid = machine.spawn({ path: '/restarted', argv: ['restarted', 'r'], fds: [null, output, output] });
    const done = machine.run();
    while (!inHandler(machine, pid)) await new Promise((resolve) => setImmediate(resolve));
    const release = machine.kernel.scheduler.hold();
    await machine.checkpoint(join(directory, 'image'), { stop: true });
    release();
    await done;
    const restored = await restore(join(directory, 'image'), { layers: [watcher(seen)] });
    expect(await restored.run()).toEqual({ status: 0 });
    const handled = `interrupted -512, ${nap}, resumed`;
    expect(reads(seen)).toBe(`enter read, ${handled}, ${handled}, exit true 1`);
    const ctx = restored.context();
    const file = openPath(ctx, ctx.fs.root, '/output', 0o100000);
    if (failed(file)) throw new Error(`/output: ${file}`);
    expect(content(restored, file)).toBe('handler\nhandler\nread 1\nbyte 120\n');
  });
});

const NANOSLEEP = 162;
const inHandler = ({ kernel }: Machine, pid: number) => kernel.tasks.get(pid)?.call.nr === NANOSLEEP;

it('a trace shows both halves, as a debugger sees them', async () => {
  let text = '';
  const outside = { error: (line: string) => (text += line) } as unknown as Outside;
  const options = { ...PLAIN, expression: ['trace=read', 'quiet=exit'] };
  await runGuest('restarted', ['r'], { layers: [traceFor(options, outside, new Set(['read'])).layer] });
  const lines = text.trimEnd().split('\n').slice(0, -1);
  const half = 'read(0, 0xADDRESS, 1) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)';
  const signal = '--- SIGUSR1 {si_signo=SIGUSR1, si_code=SI_USER, si_pid=3, si_uid=0} ---';
  expect(lines.map((line) => line.replace(/0x\w+/, '0xADDRESS').replace(/ += /, ' = '))).toEqual([
    ...[half, signal, half, signal, 'read(0, "x", 1) = 1'],
  ]);
});
