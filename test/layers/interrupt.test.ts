/** Layers around calls that signals interrupt, that end with their task, and that a checkpoint may catch. */
import { describe, expect, it } from 'vitest';
import { layer } from '../../src/index.ts';
import { content, prepare } from '../support/machine.ts';

/** slow-read with a child that sends SIGUSR1 five times before it writes: its read is restarted, or begun anew after EINTR. */
async function caught(how: 'restarted' | 'ended', ...layers: ReturnType<typeof layer>[]) {
  const { machine, output } = prepare('slow-read', { layers });
  const argv = ['slow-read', '/slow-read', 'caught', ...(how === 'ended' ? ['ended'] : [])];
  machine.spawn({ path: '/slow-read', argv, fds: [null, output, output] });
  await machine.run();
  return { text: content(machine, output), machine };
}

describe('asynchronous hooks and signals', () => {
  it('a signal that ends the call aborts a hook that waits', async () => {
    let started = 0;
    let aborted = 0;
    const patient = layer('patient', {
      async read(call) {
        started++;
        if (started < 3) {
          await new Promise((resolve) => call.aborted.addEventListener('abort', resolve));
          aborted++;
          return 99;
        }
        return call.next();
      },
    });
    const { text, machine } = await caught('ended', patient);
    expect(text).toContain('read 1\nbyte 120\n');
    expect(aborted).toBe(2);
    expect(started).toBeGreaterThanOrEqual(3);
    expect(machine.kernel.tasks.size).toBe(0);
  });

  it('goes on while a handler runs before the call is restarted', async () => {
    let started = 0;
    let aborted = 0;
    const patient = layer('patient', {
      async read(call) {
        started++;
        call.aborted.addEventListener('abort', () => aborted++);
        await new Promise((resolve) => setTimeout(resolve, 8));
        return call.next();
      },
    });
    expect((await caught('restarted', patient)).text).toContain('read 1\nbyte 120\n');
    expect([started, aborted]).toEqual([1, 0]);
  });

  it('next() is answered with EINTR when the call below is interrupted for good', async () => {
    const answers: number[] = [];
    const watch = layer('watch', {
      async read(call) {
        const answer = await call.next();
        answers.push(answer);
        return answer;
      },
    });
    expect((await caught('ended', watch)).text).toContain('read 1\n');
    expect(answers.slice(0, -1)).toEqual(answers.slice(0, -1).map(() => -4));
    expect(answers.at(-1)).toBe(1);
  });

  it('other tasks run while one is parked', async () => {
    const order: string[] = [];
    const slow = layer('slow', {
      async open(call) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        order.push('opened');
        return call.next();
      },
    });
    const { machine, output } = prepare('slow-read', { layers: [slow] });
    machine.layers.install(layer('seen', { write: { enter: (call) => void order.push(call.task.comm) } }));
    machine.spawn({ path: '/slow-read', fds: [null, output, output] });
    machine.spawn({ path: '/slow-read', argv: ['slow-read'], fds: [null, output, output] });
    await machine.run();
    expect(order.filter((what) => what === 'opened')).toHaveLength(2);
  });

  it('next() can be called several times, each as a call of its own', async () => {
    const twice = layer('twice', {
      async open(call) {
        const first = await call.next({ path: '/none' });
        return first === -2 ? call.next() : -1;
      },
    });
    const seen: string[] = [];
    const inner = layer('inner', {
      open: { enter: (call) => void seen.push(call.path), exit: (_call, result) => void seen.push(String(result)) },
    });
    expect((await caught('restarted', twice, inner)).text).toContain('open 0\n');
    expect(seen).toEqual(['/none', '-2', '/slow-read', '0']);
  });
});

describe('what is kept of a call that sleeps', () => {
  it('is plain data, and enough to leave through the same layers', async () => {
    const seen: string[] = [];
    const keep = layer('keep', {
      read: {
        enter(call) {
          call.state.number = 7;
          return call.with({ count: 1 });
        },
        exit: (call, result) => void seen.push(`${call.state.number} ${result}`),
      },
    });
    let frames = 0;
    const freeze = layer('freeze', {
      kill: {
        enter({ task }) {
          for (const other of task.kernel.tasks.values()) {
            if (other.call.nr !== 3 || other.call.layers === null) continue;
            // As a checkpoint would: out of the process and back.
            other.call.layers = structuredClone(other.call.layers);
            frames++;
          }
        },
      },
    });
    const { machine, output } = prepare('slow-read', { layers: [keep, freeze] });
    machine.spawn({ path: '/slow-read', fds: [null, output, output] });
    await machine.run();
    expect(frames).toBeGreaterThan(0);
    expect(seen).toEqual(['7 1']);
    expect(content(machine, output)).toContain('read 1\nbyte 120\n');
  });
});
