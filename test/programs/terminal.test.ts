/** Interactive programs on a terminal: shells with job control, editors, interpreters. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sysroot } from '../support/sysroot.ts';
import { Terminal } from '../support/terminal.ts';

const root = sysroot();
const start = (...argv: string[]) =>
  Terminal.tallship(['-q', '-L', 'path' in root ? root.path : '/', '-w', '.', ...argv], directory);

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'tallship-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

describe.skipIf('missing' in root)(`interactive${'missing' in root ? `: ${root.missing}` : ''}`, () => {
  it('bash: job control, history, exit status', async () => {
    const bash = start('/bin/bash', '--norc', '-i');
    await bash.see('$ ');
    bash.type('sleep 100\n');
    await bash.see('sleep 100');
    await new Promise((resolve) => setTimeout(resolve, 1500));
    bash.type('\x1a');
    await bash.see('Stopped');
    bash.type('bg; jobs; kill %1; wait %1; echo status $?\n');
    await bash.see('Running');
    await bash.see('status 143');
    bash.type('sleep 100\n');
    await new Promise((resolve) => setTimeout(resolve, 1500));
    bash.type('\x03');
    await bash.see('$ ');
    bash.type('echo $?; tty; stty size\n');
    await bash.see('130');
    await bash.see('/dev/pts/0');
    bash.type('\x10\x10\n'); // Ctrl-P twice: the sleep again
    await new Promise((resolve) => setTimeout(resolve, 1500));
    bash.type('\x03');
    await bash.see('$ ');
    bash.type('exit 7\n');
    expect(await bash.end()).toBe(7);
  });

  it('vi of busybox edits a file', async () => {
    writeFileSync(join(directory, 'text'), 'first\nsecond\n');
    const vi = start('/bin/busybox', 'vi', 'text');
    await vi.see('second');
    vi.type('Gothird\x1b');
    await vi.see('third');
    vi.type('1GxZZ');
    expect(await vi.end()).toBe(0);
    expect(readFileSync(join(directory, 'text'), 'utf8')).toBe('irst\nsecond\nthird\n');
  });

  it('python3: a line editor, Ctrl-C, end of file', async () => {
    const python = start('/usr/bin/python3', '-q');
    await python.see('>>> ');
    python.type('6 * 7\n');
    await python.see('42');
    python.type('while True: pass\n\n');
    await new Promise((resolve) => setTimeout(resolve, 1000));
    python.type('\x03');
    await python.see('KeyboardInterrupt');
    python.type('import os; os.isatty(0)\n');
    await python.see('True');
    python.type('\x04');
    expect(await python.end()).toBe(0);
  });
});
