/** What comes in and goes out, between shells of the host and programs of a sysroot. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../support/run.ts';
import { sysroot } from '../support/sysroot.ts';
import { tallshipCommand } from '../support/terminal.ts';

const root = sysroot();
let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'tallship-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

/** A script for the host's bash in which `vm` runs a program of the sysroot. */
async function script(text: string): Promise<string> {
  const vm = tallshipCommand(['-q', '-L', 'path' in root ? root.path : '/', '--']);
  const { stdout, stderr } = await run('bash', ['-c', `vm() { ${vm} "$@"; }\n${text}`], { cwd: directory });
  return stdout + stderr;
}

describe.skipIf('missing' in root)(`standard input and output${'missing' in root ? `: ${root.missing}` : ''}`, () => {
  it('carries large amounts through pipes, whole and in order', async () => {
    const data = 'for i in $(seq 100); do seq -f %031.0f 100000; done';
    const [direct, through] = (await script(`${data} | md5sum; (${data}) | vm cat | md5sum`)).trim().split('\n');
    expect(through).toBe(direct);
  });

  it('waits for a slow reader and a slow writer', async () => {
    expect(await script('(sleep 1; echo late) | vm cat')).toBe('late\n');
    expect(await script('vm seq 200000 | (sleep 2; tail -n 1)')).toBe('200000\n');
  });

  it('dies of SIGPIPE', async () => {
    expect(await script('vm yes | head -n 1; echo ${PIPESTATUS[0]}')).toBe('y\n141\n');
  });

  it('inherits process substitutions', async () => {
    expect(await script('vm diff <(echo a) <(echo b); echo $?')).toBe('1c1\n< a\n---\n> b\n1\n');
  });

  it('shares the offset of a file with the shell', async () => {
    writeFileSync(join(directory, 'lines'), '1\n2\n3\n4\n');
    const text = '{ read -r a; vm bash -c "read b; echo guest \\$b"; read -r c; echo host $a $c; } < lines';
    expect(await script(text)).toBe('guest 2\nhost 1 3\n');
  });

  it('appends, and writes both streams to one file in order', async () => {
    await script('echo first > out; vm bash -c "echo a; echo b >&2; echo c" >> out 2>&1');
    expect(readFileSync(join(directory, 'out'), 'utf8')).toBe('first\na\nb\nc\n');
  });

  it('passes /dev/null and more descriptors', async () => {
    expect(
      await script('vm cat < /dev/null; vm bash -c "cat <&7; echo x >&8" 7< <(echo seven) 8> eight; cat eight'),
    ).toBe('seven\nx\n');
  });

  it('reads a terminal-like pipe byte by byte only as far as it is asked', async () => {
    expect(await script('printf "1\\n2\\n" | { vm bash -c "read x; echo got \\$x"; cat; }')).toBe('got 1\n2\n');
  });
});
