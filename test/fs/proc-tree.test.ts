/** /proc as a file system: what appears, what goes away, and links that are followed without a path. */
import { describe, expect, it } from 'vitest';
import { EACCES, ENOENT } from '../../src/abi/errno.ts';
import { O_RDONLY, O_WRONLY } from '../../src/abi/fs.ts';
import { AnonymousFileSystems } from '../../src/fs/anonymous.ts';
import { MemFs } from '../../src/fs/memfs.ts';
import { PipeFile, pipePair } from '../../src/fs/pipe.ts';
import { makeProc } from '../../src/fs/proc-root.ts';
import type { ProcProcess, ProcSource, ProcThread } from '../../src/fs/proc-source.ts';
import { makeCredentials } from '../../src/vfs/credentials.ts';
import { openPath } from '../../src/vfs/open.ts';
import { walk } from '../../src/vfs/walk.ts';
import { failed } from '../../src/wait/wait.ts';
import { World } from '../support/world.ts';

/** A name space with /proc, in which one process runs: the World itself, number 1. */
function setup() {
  const root = new MemFs({ device: 1, now: 0n });
  const s = new World(root);
  root.root.mkdir(s, 'proc', { mode: 0o040755, uid: 0, gid: 0 });
  const thread = {
    ...{ tid: 1, comm: 'test', state: 'R', startTime: 5, files: s.files, fs: s.fs, credentials: makeCredentials(0, 0) },
    ...{ pending: 0n, blocked: 0n, voluntarySwitches: 0, involuntarySwitches: 0, call: null, esp: 0, eip: 0 },
  } as unknown as ProcThread;
  const process = {
    pid: 1,
    leader: thread,
    threads: [thread],
    memory: null,
    program: null,
    oomScoreAdj: 0,
    limits: [],
  };
  const processes = new Map([[1, process as unknown as ProcProcess]]);
  const uts = { sysname: 'Linux', nodename: 'n', release: 'r', version: 'v', machine: 'i686', domainname: 'd' };
  const source: ProcSource = {
    ...{ namespace: s.namespace, random: { fill: (into) => into.fill(1) }, uts },
    processIds: () => [...processes.keys()],
    process: (id) => processes.get(id),
    machine: () => ({ uptime: 0, idle: 0 }) as ReturnType<ProcSource['machine']>,
    saves: { save: null, request: () => -1 },
    sockets: () => [],
  };
  s.namespace.mount(makeProc(2, source, 0n), s.place('/proc'));
  const read = (path: string) => {
    const file = s.open(path);
    const into = new Uint8Array(4096);
    return new TextDecoder().decode(
      into.subarray(
        0,
        s.run(() => file.read(s, into)),
      ),
    );
  };
  const open = (path: string, flags = O_RDONLY) => s.run(() => openPath(s, s.cwd, path, flags));
  return { s, processes, thread, uts, read, open };
}

describe('/proc as a tree', () => {
  it('has the processes that there are', () => {
    const { s, processes, open } = setup();
    const names = (path: string) => {
      const listed = s.run(() => s.open(path).entries(s));
      return failed(listed) ? [] : listed.map(({ name }) => name);
    };
    expect(names('/proc')).toContain('1');
    expect(names('/proc/self/task')).toEqual(['.', '..', '1']);
    expect(failed(open('/proc/1/status'))).toBe(false);
    processes.clear();
    expect(open('/proc/1/status')).toBe(-ENOENT);
    expect(names('/proc')).not.toContain('1');
  });

  it('follows descriptors to what they are, also without a path', () => {
    const { s, read } = setup();
    const [r, w] = pipePair(new AnonymousFileSystems().pipes, 0, 0, 0n, 0);
    s.files.install(r);
    s.run(() => w.write(s, new TextEncoder().encode('through /proc')));
    const again = s.open('/proc/self/fd/0');
    expect(again).toBeInstanceOf(PipeFile);
    expect(again).not.toBe(r);
    expect(read('/proc/self/fd/0')).toBe('through /proc');
    expect(s.place('/proc/self/fd/0', false).dentry.inode!.readlink(s)).toBe(r.describe());
    expect(read('/proc/self/fdinfo/0')).toContain('flags:\t00\n');
    s.files.close(s, 0, s.namespace.locks);
    expect(s.run(() => walk(s, s.cwd, '/proc/self/fd/0'))).toBe(-ENOENT);
  });

  it('leads to the working directory', () => {
    const { s } = setup();
    expect(s.place('/proc/self/cwd')).toEqual(s.fs.cwd);
    expect(s.place('/proc/self/root/proc').mount.fs.type).toBe('proc');
  });

  it('lets the name of a thread and the host name be written, and little else', () => {
    const { s, thread, uts, open, read } = setup();
    const write = (path: string, text: string) =>
      s.run(() => s.open(path, O_WRONLY).write(s, new TextEncoder().encode(text)));
    expect(write('/proc/self/comm', 'renamed\n')).toBe(8);
    expect(thread.comm).toBe('renamed');
    write('/proc/sys/kernel/hostname', 'elsewhere\n');
    expect([uts.nodename, read('/proc/sys/kernel/hostname')]).toEqual(['elsewhere', 'elsewhere\n']);
    expect(open('/proc/version', O_WRONLY)).toBe(-EACCES);
  });

  it('makes text anew at the start of a file, and keeps it for the reads that follow', () => {
    const { s, thread } = setup();
    const file = s.open('/proc/self/comm');
    const into = new Uint8Array(3);
    s.run(() => file.read(s, into));
    thread.comm = 'other';
    s.run(() => file.read(s, into));
    expect(new TextDecoder().decode(into)).toBe('t\ns');
    s.run(() => file.seek(s, 0, 0));
    s.run(() => file.read(s, into));
    expect(new TextDecoder().decode(into)).toBe('oth');
  });
});
