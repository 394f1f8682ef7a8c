/** Cores of an image in a debugger that knows nothing of us: gdb, on a program with two threads from a Debian system. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Harbour } from '../support/running.ts';
import { sysroot } from '../support/sysroot.ts';

const root = sysroot();
const { status: gdb } = spawnSync('gdb', ['-batch']);
const missing = 'missing' in root ? root.missing : gdb === 0 ? undefined : 'gdb is not installed';

const SCRIPT = `
import threading, time
marked = b'a mark in memory'
threading.Thread(target=time.sleep, args=(1000,)).start()
print(hex(id(marked) + 16), flush=True)
time.sleep(1000)
`;

describe.skipIf(missing !== undefined)(`gdb${missing === undefined ? '' : `: ${missing}`}`, () => {
  const path = 'path' in root ? root.path : '/';
  const directory = mkdtempSync(join(tmpdir(), 'tallship-gdb-'));
  const harbour = new Harbour();
  const core = join(directory, 'image/core.2');
  let address = '';
  afterAll(() => {
    rmSync(directory, { recursive: true });
    harbour.close();
  });

  beforeAll(async () => {
    await harbour.run('run', '-d', '--name', 'threads', '-L', path, '/usr/bin/python3', '-c', SCRIPT);
    await vi.waitFor(async () => expect((await harbour.run('logs', 'threads')).stdout).toMatch(/^0x/), 60_000);
    address = (await harbour.run('logs', 'threads')).stdout.trim();
    await harbour.run('checkpoint', 'threads', '--stop', '-o', join(directory, 'image'));
  }, 120_000);

  const ask = (...commands: string[]) => {
    const script = [`set sysroot ${path}`, `file ${path}/usr/bin/python3`, `core-file ${core}`, ...commands];
    return spawnSync('gdb', ['-batch', '-nx', ...script.flatMap((line) => ['-ex', line])], { encoding: 'utf8' }).stdout;
  };

  it('finds threads, with their backtraces through libraries', () => {
    const text = ask('info threads', 'thread apply all backtrace 4');
    expect(text).toMatch(/Thread 0x[0-9a-f]+ \(LWP 2\)[\s\S]*Thread 0x[0-9a-f]+ \(LWP 3\)/);
    expect(text.match(/in (__)?clock_nanosleep/g)?.length).toBeGreaterThanOrEqual(2);
  });

  it('finds registers, memory, what is mapped and the auxiliary vector', () => {
    const text = ask('info registers eip cs', 'info float', `x/s ${address}`, 'info proc mappings', 'info auxv');
    expect(text).toMatch(/^eip +0x[0-9a-f]+ /m);
    expect(text).toMatch(/^cs +0x23 /m);
    expect(text).toContain('Control Word:        0x037f');
    expect(text).toContain('"a mark in memory"');
    expect(text).toMatch(/ \/usr\/lib\/i386-linux-gnu\/libc\.so\.6\n/);
    expect(text).toMatch(/AT_EXECFN .*"\/usr\/bin\/python3"/);
  });

  it('finds the shared libraries', () => {
    expect(ask('info sharedlibrary')).toMatch(/Yes .*libc\.so\.6\n/);
  });
});
