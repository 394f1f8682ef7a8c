/** What comes over a connection is not trusted: a part of what scripts/fuzz-remote.ts does, and the rules of the server. */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { EPERM, EROFS } from '../../src/abi/errno.ts';
import { O_CREAT, O_LARGEFILE, O_RDWR, S_IFCHR } from '../../src/abi/fs.ts';
import { RemoteFs } from '../../src/remote/client/remote-fs.ts';
import { encodeHello } from '../../src/remote/messages.ts';
import type { ShadowOptions } from '../../src/remote/server/shadow.ts';
import { chmod } from '../../src/vfs/attributes.ts';
import { mknod } from '../../src/vfs/create.ts';
import { openPath } from '../../src/vfs/open.ts';
import { walk } from '../../src/vfs/walk.ts';
import { failed } from '../../src/wait/wait.ts';
import { fuzzClient, fuzzServer } from '../support/frame-fuzzer.ts';
import { loop, shadowOf } from '../support/loopback.ts';
import { Patient } from '../support/patient.ts';
import { hostFs } from '../support/trees.ts';

function directory(): string {
  return realpathSync(mkdtempSync(join(tmpdir(), 'tallship-test-')));
}

test('a server survives malformed frames, and nothing outside of the tree changes', () => {
  const outside = directory();
  const tree = join(outside, 'tree');
  mkdirSync(tree);
  writeFileSync(join(outside, 'secret'), 'secret');
  symlinkSync('../secret', join(tree, 'link'));
  expect(fuzzServer(hostFs(tree), 6000, 11)).toBeGreaterThan(500);
  expect(readdirSync(outside).sort()).toEqual(['secret', 'tree']);
  expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe('secret');
});

test('a client survives malformed frames', () => {
  expect(fuzzClient(6000, 5)).toBeGreaterThan(100);
});

async function connect(path: string, options: Partial<ShadowOptions> = {}, token?: Uint8Array, readOnly = false) {
  const shadow = shadowOf(hostFs(path, readOnly), options);
  const dial = async () => {
    const [here, there] = loop();
    shadow.accept(there);
    return here;
  };
  return RemoteFs.connect({ dial, token, retry: 0, log: () => {}, path: '', device: 1, io: 'direct' });
}

test('nobody gets in without the token', async () => {
  const path = directory();
  const token = new TextEncoder().encode('right');
  await expect(connect(path, { token }, new TextEncoder().encode('wrong'))).rejects.toThrow(/token/);
  await expect(connect(path, { token })).rejects.toThrow(/token/);
  await expect(connect(path, { token }, token)).resolves.toBeDefined();
});

test('a first frame that is none ends the connection', () => {
  const lines: string[] = [];
  const shadow = shadowOf(hostFs(directory()), { log: (line) => lines.push(line) });
  const [here, there] = loop();
  shadow.accept(there);
  const hello = encodeHello({ token: new Uint8Array(), session: 0, secret: new Uint8Array(), answered: 0 });
  hello[5] ^= 1;
  here.send(hello);
  expect(lines).toEqual(['refused: not a client of this protocol']);
});

test('set-id bits and devices are not made; a read-only export stays as it is', async () => {
  const path = directory();
  const task = new Patient(await connect(path));
  const file = await task.run((ctx) => openPath(ctx, task.root, 'f', O_CREAT | O_RDWR | O_LARGEFILE, 0o6755));
  expect(failed(file)).toBe(false);
  expect(statSync(join(path, 'f')).mode & 0o7777).toBe(0o755);
  const place = await task.run((ctx) => walk(ctx, task.root, 'f'));
  if (failed(place)) throw new Error(String(place));
  expect(await task.run((ctx) => chmod(ctx, place, 0o6711))).toBe(0);
  expect(statSync(join(path, 'f')).mode & 0o7777).toBe(0o711);
  expect(await task.run((ctx) => mknod(ctx, task.root, 'null', S_IFCHR | 0o666, 259))).toBe(-EPERM);
  const reader = new Patient(await connect(path, {}, undefined, true));
  expect(await reader.run((ctx) => openPath(ctx, reader.root, 'g', O_CREAT | O_RDWR, 0o644))).toBe(-EROFS);
  expect(readdirSync(path)).toEqual(['f']);
});
