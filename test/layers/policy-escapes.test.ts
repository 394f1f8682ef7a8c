/** Ways around a policy's paths: each is tried by programs in the machine. */
import {
  chmodSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ENOENT } from '../../src/abi/errno.ts';
import { policy } from '../../src/layers/policy.ts';
import type { Layer } from '../../src/syscall/layer.ts';
import { BlockingFs } from '../fs/blocking.ts';
import { runGuest } from '../support/machine.ts';
import { tallship } from '../support/run.ts';
import { FakeCaller } from '../support/sleeper.ts';
import { sysroot } from '../support/sysroot.ts';
import { memoryFs } from '../support/world.ts';

const root = sysroot();
const SECRET = 'classified';

/** What a script writes, line by line. A line of the script is one attempt. */
const ATTEMPTS = [
  'cat /srv/secret',
  'cd /srv; cat secret dir/inner',
  'cat /proc/self/root/srv/secret',
  'ln -s ../srv/secret link; cat link',
  'ln /srv/secret /srv/name; cat /srv/name',
  'cat /srv/hard',
  'mv /srv/secret /srv/moved; cat /srv/moved',
  'cp -l /srv/secret /srv/copied; cat /srv/copied',
  'mv /srv/dir /srv/other; cat /srv/other/inner',
  'mv -T /srv/dir/deep /srv/shallow; cat /srv/shallow/inner',
  `perl -e '($a, $b, $n) = ("/srv", "/tmp/bound", "none"); mkdir $b; syscall(21, $a, $b, $n, 4096, 0)'; cat bound/secret`,
  `perl -e 'chroot "/srv"; open F, "/secret" or die "$!\\n"; print <F>'`,
  `python3 -c 'import os; fd = os.open("/srv", os.O_PATH); print(open(f"/proc/self/fd/{fd}/secret").read())'`,
  '/opt/tool classified',
  'printf "#!/opt/tool classified\\n" > script; chmod +x script; ./script',
  "sed 's|/lib/ld-linux.so.2|/opt/ld-linux.so.2|' /bin/echo > tool; chmod +x tool; ./tool classified",
  `perl -e '$^F = 9; open F, "/opt/tool"; $f = "/proc/self/fd/" . fileno(F); exec $f, "classified"'`,
];

describe.skipIf('missing' in root)(`a policy's paths${'missing' in root ? `: ${root.missing}` : ''}`, () => {
  const { path } = root as { path: string };
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'policy-'));
    for (const name of ['srv/dir/deep', 'opt']) mkdirSync(join(directory, name), { recursive: true });
    for (const name of ['srv/secret', 'srv/dir/inner', 'srv/dir/deep/inner'])
      writeFileSync(join(directory, name), `${SECRET}\n`);
    writeFileSync(join(directory, 'srv/open'), 'for everyone\n');
    linkSync(join(directory, 'srv/secret'), join(directory, 'srv/hard'));
    copyFileSync(join(path, 'bin/echo'), join(directory, 'opt/tool'));
    copyFileSync(realpathSync(join(path, 'lib/ld-linux.so.2')), join(directory, 'opt/ld-linux.so.2'));
    for (const name of ['opt/tool', 'opt/ld-linux.so.2']) chmodSync(join(directory, name), 0o755);
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  async function run(rules: object[], lines: readonly string[]): Promise<string[]> {
    const file = join(directory, 'policy.json');
    writeFileSync(file, JSON.stringify({ rules }));
    const script = lines.map((line) => `(${line}) 2>/dev/null | tr '\\n' ' '; echo`).join('\n');
    const grants = ['-v', `${directory}/srv:/srv:cow`, '-v', `${directory}/opt:/opt:ro`, '-C', '/tmp'];
    const layer = rules.length === 0 ? [] : ['--layer', `policy:${file}`];
    const { stdout } = await tallship(['-q', '-L', path, ...grants, ...layer, '/bin/bash', '-c', script]);
    return stdout.split('\n').slice(0, -1);
  }
  const denied = { path: ['/srv/secret', '/srv/dir/**', '/opt/tool', '/opt/ld-linux.so.2'], action: 'deny' };

  it('without a policy each attempt shows the secret', async () => {
    // One after the other they would find it moved already.
    const steady = ATTEMPTS.filter((line) => !line.startsWith('mv'));
    const shown = await run([], steady);
    expect(steady.filter((_, i) => !shown[i].includes(SECRET))).toEqual([]);
  });

  it.each([
    ['all calls with paths', '%file'],
    ['nothing but opening and running', 'open,openat,openat2,execve,execveat'],
  ])('a rule for %s: none does', async (_what, calls) => {
    const lines = await run([{ ...denied, calls }], [...ATTEMPTS, 'cat /srv/open']);
    expect(lines.slice(0, -1).join('\n')).not.toContain(SECRET);
    expect(lines).toHaveLength(ATTEMPTS.length + 1);
    expect(lines.at(-1)).toBe('for everyone ');
  });
});

describe('where lookups sleep', () => {
  it('decides when they have come back', async () => {
    const rules = [{ calls: '%file', path: '/output', action: 'deny', errno: 'ENOENT' } as const];
    const outside = { error() {}, output: () => () => {}, readText: () => '', writeText() {}, ask: () => null };
    const slow = memoryFs(71);
    const mounts = [
      { path: '/', fs: memoryFs(70) },
      { path: '/slow', fs: new BlockingFs(slow) },
    ];
    slow.root.symlink(new FakeCaller(), 'link', '../output', { mode: 0o120777, uid: 0, gid: 0 });
    const tried = (path: string, layers: Layer[]) => runGuest('slow-read', [path], { mounts, layers });
    expect((await tried('/slow/link', [policy({ rules }, outside)])).output).toContain(`open ${-ENOENT}\n`);
  });
});
