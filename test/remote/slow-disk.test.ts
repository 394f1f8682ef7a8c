/** A disk that takes its time keeps those waiting who asked it, and nobody else. */
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { EAGAIN } from '../../src/abi/errno.ts';
import { O_LARGEFILE, O_RDWR } from '../../src/abi/fs.ts';
import { readLater, readNow } from '../../src/host/later.ts';
import { RemoteFs } from '../../src/remote/client/remote-fs.ts';
import { openPath } from '../../src/vfs/open.ts';
import { Awaited } from '../../src/wait/awaited.ts';
import { failed } from '../../src/wait/wait.ts';
import { loop, shadowOf } from '../support/loopback.ts';
import { Patient } from '../support/patient.ts';
import { hostDirectory, hostFs } from '../support/trees.ts';

test('requests for other files are answered, those for the same one in their order', async () => {
  const path = hostDirectory();
  for (const name of ['slow', 'other']) writeFileSync(join(path, name), name);
  const served = hostFs(path);
  const syncs = new Awaited<number>();
  let finish: (answer: number) => void = () => {};
  served.later.sync = (s) =>
    syncs.take(s, (done) => {
      finish = done;
    });
  const shadow = shadowOf(served);
  const connect = async () => {
    const dial = async () => {
      const [here, there] = loop();
      shadow.accept(there);
      return here;
    };
    return new Patient(await RemoteFs.connect({ dial, retry: 0, log: () => {}, path: '', device: 1, io: 'direct' }));
  };
  const [a, b] = [await connect(), await connect()];
  const open = async (task: Patient, name: string) => {
    const file = await task.run((ctx) => openPath(ctx, task.root, name, O_RDWR | O_LARGEFILE, 0));
    if (failed(file)) throw new Error(`${name}: ${file}`);
    return file.hold();
  };
  const order: string[] = [];
  const slow = await open(a, 'slow');
  const other = await open(a, 'other');
  const elsewhere = await open(b, 'slow');
  const synced = a.run((s) => slow.fsync(s, false)).then((answer) => order.push(`sync ${answer}`));
  const written = a
    .run((s) => slow.inode.write(s, 0, Uint8Array.of(65)))
    .then((answer) => order.push(`write ${answer}`));
  await a.run((s) => other.inode.write(s, 0, Uint8Array.of(66))).then(() => order.push('other'));
  await b.run((s) => elsewhere.inode.write(s, 1, Uint8Array.of(66))).then(() => order.push('elsewhere'));
  expect(readFileSync(join(path, 'slow'), 'utf8')).toBe('sBow');
  finish(0);
  await Promise.all([synced, written]);
  expect(order).toEqual(['other', 'elsewhere', 'sync 0', 'write 1']);
  expect(readFileSync(join(path, 'slow'), 'utf8')).toBe('ABow');
});

test('what is in memory is read at once, everything else later', async () => {
  const path = join(hostDirectory(), 'f');
  writeFileSync(path, 'some text');
  const fd = openSync(path, 'r');
  const into = new Uint8Array(12);
  const later = await new Promise<number>((resolve) => readLater(fd, 5, into, resolve));
  expect(new TextDecoder().decode(into.subarray(0, later))).toBe('text');
  const whole = new Uint8Array(64).subarray(32);
  const now = readNow(fd, 0, whole);
  if (now !== -EAGAIN) expect(new TextDecoder().decode(whole.subarray(0, now))).toBe('some text');
  expect(readNow(fd, 100, into)).toSatisfy((count) => count === 0 || count === -EAGAIN);
  closeSync(fd);
});
