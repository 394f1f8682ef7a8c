/** The Chirp client against cctools' chirp_server, and against what HTCondor's starter says to a job. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ChirpServer, CuttingProxy, chirpMissing, startChirp } from '../support/chirp.ts';
import { tallship } from '../support/run.ts';
import { sysroot } from '../support/sysroot.ts';

const missing = chirpMissing();
const there = sysroot();
const root = 'path' in there ? there.path : '';

const busybox = (script: string) => [
  '-L',
  root,
  '--',
  '/bin/busybox',
  'sh',
  '-c',
  `set -e; bb=/bin/busybox\n${script}`,
];

describe.skipIf(missing !== null || root === '')(`Chirp${missing === null ? '' : ` (skipped: ${missing})`}`, () => {
  let server: ChirpServer;
  beforeAll(async () => {
    server = await startChirp();
  });
  afterAll(() => server.stop());

  it('files, directories, links, times, and a program run from there', async () => {
    const outcome = await tallship([
      ...['-M', `/data=chirp://127.0.0.1:${server.port}/`],
      ...busybox(`
cd /data; echo one > first; echo two >> first; $bb cat first
$bb mkdir -p 'a b/c'; $bb cp $bb 'a b/c/busybox'; $bb cmp $bb 'a b/c/busybox'; 'a b/c/busybox' echo runs
$bb mv first second; $bb ln -s second link; $bb cat link; $bb readlink link; $bb ln second hard; $bb stat -c %h hard
$bb touch -d '2001-02-03 04:05:06' second; $bb stat -c '%Y %s' second; $bb truncate -s 3 second; $bb cat second; echo
$bb ls; exec 5<> open; $bb rm open; echo still >&5; $bb stat -L -c %s /proc/self/fd/5
$bb dd if=$bb of=big bs=64k count=8 2> /dev/null; $bb rmdir 'a b' 2> /dev/null || echo not empty
[ -e nothing ] || echo nothing; $bb cat nothing 2>&1 || $bb df . | $bb tail -n 1 | $bb grep -c ' /data$'`),
    ]);
    expect(outcome.stderr).toBe('');
    expect(outcome.stdout).toBe(
      [
        ...['one', 'two', 'runs', 'one', 'two', 'second', '2', '981173106 8', 'one'],
        ...['a b', 'hard', 'link', 'second', '6', 'not empty', 'nothing'],
        ...["cat: can't open 'nothing': No such file or directory", '1', ''],
      ].join('\n'),
    );
    const names = readdirSync(server.root).filter((name) => !name.startsWith('.__'));
    expect(names.sort()).toEqual(['a b', 'big', 'hard', 'link', 'second']);
    const busyboxBytes = readFileSync(join(root, 'bin/busybox'));
    expect(readFileSync(join(server.root, 'big')).equals(busyboxBytes.subarray(0, 8 * 65536))).toBe(true);
  });

  it('extended attributes', async () => {
    const script = `
import os
open('/data/f', 'w').close()
os.setxattr('/data/f', 'user.one', b'1\\0x'); os.setxattr('/data/f', 'user.two', b'')
print(sorted(os.listxattr('/data/f')), os.getxattr('/data/f', 'user.one'))
os.removexattr('/data/f', 'user.one')
try: os.getxattr('/data/f', 'user.one')
except OSError as e: print(e.errno)
`;
    const data = ['-M', `/data=chirp://127.0.0.1:${server.port}/`];
    const outcome = await tallship(['run', '-q', '-L', root, ...data, '/usr/bin/python3', '-c', script]);
    expect(outcome).toMatchObject({ stderr: '', stdout: "['user.one', 'user.two'] b'1\\x00x'\n61\n" });
  });

  it('connections that are lost are made again, files opened again, and nothing is done twice', async () => {
    const proxy = await CuttingProxy.to(server.port);
    const timer = setInterval(() => proxy.cut(), 500);
    const outcome = await tallship([
      ...['-M', `/data=chirp://127.0.0.1:${proxy.port}/`],
      ...busybox(`
cd /data; exec 6> log; i=0
while [ $i -lt 15 ]; do
  echo line $i >&6; $bb mkdir dir.$i; echo $i > dir.$i/file; $bb mv dir.$i/file dir.$i/moved; $bb cat dir.$i/moved
  $bb rm dir.$i/moved; $bb rmdir dir.$i; i=$((i + 1))
done`),
    ]);
    clearInterval(timer);
    proxy.close();
    const numbers = Array.from({ length: 15 }, (_, i) => i);
    expect(outcome.stderr).toMatch(/^(tallship: 127.0.0.1:\d+: (connection lost; trying again|connected again)\n)*$/);
    expect(outcome.stdout).toBe(numbers.map((i) => `${i}\n`).join(''));
    expect(outcome.status).toBe(0);
    expect(proxy.cuts).toBeGreaterThan(1);
    expect(readFileSync(join(server.root, 'log'), 'utf8')).toBe(numbers.map((i) => `line ${i}\n`).join(''));
  }, 120_000);

  it('what cannot be reached is one line and status 125', async () => {
    const outcome = await tallship(['-M', '/data=chirp://127.0.0.1:1/', ...busybox('echo ran')]);
    expect(outcome).toMatchObject({ status: 125, stdout: '' });
    expect(outcome.stderr).toBe(
      'tallship: -M /data=chirp://127.0.0.1:1/: 127.0.0.1:1 cannot be reached: nobody listens there\n',
    );
    const nothing = await tallship(['-M', `/data=chirp://127.0.0.1:${server.port}/no/such`, ...busybox('echo ran')]);
    expect(nothing.stderr).toContain('/no/such is not there');
  });
});

describe.skipIf(root === '')("HTCondor's I/O proxy", () => {
  const COOKIE = 'a1b2c3';
  /** What the starter answers, of a submit directory with one file. */
  const stat = (mode: number, size: number) => `1 ${mode} ${mode} 1 0 0 0 ${size} 4096 8 1 2 3\n`;
  const answers: Record<string, string> = {
    'stat /': `0\n${stat(0o40755, 0)}`,
    'lstat /': `0\n${stat(0o40755, 0)}`,
    'lstat /with\\ blank': `0\n${stat(0o100644, 6)}`,
    'open /with\\ blank r 0': `7\n${stat(0o100644, 6)}`,
    'fstat 7': `0\n${stat(0o100644, 6)}`,
    'close 7': '0\n',
  };
  const said: string[] = [];
  const proxy = createServer((socket) => {
    let known = false;
    let rest = '';
    socket.on('data', (data) => {
      rest += data;
      for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
        const line = rest.slice(0, end);
        rest = rest.slice(end + 1);
        said.push(line);
        if (line === `cookie ${COOKIE}`) known = true;
        const read = /^pread 7 (\d+) (\d+)$/.exec(line);
        const text = read && 'ahoy!\n'.slice(Number(read[2]), Number(read[2]) + Number(read[1]));
        const answer = line.startsWith('cookie')
          ? known
            ? '0\n'
            : '-1\n'
          : text === null
            ? (answers[line] ?? '-3\n')
            : `${text.length}\n${text}`;
        socket.write(known ? answer : '-1\n');
      }
    });
    socket.on('error', () => {});
  });
  const scratch = mkdtempSync(join(tmpdir(), 'tallship-condor-'));
  beforeAll(() => new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve)));
  afterAll(() => {
    proxy.close();
    rmSync(scratch, { recursive: true, force: true });
  });

  it('is found by the .chirp.config of the job', async () => {
    const { port } = proxy.address() as { port: number };
    writeFileSync(join(scratch, '.chirp.config'), `127.0.0.1 ${port} ${COOKIE}\n`);
    const env = { _CONDOR_SCRATCH_DIR: scratch };
    const outcome = await tallship(['-M', '/home=condor', ...busybox("$bb cat '/home/with blank'")], { env });
    expect(outcome).toMatchObject({ status: 0, stdout: 'ahoy!\n', stderr: '' });
    expect(said[0]).toBe(`cookie ${COOKIE}`);
  });

  it('a wrong cookie, and no job at all, are one line', async () => {
    const { port } = proxy.address() as { port: number };
    writeFileSync(join(scratch, '.chirp.config'), `127.0.0.1 ${port} stolen\n`);
    const wrong = await tallship(['-M', '/home=condor', ...busybox('echo ran')], {
      env: { _CONDOR_SCRATCH_DIR: scratch },
    });
    expect(wrong).toMatchObject({ status: 125, stdout: '' });
    expect(wrong.stderr).toContain('the cookie is not the right one');
    const none = await tallship(['-M', '/home=condor', ...busybox('echo ran')]);
    expect(none.stderr).toContain('no .chirp.config here');
  });
});
