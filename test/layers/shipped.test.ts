import { describe, expect, it } from 'vitest';
import { EACCES, EDQUOT, EINTR, ENOENT, ENOSPC } from '../../src/abi/errno.ts';
import { test } from '../../src/index.ts';
import { SHIPPED } from '../../src/layers/index.ts';
import { inject, parseRules } from '../../src/layers/inject.ts';
import { limit, parseLimits } from '../../src/layers/limit.ts';
import { map, mapPath, parseMap } from '../../src/layers/map.ts';
import type { Outside } from '../../src/layers/outside.ts';
import { type Policy, parsePolicy, policy } from '../../src/layers/policy.ts';
import { stats } from '../../src/layers/stats.ts';
import { parseTime, time } from '../../src/layers/time.ts';
import type { Layer } from '../../src/syscall/layer.ts';
import { runGuest } from '../support/machine.ts';

const injected = (...rules: string[]) => test(inject(parseRules(rules)));
async function answers(layer: Layer, call: string, args: Record<string, unknown>, times: number) {
  const tried = test(layer)[call];
  const results: number[] = [];
  for (let i = 0; i < times; i++) results.push((await tried(args, { result: 1 })).result);
  return results;
}

function outside(files: Record<string, string> = {}, answer: string | null = null) {
  const told: string[] = [];
  const world: Outside = {
    error: (text) => told.push(text),
    output: () => (text) => told.push(text),
    readText: (path) => files[path],
    writeText: (path, text) => (files[path] = text),
    ask: () => answer,
  };
  return { world, told, files };
}

describe('inject', () => {
  it('answers in place of the kernel', async () => {
    const { open, read } = injected('open:error=ENOSPC');
    expect(await open({ path: '/x' })).toMatchObject({ result: -ENOSPC, passed: null });
    expect(await read({ fd: 1 }, { result: 7 })).toMatchObject({ result: 7 });
    expect((await injected('getpid:retval=42').getpid()).result).toBe(42);
  });

  it.each([
    ['2', [1, -4, 1, 1, 1, 1]],
    ['2+', [1, -4, -4, -4, -4, -4]],
    ['2+2', [1, -4, 1, -4, 1, -4]],
    ['2..3', [1, -4, -4, 1, 1, 1]],
    ['1..4+2', [-4, 1, -4, 1, 1, 1]],
  ])('when=%s', async (when, expected) => {
    const layer = inject(parseRules([`read:error=EINTR:when=${when}`]));
    expect(EINTR).toBe(4);
    expect(await answers(layer, 'read', { fd: 0, count: 1 }, 6)).toEqual(expected);
  });

  it('conditions, signals, chance and bytes', async () => {
    const { open } = injected('open:error=EACCES:if=path~/\\.db$/');
    expect([(await open({ path: '/a.db' })).result, (await open({ path: '/a.dbx' })).result]).toEqual([-EACCES, 0]);
    expect(await injected('write:signal=SIGUSR1').write({ fd: 1 })).toMatchObject({ result: 0, signals: [10] });
    const some = await answers(inject(parseRules(['read:error=EIO:probability=0.5@7'])), 'read', { fd: 0 }, 40);
    const again = await answers(inject(parseRules(['read:error=EIO:probability=0.5@7'])), 'read', { fd: 0 }, 40);
    expect(some).toEqual(again);
    expect(new Set(some).size).toBe(2);
    const full = inject(parseRules(['write:error=ENOSPC:after=10']));
    expect(await answers(full, 'write', { fd: 1, count: 4 }, 4)).toEqual([1, 1, 1, -ENOSPC]);
  });

  it('short transfers and presets reach the guest', async () => {
    const short = await runGuest('hello', ['x'], { layers: [inject(parseRules(['write:short=2:when=1']))] });
    expect(short.output).toBe('he x\n');
    const full = await runGuest('hello', ['x'], { layers: [inject(parseRules(['disk-full']))] });
    expect(full.output).toBe('');
  });

  it('a full disk takes nothing, a pipe does; signals interrupt a pipe, and no file', async () => {
    const layersOf = (preset: string) => ({ layers: [inject(parseRules([preset]))] });
    expect(await runGuest('slow-read', [], layersOf('disk-full'))).toMatchObject({
      output: '',
      outcome: { status: 0 },
    });
    const { output } = await runGuest('slow-read', [], layersOf('interrupted'));
    expect(output).toBe('open 0\nread -4\nread 1\nbyte 120\n');
  });

  it('delays park the task', async () => {
    const start = performance.now();
    await runGuest('hello', ['x'], {
      layers: [inject(parseRules(['write:delay_enter=30000:delay_exit=20000:when=1']))],
    });
    expect(performance.now() - start).toBeGreaterThan(45);
  });

  it('what is not understood is refused', () => {
    for (const rule of ['read', 'read:error=EWHAT', 'read:what=1', 'read:error=EIO:when=x', 'read:signal=SIGWHAT'])
      expect(() => parseRules([rule])).toThrow('inject');
  });
});

describe('policy', () => {
  const rules: Policy = {
    rules: [
      { calls: '%file', path: '/etc/**', action: 'deny', errno: 'ENOENT' },
      { calls: 'kill', action: 'kill' },
      { calls: 'rename', action: 'ask' },
      { calls: 'mkdir', action: 'log' },
    ],
  };
  it('the first rule that matches decides', async () => {
    const { world, told } = outside({}, 'yes');
    const tried = test(policy(rules, world));
    expect(await tried.open({ path: '/etc/passwd' })).toMatchObject({ result: -ENOENT, passed: null });
    expect(await tried.open({ path: '/usr/x' })).toMatchObject({ result: 0 });
    expect(await tried.kill({ pid: 1 })).toMatchObject({ result: -EACCES, signals: [9] });
    expect((await tried.rename({ oldpath: '/a', newpath: '/b' })).result).toBe(0);
    expect((await test(policy(rules, outside({}, 'n').world)).rename({ oldpath: '/a', newpath: '/b' })).result).toBe(
      -EACCES,
    );
    expect(told).toEqual([]);
  });

  it('a mistake in the file is named', () => {
    expect(() => parsePolicy('{}')).toThrow('"rules"');
    expect(() => parsePolicy('{"rules":[{"action":"dney"}]}')).toThrow('dney');
    expect(() => parsePolicy('{"rules":[{"action":"deny","errno":"EWHAT"}]}')).toThrow('EWHAT');
    expect(() => parsePolicy('{"rules":[{"actoin":"deny"}]}')).toThrow('"actoin"');
    expect(() => parsePolicy('{"rules":[{"calls":"nosuch","action":"deny"}]}', new Map())).toThrow('nosuch');
  });

  it('what was learned is enough, and nothing more is allowed', async () => {
    const { world, files } = outside();
    const learning = SHIPPED.policy.make('learn=p.json', world) as Layer;
    const first = await runGuest('slow-read', [], { layers: [learning] });
    const learned = SHIPPED.policy.make('p.json', world) as Layer;
    const second = await runGuest('slow-read', [], { layers: [learned] });
    expect(second.output).toBe(first.output);
    expect(JSON.parse(files['p.json'])).toMatchObject({ default: 'deny' });
    const other = await runGuest('slow-read', ['/output'], { layers: [SHIPPED.policy.make('p.json', world) as Layer] });
    expect(other.output).toContain(`open ${-EACCES}\n`);
  });
});

describe('map', () => {
  it('the deepest mapping wins', () => {
    const mappings = parseMap('/a=/x,/a/b=/y,/=/root');
    expect(['/a', '/a/c', '/a/b', '/a/bc', '/z'].map((path) => mapPath(mappings, path))).toEqual([
      ...['/x', '/x/c', '/y', '/x/bc', '/root/z'],
    ]);
    expect(() => parseMap('a=b')).toThrow('/FROM=/TO');
  });

  it('relative names are mapped where they lead', async () => {
    const { open } = test(map(parseMap('/data=/srv/data')));
    expect((await open({ path: 'x' }, { cwd: '/data' })).passed).toMatchObject({ path: '/srv/data/x' });
    expect((await open({ path: 'x' }, { cwd: '/other' })).passed).toMatchObject({ path: 'x' });
    const { output } = await runGuest('slow-read', ['/nowhere/slow-read'], { layers: [map(parseMap('/nowhere=/'))] });
    expect(output).toContain('open 0\n');
  });
});

describe('stats, limit, time', () => {
  it('stats counts calls, bytes and errors', async () => {
    const { world, told } = outside();
    const layer = stats(world);
    await runGuest('hello', ['x'], { layers: [layer] });
    expect(layer.statistics.byCall.get('write')).toMatchObject({ calls: 4, errors: 0, bytes: 8 });
    expect(layer.statistics.byPath.get('/output')).toMatchObject({ calls: 4 });
    expect(told.join('')).toMatch(/^ +4 +0 +8 +\d+\.\d{3} write$/m);
  });

  it('limit refuses once so much was counted', async () => {
    const [layer] = limit(parseLimits('written=6,files=1'));
    const { output } = await runGuest('hello', ['abc'], { layers: [layer] });
    expect(output).toBe('hello ');
    expect(await answers(limit(parseLimits('read=2'))[0], 'read', { fd: 0 }, 3)).toEqual([1, 1, -EDQUOT]);
    expect(() => parseLimits('size=1')).toThrow('names are');
    expect(parseLimits('written=2K,bandwidth=1m')).toEqual({ written: 2048, bandwidth: 1048576 });
  });

  it('bandwidth takes its time', async () => {
    const start = performance.now();
    const { output } = await runGuest('hello', ['abcdefghijklm'], { layers: limit(parseLimits('bandwidth=200')) });
    expect(output).toBe('hello abcdefghijklm\n');
    expect(performance.now() - start).toBeGreaterThan(80);
  });

  it('time shows what it is told', async () => {
    const { clock_gettime, time: seconds } = test(time(parseTime('set=2001-02-03T04:05:06Z,stop')));
    expect((await clock_gettime({ clockid: 0 })).put).toEqual({ tp: { sec: 981173106, nsec: 0 } });
    expect((await seconds()).result).toBe(981173106);
    expect(() => parseTime('backwards')).toThrow('set=DATE');
  });
});
