/** Two machines on the same files: locks, appends, and when one sees what the other has done. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { EAGAIN } from '../../src/abi/errno.ts';
import { F_UNLCK, F_WRLCK, O_APPEND, O_CREAT, O_LARGEFILE, O_RDWR, O_WRONLY } from '../../src/abi/fs.ts';
import { type IoMode, RemoteFs } from '../../src/remote/client/remote-fs.ts';
import type { Shadow } from '../../src/remote/server/shadow.ts';
import { openPath } from '../../src/vfs/open.ts';
import type { OpenFile } from '../../src/vfs/open-file.ts';
import { unlink } from '../../src/vfs/remove.ts';
import { failed } from '../../src/wait/wait.ts';
import { badConnection } from '../support/chaos.ts';
import { shadowOf } from '../support/loopback.ts';
import { Patient } from '../support/patient.ts';
import { hostDirectory, hostFs } from '../support/trees.ts';

let path: string;
let shadow: Shadow;

beforeEach(() => {
  path = hostDirectory();
  shadow = shadowOf(hostFs(path));
});

async function client(io: IoMode): Promise<Patient> {
  const dial = async () => {
    const [here, there] = badConnection({ random: () => 0.5, breaks: 0, delay: 0 });
    shadow.accept(there);
    return here;
  };
  return new Patient(await RemoteFs.connect({ dial, retry: 0, log: () => {}, path: '', device: 1, io }));
}

async function open(task: Patient, name: string, flags: number): Promise<OpenFile> {
  const file = await task.run((ctx) => openPath(ctx, task.root, name, flags | O_LARGEFILE, 0o644));
  if (failed(file)) throw new Error(`${name}: ${file}`);
  return file.hold();
}

const bytes = (text: string) => new TextEncoder().encode(text);
const ALL = { start: 0, end: Number.POSITIVE_INFINITY };

test('a record lock of one is in the way of the other, who waits for it', async () => {
  const [a, b] = [await client('cached'), await client('cached')];
  const [fa, fb] = [await open(a, 'f', O_RDWR | O_CREAT), await open(b, 'f', O_RDWR)];
  const set = (task: Patient, file: OpenFile, owner: object, type: number, wait: boolean) =>
    task.run((s) => task.namespace.locks.lock(s, file.inode, owner, 1, { type, ...ALL }, wait, true));
  const [oa, ob] = [{}, {}];
  expect(await set(a, fa, oa, F_WRLCK, false)).toBe(0);
  expect(await set(b, fb, ob, F_WRLCK, false)).toBe(-EAGAIN);
  const found = await b.run((s) => b.namespace.locks.find(s, fb.inode, ob, { type: F_WRLCK, ...ALL }));
  expect(found).toMatchObject({ type: F_WRLCK, start: 0 });
  let got = false;
  const waiting = set(b, fb, ob, F_WRLCK, true).then((answer) => {
    got = true;
    return answer;
  });
  // What is written under the lock is there when the other one gets it.
  expect(await a.run((s) => fa.writeAt(s, 0, bytes('written')))).toBe(7);
  expect(got).toBe(false);
  expect(await set(a, fa, oa, F_UNLCK, false)).toBe(0);
  expect(await waiting).toBe(0);
  const into = new Uint8Array(10);
  expect(await b.run((s) => fb.readAt(s, 0, into))).toBe(7);
  // Who ends gives it up.
  b.namespace.locks.dropOwner(fb.inode, ob);
  expect(await set(a, fa, oa, F_WRLCK, true)).toBe(0);
});

test('flock: shared by both, exclusive for one', async () => {
  const [a, b] = [await client('cached'), await client('direct')];
  const [fa, fb] = [await open(a, 'f', O_RDWR | O_CREAT), await open(b, 'f', O_RDWR)];
  const flock = (task: Patient, file: OpenFile, exclusive: boolean | null) =>
    task.run((s) => task.namespace.locks.flock(s, file.inode, file, exclusive, false));
  expect(await flock(a, fa, false)).toBe(0);
  expect(await flock(b, fb, false)).toBe(0);
  expect(await flock(b, fb, true)).toBe(-EAGAIN);
  fa.drop();
  expect(await flock(b, fb, true)).toBe(0);
});

test.each(['direct', 'cached'] as const)('appends of both are all there (%s)', async (io) => {
  const [a, b] = [await client(io), await client(io)];
  const files = [await open(a, 'log', O_WRONLY | O_CREAT | O_APPEND), await open(b, 'log', O_WRONLY | O_APPEND)];
  for (let i = 0; i < 20; i++) {
    await Promise.all(
      [a, b].map(async (task, who) => {
        const line = bytes(`${who} ${i}\n`);
        expect(await task.run((s) => files[who].write(s, line))).toBe(line.length);
        expect(await task.run((s) => files[who].flush(s))).toBe(0);
      }),
    );
  }
  const lines = readFileSync(join(path, 'log'), 'utf8').trim().split('\n');
  expect(lines.length).toBe(40);
  expect(new Set(lines).size).toBe(40);
});

test('a file that is unlinked while it is open stays', async () => {
  writeFileSync(join(path, 'f'), 'contents');
  const task = await client('cached');
  const file = await open(task, 'f', O_RDWR);
  expect(await task.run((ctx) => unlink(ctx, task.root, 'f'))).toBe(0);
  const into = new Uint8Array(8);
  expect(await task.run((s) => file.readAt(s, 0, into))).toBe(8);
  expect(await task.run((s) => file.writeAt(s, 8, bytes(' more')))).toBe(5);
  expect(await task.run((s) => file.fsync(s, false))).toBe(0);
  const stat = await task.run((s) => file.attributes(s));
  expect(stat).toMatchObject({ nlink: 0, size: 13 });
});

test('direct: what one has done, the other sees at once', async () => {
  const [a, b] = [await client('direct'), await client('direct')];
  const fa = await open(a, 'f', O_RDWR | O_CREAT);
  const fb = await open(b, 'f', O_RDWR);
  expect(await a.run((s) => fa.writeAt(s, 0, bytes('one')))).toBe(3);
  const into = new Uint8Array(8);
  expect(await b.run((s) => fb.readAt(s, 0, into))).toBe(3);
  expect(await a.run((ctx) => unlink(ctx, a.root, 'f'))).toBe(0);
  expect(await b.run((ctx) => openPath(ctx, b.root, 'f', O_RDWR))).toBeLessThan(0);
});

test('what is read an answer after the open is not older than the open, although attributes are believed for longer', async () => {
  writeFileSync(join(path, 'f'), 'old');
  let now = 0;
  // A server that finds everything it knows too old.
  shadow = shadowOf(hostFs(path), { clock: { now: () => (now += 1e10), realtime: () => 0n } });
  const task = await client('cached');
  const read = async (file: OpenFile) => {
    const into = new Uint8Array(10);
    const count = await task.run((s) => file.readAt(s, 0, into));
    return new TextDecoder().decode(into.subarray(0, count));
  };
  expect(await read(await open(task, 'f', 0))).toBe('old');
  writeFileSync(join(path, 'f'), 'newer');
  const again = await open(task, 'f', 0);
  await task.run((s) => (task.root.mount.fs as RemoteFs).status(s));
  expect(await read(again)).toBe('newer');
});
