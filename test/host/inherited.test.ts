import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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

it.each(['0<&-', '1>&-', '2>&-'])('knows from %s that Node opened that descriptor', (closed) => {
  // To a pipe on 5: standard output may be the closed one. The last command keeps bash from becoming Node.
  const script = `${JSON.stringify(process.execPath)} -e "$0" 5>&1 6>&1 ${closed} | cat; :`;
  const source = `${readFileSync(join(directory, 'look.mjs'), 'utf8').replace('process.stdout.write(', 'writeSync(5, ')}`;
  const program = `import { writeSync } from 'node:fs';\n${source}`;
  const found = execFileSync('bash', ['-c', script.replace('-e', '--input-type=module -e'), program], {
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  expect(found).toMatch(new RegExp(`^${[0, 1, 2].filter((fd) => !closed.startsWith(String(fd))).join(' ')} 5 6`));
});

it('takes /dev/null from others for what it is', () => {
  expect(look('</dev/null 2>/dev/null')).toBe('0 1 2');
  const found = join(directory, 'found');
  const ignored = readFileSync(join(directory, 'look.mjs'), 'utf8').replace(
    'process.stdout.write(',
    `process.getBuiltinModule('node:fs').writeFileSync(${JSON.stringify(found)}, `,
  );
  writeFileSync(join(directory, 'ignored.mjs'), ignored);
  spawnSync(process.execPath, ['ignored.mjs'], { cwd: directory, stdio: 'ignore' });
  expect(readFileSync(found, 'utf8')).toMatch(/^0 1 2/);
});

it('finds both ends of a pipe that somebody passed on', () => {
  expect(look('3< <(true) 4> >(cat)')).toMatch(/^0 1 2 3 4/);
});
