import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TimerQueue } from '../../src/kernel/timer-queue.ts';

test('fires in the order of the deadlines, each target at its last one, removed ones never', () => {
  const step = fc.record({ target: fc.nat(9), deadline: fc.nat(100), remove: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const queue = new TimerQueue();
      const fired: [number, number][] = [];
      const targets = Array.from({ length: 10 }, (_, i) => ({ expire: (now: number) => void fired.push([now, i]) }));
      const model = new Map<number, number>();
      for (const { target, deadline, remove } of steps) {
        if (remove) queue.remove(targets[target]);
        else queue.add(deadline, targets[target]);
        if (remove) model.delete(target);
        else model.set(target, deadline);
      }
      expect(queue.next).toBe(model.size === 0 ? undefined : Math.min(...model.values()));
      for (let now = 0; now <= 100; now++) queue.expire(now);
      const byTime = [...model].map(([target, deadline]) => [deadline, target]);
      expect(fired.map(([now]) => now)).toEqual(byTime.map(([now]) => now).sort((a, b) => a - b));
      expect(new Set(fired.map(String))).toEqual(new Set(byTime.map(String)));
      expect(queue.next).toBeUndefined();
    }),
  );
});
