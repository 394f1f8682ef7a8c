/** Times and memory of commands, as the kernel accounts for them. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
export const MAIN = join(ROOT, 'dist/src/bin/tallship.js');
export const fixture = (name: string) => join(ROOT, 'fixtures/bin', name);

/** The sysroot of the program tests, where they have made one. */
export function sysroot(): string | undefined {
  const { TALLSHIP_TEST_SYSROOT, TALLSHIP_CACHE, XDG_CACHE_HOME } = process.env;
  const cache = TALLSHIP_CACHE || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'tallship');
  const made = join(cache, 'sysroots');
  const newest = existsSync(made)
    ? readdirSync(made)
        .filter((name) => /^programs-\d+$/.test(name))
        .sort()
        .at(-1)
    : undefined;
  return [TALLSHIP_TEST_SYSROOT, newest && join(made, newest)].find((path) => path && existsSync(path));
}

/** Runs a command; answers its output, or undefined where it cannot be run here. */
export function output(argv: readonly string[]): string | undefined {
  const { status, stdout } = spawnSync(argv[0], argv.slice(1), { encoding: 'utf8' });
  return status === 0 ? stdout : undefined;
}

/** Milliseconds from start to end. */
export function time(argv: readonly string[]): number {
  const start = performance.now();
  spawnSync(argv[0], argv.slice(1), { stdio: 'ignore' });
  return performance.now() - start;
}

/** Milliseconds of processor time, user and system, of the command and what it starts: what others do meanwhile counts less. */
export function cpuTime(argv: readonly string[]): number {
  const { stdout } = spawnSync('sh', ['-c', '"$@" >/dev/null 2>&1; times', 'sh', ...argv], { encoding: 'utf8' });
  const [, children = ''] = stdout.trim().split('\n');
  const seconds = children.split(' ').map((text) => {
    const [, minutes, rest] = /^(\d+)m([\d.]+)s$/.exec(text) ?? [];
    return Number(minutes) * 60 + Number(rest);
  });
  return seconds.reduce((sum, each) => sum + each, 0) * 1000;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

/** Medians of several commands, run in turn so that a busy machine is busy for all of them. */
export function interleaved(commands: readonly (readonly string[])[], rounds: number, measure = time): number[] {
  const times: number[][] = commands.map(() => []);
  for (let round = 0; round < rounds; round++) for (const [i, argv] of commands.entries()) times[i].push(measure(argv));
  return times.map(median);
}
