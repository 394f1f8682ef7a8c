/** System calls with random words: a guest may die of them, the machine must not even notice. */
import { expect, test } from 'vitest';
import { SI_KERNEL, SIGKILL } from '../../src/abi/signal.ts';
import { prepare, quietHost } from '../support/machine.ts';

const ROUNDS = 60;

test.each([1, 2, 3])('%i: no call of a guest is an error of ours', async (seed) => {
  const log: string[] = [];
  const { machine } = prepare('fuzz', { host: quietHost(log) });
  const { kernel } = machine;
  const first = machine.spawn({ path: '/fuzz', argv: ['fuzz', String(seed), String(ROUNDS)] });
  // Children that have put themselves to sleep for good are ended.
  const age = new Map<number, number>();
  const reaper = setInterval(() => {
    for (const group of kernel.groups.values()) {
      if (group.id === first) continue;
      age.set(group.id, (age.get(group.id) ?? 0) + 1);
      if (age.get(group.id)! > 1) kernel.signals.sendToGroup(group, { signo: SIGKILL, code: SI_KERNEL });
    }
  }, 50);
  let ended = 0;
  const { onExit } = kernel;
  kernel.onExit = (group, status) => {
    ended++;
    onExit?.(group, status);
  };
  expect(await machine.run()).toEqual({ status: 0 });
  clearInterval(reaper);
  expect(log).toEqual([]);
  expect(ended).toBe(ROUNDS + 1);
  expect(kernel.tasks.size).toBe(0);
});
