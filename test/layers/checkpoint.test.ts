/** A call that sleeps in its layers while the machine becomes an image: it leaves them in the restored machine, once. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { test } from '../../src/index.ts';
import { inject, parseRules } from '../../src/layers/inject.ts';
import { learn } from '../../src/layers/learn.ts';
import { limit, parseLimits } from '../../src/layers/limit.ts';
import type { Outside } from '../../src/layers/outside.ts';
import { type Statistics, stats } from '../../src/layers/stats.ts';
import { parseTime, time } from '../../src/layers/time.ts';
import { PLAIN, traceFor } from '../../src/layers/trace/index.ts';
import type { Machine } from '../../src/machine.ts';
import { restore } from '../../src/node.ts';
import { type Layer, layer } from '../../src/syscall/layer.ts';
import { openPath } from '../../src/vfs/open.ts';
import { failed } from '../../src/wait/wait.ts';
import { content, prepare, runGuest } from '../support/machine.ts';

const directory = mkdtempSync(join(tmpdir(), 'tallship-layers-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Runs slow-read with layers, makes an image while its read sleeps, and goes on from that with other instances of them. */
async function interrupted(name: string, make: () => Layer[]): Promise<string> {
  const { machine, output } = prepare('slow-read');
  for (const each of make()) machine.layers.install(each, 'innermost');
  const pid = machine.spawn({ path: '/slow-read', fds: [null, output, output] });
  const done = machine.run();
  const { kernel } = machine;
  const sleeps = () => kernel.tasks.get(pid)?.call.nr === 3 && kernel.groups.size > 1;
  while (!sleeps()) await new Promise((resolve) => setImmediate(resolve));
  // A busy machine of the test's may take longer over the image than the call sleeps.
  const release = kernel.scheduler.hold();
  const image = join(directory, name);
  await machine.checkpoint(image, { stop: true });
  release();
  await done;
  const restored = await restore(image, { layers: make() });
  expect(await restored.run()).toEqual({ status: 0 });
  return written(restored);
}

function written(machine: Machine): string {
  const ctx = machine.context();
  const file = openPath(ctx, ctx.fs.root, '/output', 0o100000);
  if (failed(file)) throw new Error(`/output: ${file}`);
  return content(machine, file);
}

it('what it keeps from enter to exit, and for its task, is in the image', async () => {
  const seen: string[] = [];
  const text = await interrupted('state', () => [
    layer('keeper', {
      read: {
        enter(call) {
          call.state.token = `read ${call.task.tid}`;
          call.taskState.reads = ((call.taskState.reads as number) ?? 0) + 1;
          seen.push('enter');
        },
        exit(call, result) {
          seen.push(`exit ${call.state.token} ${call.taskState.reads} ${result}`);
          return result + 10;
        },
      },
    }),
  ]);
  expect(seen).toEqual(['enter', 'exit read 2 1 1']);
  expect(text).toContain('read 11\nbyte 120\n');
});

it('layers that the restored machine does not have are named', async () => {
  await interrupted('layered', () => [layer('keeper', {}), layer('other', {})]);
  const told: string[] = [];
  const restored = await restore(join(directory, 'layered'), {
    layers: [layer('other', {})],
    warn: (line) => told.push(line),
  });
  restored.close();
  expect(told).toEqual(['the machine goes on without layers that it had: keeper']);
});

it('a trace has one line for it', async () => {
  let text = '';
  const write = (line: string) => (text += line);
  const outside = { error: write, output: () => write } as unknown as Outside;
  const options = { ...PLAIN, expression: ['trace=read', 'signal=none', 'quiet=exit'] };
  await interrupted('trace', () => [traceFor(options, outside, new Set(['read'])).layer]);
  expect(text.match(/read\(3, .*"x", 1\) += 1\n/g)).toHaveLength(1);
  expect(text.match(/read\(/g)).toHaveLength(1);
});

it('an asynchronous hook at work is waited for; one declared idempotent is begun anew', async () => {
  let begun = 0;
  const text = await interrupted('asynchronous', () => [
    layer(
      'slow',
      {
        async read(call) {
          begun++;
          const answer = await (call as unknown as { next(): Promise<number> }).next();
          await new Promise((resolve) => setTimeout(resolve, 5));
          return answer;
        },
      },
      { idempotent: true },
    ),
  ]);
  expect(begun).toBe(2);
  expect(text).toContain('read 1\nbyte 120\n');
});

describe('shipped layers go on counting', () => {
  const injected = (rule: string) => () => [inject(parseRules([rule]))];

  it.each<[string, () => Layer[]]>([
    ['limit', () => limit(parseLimits('written=15'))],
    ['inject when=', injected('write:error=EIO:when=7')],
    ['inject after=', injected('write:error=ENOSPC:after=15')],
    ['inject probability=', injected('write:error=EIO:probability=0.5@3')],
  ])('%s', async (name, make) => {
    const { output } = await runGuest('slow-read', [], { layers: make() });
    expect(await interrupted(name, make)).toBe(output);
  });

  it('stats', async () => {
    const counted: Statistics[] = [];
    await interrupted('stats', () => {
      const layer = stats({ error: () => {} } as unknown as Outside);
      counted.push(layer.statistics);
      return [layer];
    });
    const whole = stats({ error: () => {} } as unknown as Outside);
    await runGuest('slow-read', [], { layers: [whole] });
    const calls = ({ byCall }: Statistics) =>
      [...byCall].map(([call, { calls, errors, bytes }]) => [call, calls, errors, bytes]).sort();
    expect(calls(counted[1])).toEqual(calls(whole.statistics));
    expect([...counted[1].byPath.keys()].sort()).toEqual([...whole.statistics.byPath.keys()].sort());
    const { byCall } = counted[0];
    expect(counted[1].byCall.get('open')).toEqual(byCall.get('open'));
  });

  it('learn', async () => {
    const files: Record<string, string> = {};
    const outside = { writeText: (path: string, text: string) => (files[path] = text) } as unknown as Outside;
    await interrupted('learn', () => [learn(outside, 'policy')]);
    const { rules } = JSON.parse(files.policy) as { rules: { calls: string; path?: string[] }[] };
    // Opened before, waited for after.
    expect(rules.find(({ calls }) => calls === 'open')?.path).toEqual(['/slow-read']);
    expect(rules[0].calls).toContain('waitpid');
  });

  it('bandwidth', async () => {
    const [first, second] = [limit(parseLimits('bandwidth=1K'))[1], limit(parseLimits('bandwidth=1K'))[1]];
    await test(first).write({ fd: 1 }, { result: 20 });
    second.image!.load({ wait: 30 });
    const start = performance.now();
    await test(second).write({ fd: 1 }, { result: 1 });
    expect(performance.now() - start).toBeGreaterThan(28);
    expect(first.image!.save()).toEqual({ wait: expect.any(Number) });
  });

  it('time', async () => {
    const [first, second] = [time(parseTime('stop')), time(parseTime('stop'))];
    const layers = [first, second];
    const stopped = (await test(first).clock_gettime({ clockid: 0 })).put;
    await interrupted('time', () => [layers.shift()!]);
    expect((await test(second).clock_gettime({ clockid: 0 })).put).toEqual(stopped);
  });
});
