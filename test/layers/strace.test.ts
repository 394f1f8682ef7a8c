/** --strace beside the real strace, on the same programs: each call that both show is shown alike. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { hasNativeSysroot, native, tallship } from '../support/run.ts';
import { sysroot } from '../support/sysroot.ts';
import { common, parseTrace } from './strace.ts';

interface Program {
  argv: readonly [string, ...string[]];
  /** What is random in its calls. */
  random?: RegExp;
}

const FILES_OF_PYTHON = `
import os, select, socket, subprocess, threading, time
print(os.listdir('/etc/apt')); os.stat('/'); os.statvfs('/etc')
s = socket.socketpair(); s[0].send(b'x'); select.select([s[1]], [], [], 1)
subprocess.run(['/bin/true'])
os.pipe(); os.dup2(1, 9); time.sleep(0.01)
t = threading.Thread(target=print); t.start(); t.join()
`;
const SOCKETS_OF_PYTHON = `
import fcntl, mmap, os, resource, select, socket
a = socket.socket(); a.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); a.bind(('127.0.0.1', 0)); a.listen(5)
b = socket.socket(); b.setblocking(0)
try: b.connect(a.getsockname())
except BlockingIOError: pass
c, _ = a.accept(); c.send(b'hello'); b.recv(100); c.shutdown(1); b.getpeername()
u = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); u.bind('sock'); u.sendto(b'abc', 'sock'); u.recvfrom(10)
p, q = socket.socketpair(); socket.send_fds(p, [b'm'], [0]); socket.recv_fds(q, 10, 2)
e = select.epoll(); e.register(b.fileno(), select.EPOLLIN); e.poll(0)
o = select.poll(); o.register(b.fileno(), select.POLLIN | select.POLLOUT); o.poll(0)
fcntl.fcntl(0, fcntl.F_GETFL); resource.getrlimit(resource.RLIMIT_NOFILE); resource.getrusage(0)
m = mmap.mmap(-1, 8192); m.close()
os.sched_yield(); os.getpriority(0, 0); os.times(); os.uname(); os.umask(0o22); os.memfd_create('x'); os.eventfd(3)
`;
const PERL = `$SIG{ALRM} = sub { print "a\\n" }; open F, ">f"; print F "x" x 5000; close F; rename "f", "g"; unlink "g";
mkdir "d"; rmdir "d"; print -s "/etc/passwd"; system("true"); utime 1, 2, "file"; chmod 0600, "file"; symlink "a", "l";
readlink "l"; truncate "file", 2; opendir D, "/etc/apt"; readdir D; flock F, 2; alarm 1; sleep 3`;

const PROGRAMS: readonly Program[] = [
  { argv: ['/bin/ls', '-lR', '/etc/apt', '/usr/share/doc/bash'] },
  { argv: ['/bin/cp', '-a', '/etc/alternatives', 'copy'] },
  { argv: ['/usr/bin/find', '/etc', '-newer', '/etc/passwd', '-type', 'f'] },
  { argv: ['/bin/sed', '-i', 's/a/b/', 'file'], random: /sed[A-Za-z0-9]{6}/ },
  { argv: ['/usr/bin/sort', '-u', '-o', 'out', '/etc/passwd'] },
  { argv: ['/bin/tar', 'czf', 'x.tar.gz', '/etc/alternatives'] },
  {
    argv: [
      '/bin/bash',
      '-c',
      'cd /etc; echo *.conf | wc -c; trap "echo t" TERM; kill $$; exec 3<passwd; read -u3 x; (exit 3); echo $? >&2',
    ],
  },
  // A thread's heap is cut to an aligned piece of what it got.
  { argv: ['/usr/bin/python3', '-c', FILES_OF_PYTHON], random: /munmap\(ADDRESS, \d+\)/ },
  { argv: ['/usr/bin/python3', '-c', SOCKETS_OF_PYTHON] },
  { argv: ['/usr/bin/perl', '-e', PERL], random: /(?<=^read\(3, )"(?:[^"\\]|\\.)*"(?=, 4\))/ },
  {
    argv: ['/usr/bin/sqlite3', 'x.db', 'create table t(a); insert into t values(1); select * from t;'],
    random: /(?<=p?(read|write)(64)?\(\d+, )"(?:[^"\\]|\\.)*"/,
  },
  { argv: ['/usr/bin/git', 'init', 'repo'], random: /\.git\/t[A-Za-z0-9]{6}/ },
];

const root = sysroot();
const probe = spawnSync('strace', ['-o', '/dev/null', 'true'], { encoding: 'utf8' });
const missing =
  'missing' in root
    ? root.missing
    : probe.status !== 0
      ? `strace does not work here: ${probe.error?.message ?? probe.stderr.trim().split('\n')[0]}`
      : hasNativeSysroot(root.path)
        ? undefined
        : 'this machine does not run programs of a sysroot natively';

describe.skipIf(missing !== undefined)(`beside strace${missing === undefined ? '' : `: ${missing}`}`, () => {
  const { path } = root as { path: string };
  const output = mkdtempSync(join(tmpdir(), 'strace-'));
  afterAll(() => rmSync(output, { recursive: true }));

  /** An empty directory of the sysroot with one file in it. */
  function fresh(): { host: string; guest: string } {
    const guest = '/work/strace';
    const host = join(path, guest);
    rmSync(host, { recursive: true, force: true });
    mkdirSync(host, { recursive: true });
    writeFileSync(join(host, 'file'), 'banana\n'.repeat(10));
    return { host, guest };
  }

  it.each(PROGRAMS)('$argv.0 $argv.1', async ({ argv, random }) => {
    const [theirs, ours] = [join(output, 'theirs'), join(output, 'ours')];
    const { guest } = fresh();
    await native(path, guest, argv, { env: { UNDER: `strace -f -o ${theirs} --` } });
    const { host } = fresh();
    const options = ['-L', path, '-v', `${host}:${guest}`, '-C', guest, '--strace', '-f', '-o', ours];
    await tallship([...options, '--', ...argv]);
    rmSync(host, { recursive: true });
    const traces = [theirs, ours].map((file) => parseTrace(readFileSync(file, 'latin1'), argv[0]));
    expect(traces[1].length).toBe(traces[0].length);
    const plain = (call: string) => (random === undefined ? call : call.replace(random, 'RANDOM'));
    for (const [i, calls] of traces[0].entries()) {
      const pairs = common(calls, traces[1][i]);
      // The file systems differ, and so do some of the calls made; most are the same.
      expect(pairs.length).toBeGreaterThan(calls.length * 0.8);
      const [shown, real] = [pairs.map(([, ours]) => plain(ours)), pairs.map(([theirs]) => plain(theirs))];
      expect(shown).toEqual(real);
    }
  });
});
