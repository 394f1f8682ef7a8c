/** The same operations on a real directory through node:fs and on ours: same answers, same errors, same trees. */
import fs from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { OverlayFs } from '../../src/fs/overlay.ts';
import { contents, describeStat, Ours, type Side, type Step, steps, worldOn } from '../support/random-steps.ts';
import { ALL_TREES, hostDirectory } from '../support/trees.ts';
import type { World } from '../support/world.ts';

const { O_RDONLY } = fs.constants;

class Native implements Side {
  readonly #base: string;
  constructor(base: string) {
    this.#base = base;
  }
  #at(path: string): string {
    return `${this.#base}/${path}`;
  }
  #try(call: () => unknown): string {
    try {
      const answer = call();
      return typeof answer === 'string' ? answer : 'ok';
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? String(error);
    }
  }
  mkdir = (path: string) => this.#try(() => void fs.mkdirSync(this.#at(path), 0o755));
  rmdir = (path: string) => this.#try(() => fs.rmdirSync(this.#at(path)));
  unlink = (path: string) => this.#try(() => fs.unlinkSync(this.#at(path)));
  rename = (from: string, to: string) => this.#try(() => fs.renameSync(this.#at(from), this.#at(to)));
  link = (from: string, to: string) => this.#try(() => fs.linkSync(this.#at(from), this.#at(to)));
  symlink = (target: string, path: string) => this.#try(() => fs.symlinkSync(target, this.#at(path)));
  readlink = (path: string) => this.#try(() => fs.readlinkSync(this.#at(path)));
  chmod = (path: string, mode: number) => this.#try(() => fs.chmodSync(this.#at(path), mode));
  open = (path: string, flags: number, text: string) =>
    this.#try(() => {
      const fd = fs.openSync(this.#at(path), flags, 0o644);
      try {
        if ((flags & 3) !== O_RDONLY) fs.writeSync(fd, text);
        return 'ok';
      } finally {
        fs.closeSync(fd);
      }
    });
  stat = (path: string, follow: boolean) =>
    this.#try(() => {
      const { mode, size, nlink } = follow ? fs.statSync(this.#at(path)) : fs.lstatSync(this.#at(path));
      return describeStat(mode, size, nlink);
    });
  list = (path: string) => this.#try(() => fs.readdirSync(this.#at(path)).sort().join(' '));
}

function compare(native: Side, world: World, all: readonly Step[]): void {
  const ours = new Ours(world, world.place('/p/q/r'));
  const log: string[] = [];
  for (const [name, run] of all) {
    const expected = run(native);
    log.push(`${name}: ${expected}`);
    expect(run(ours), log.join('\n')).toBe(expected);
  }
}

const directory = hostDirectory();
let round = 0;

describe.each(ALL_TREES)('as the real kernel, over %s', (_name, make) => {
  test('random operations', () => {
    fc.assert(
      fc.property(steps(0, 25), steps(5, 40), (before, after) => {
        const base = `${directory}/${round++}/p/q/r`;
        fs.mkdirSync(base, { recursive: true });
        for (const made of [`${base}/../..`, `${base}/..`, base]) fs.chmodSync(made, 0o755);
        const native = new Native(base);
        const tree = make();
        const umask = process.umask(0);
        try {
          // An overlay finds the first steps' results in its lower layer.
          const lower = tree instanceof OverlayFs ? tree.lower : tree;
          const first = worldOn(lower, true);
          compare(native, first, before);
          const untouched = lower === tree ? '' : contents(first, '/');
          const second = lower === tree ? first : worldOn(tree, false);
          compare(native, second, after);
          if (lower !== tree) expect(contents(worldOn(lower, false), '/')).toBe(untouched);
        } finally {
          process.umask(umask);
        }
      }),
      { numRuns: 60 },
    );
  });
});
