import { mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { alternatives, finish } from '../../src/cli/sysroot/finish.ts';
import { mergeUsr, Status } from '../../src/cli/sysroot/unpack.ts';

const EDITOR = `#!/bin/sh
if [ "$1" = configure ]; then
  update-alternatives --install /usr/bin/editor editor /usr/bin/vim.tiny 15 \\
    --slave /usr/share/man/man1/editor.1.gz editor.1.gz /usr/share/man/man1/vim.1.gz
  update-alternatives --quiet --install /usr/bin/editor editor /usr/bin/nano 40
  update-alternatives --install $link name /usr/bin/x 1
fi
`;

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tallship-'));
  mergeUsr(root);
});
afterEach(() => rmSync(root, { recursive: true }));

it('reads the literal calls of maintainer scripts, highest priority first', () => {
  expect(alternatives([EDITOR]).map(({ target, priority }) => [target, priority])).toEqual([
    ['/usr/bin/nano', 40],
    ['/usr/bin/vim.tiny', 15],
  ]);
});

it('links the best alternative that is there', () => {
  writeFileSync(join(root, 'usr/bin/vim.tiny'), '');
  finish(root, [EDITOR]);
  expect(readlinkSync(join(root, 'usr/bin/editor'))).toBe('/etc/alternatives/editor');
  expect(readlinkSync(join(root, 'etc/alternatives/editor'))).toBe('/usr/bin/vim.tiny');
});

it('makes a small passwd, and keeps what is there', () => {
  finish(root, []);
  expect(readFileSync(join(root, 'etc/passwd'), 'utf8')).toMatch(/^root:x:0:0:/);
  writeFileSync(join(root, 'etc/passwd'), 'me:x:1000:1000::/home/me:/bin/bash\n');
  finish(root, []);
  expect(readFileSync(join(root, 'etc/passwd'), 'utf8')).toMatch(/^me:/);
});

it('replaces the small passwd by the one of base-passwd', () => {
  finish(root, []);
  mkdirSync(join(root, 'usr/share/base-passwd'), { recursive: true });
  writeFileSync(
    join(root, 'usr/share/base-passwd/passwd.master'),
    'root:*:0:0:root:/root:/bin/bash\ngames:*:5:60::/:/x\n',
  );
  finish(root, []);
  expect(readFileSync(join(root, 'etc/passwd'), 'utf8')).toContain('games');
});

it('keeps a status that apt understands', () => {
  const status = new Status(root);
  status.add({ name: 'a', paragraph: 'Package: a\nVersion: 1', postinst: '' });
  status.add({ name: 'a', paragraph: 'Package: a\nVersion: 2', postinst: '' });
  status.save();
  expect(readFileSync(status.path, 'utf8')).toBe('Package: a\nStatus: install ok installed\nVersion: 2\n\n');
  const again = new Status(root);
  again.add({ name: 'b', paragraph: 'Package: b\nVersion: 1', postinst: '' });
  again.save();
  expect(readFileSync(status.path, 'utf8').match(/^Package: .*/gm)).toEqual(['Package: a', 'Package: b']);
});
