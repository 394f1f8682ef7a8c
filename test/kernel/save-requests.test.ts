/** A program asks for an image of its machine: it waits for it, and has its answer also where the machine is restored. */
import { describe, expect, it } from 'vitest';
import { EIO, EPERM } from '../../src/abi/errno.ts';
import { SaveRequests } from '../../src/kernel/save-requests.ts';
import { BLOCKED } from '../../src/wait/wait.ts';
import { memoryFs, World } from '../support/world.ts';

describe('a request for an image', () => {
  it('is refused where nobody takes it', () => {
    const world = new World(memoryFs(1));
    const requests = new SaveRequests(() => 1n);
    expect(world.start(() => requests.request(world, false))).toBe(-EPERM);
  });

  it.each([
    [true, 0],
    [false, -EIO],
  ])('is answered when it is done: %s', async (isSaved, answer) => {
    const world = new World(memoryFs(1));
    const requests = new SaveRequests(() => 1n);
    const asked: boolean[] = [];
    let done = (_: boolean) => {};
    requests.save = (stop) => {
      asked.push(stop);
      return new Promise((resolve) => {
        done = resolve;
      });
    };
    expect(world.start(() => requests.request(world, true))).toBe(BLOCKED);
    done(isSaved);
    await Promise.resolve();
    expect(world.resume()).toBe(answer);
    expect(asked).toEqual([true]);
  });

  it('that an image has brought is answered', () => {
    const world = new World(memoryFs(1));
    let requests = new SaveRequests(() => 1n);
    requests.save = () => new Promise(() => {});
    expect(world.start(() => requests.request(world, false))).toBe(BLOCKED);
    requests = new SaveRequests(() => 2n);
    expect(world.resume()).toBe(0);
  });
});
