import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stripTypeScript } from '../support/strip.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'tallship-'));
  writeFileSync(
    join(directory, 'look.mjs'),
    `${stripTypeScript('src/host/inherited.ts')}\nprocess.stdout.write(inheritedDescriptors().join(' '));\n`,
  );
});
afterAll(() => rmSync(directory, { recursive: true }));

/** What a program started by bash with these redirections finds; descriptors of the test's own are closed first. */
function look(redirections: string): string {
  const close = 'for f in $(ls /proc/$$/fd); do [ "$f" -gt 2 ] && eval "exec $f>&-"; done';
  const script = `${close}; ${JSON.stringify(process.execPath)} look.mjs ${redirections}`;
  return execFileSync('bash', ['-c', script], {
    cwd: directory,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

it('finds the standard three alone', () => {
  expect(look('')).toBe('0 1 2');
});

it('finds files, whatever their numbers', () => {
  expect(look('5</etc/passwd 7>/dev/null 200</etc/passwd')).toBe('0 1 2 5 7 200');
});

it('finds process substitutions', () => {
  expect(look('<(echo a) <(echo b)')).toMatch(/^0 1 2 6[23] 63$/);
});

it('finds both ends of a pipe that somebody passed on', () => {
  expect(look('3< <(true) 4> >(cat)')).toMatch(/^0 1 2 3 4/);
});
