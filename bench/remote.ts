/** Files elsewhere: what a call costs over a UNIX socket, throughput, and many small files over a link of 20 ms. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { O_CREAT, O_LARGEFILE, O_RDONLY, O_TRUNC, O_WRONLY } from '../src/abi/fs.ts';
import { dialer } from '../src/host/transport/dial.ts';
import { type IoMode, RemoteFs } from '../src/remote/client/remote-fs.ts';
import { openPath } from '../src/vfs/open.ts';
import type { OpenFile } from '../src/vfs/open-file.ts';
import { walk } from '../src/vfs/walk.ts';
import { failed } from '../src/wait/wait.ts';
import { cuttingProxy } from '../test/support/cutting-proxy.ts';
import { Patient } from '../test/support/patient.ts';
import type { Row } from './main.ts';
import { MAIN } from './measure.ts';

const CALLS = 5000;
const BATCHES = 50;
const BYTES = 256 << 20;
const PIECE = 1 << 20;
const FILES = 1000;

async function connect(socket: string, io: IoMode): Promise<{ fs: RemoteFs; task: Patient }> {
  const dial = dialer({ kind: 'unix', socket, path: '' });
  const fs = await RemoteFs.connect({ dial, retry: 0, log: () => {}, path: '', device: 1, io });
  return { fs, task: new Patient(fs) };
}

async function open(task: Patient, path: string, flags: number): Promise<OpenFile> {
  const file = await task.run((ctx) => openPath(ctx, task.root, path, flags | O_LARGEFILE, 0o644));
  if (failed(file)) throw new Error(`${path}: ${file}`);
  return file.hold();
}

async function close(task: Patient, file: OpenFile): Promise<void> {
  await task.run((s) => file.flush(s));
  file.drop();
}

/** Microseconds of one stat(2), of a name in the root, when every call goes home. */
async function callCost(socket: string): Promise<number> {
  const { fs, task } = await connect(socket, 'direct');
  const look = (count: number) => async () => {
    for (let i = 0; i < count; i++) {
      await task.run((ctx) => {
        const place = walk(ctx, task.root, 'small/0');
        return failed(place) ? place : place.dentry.inode!.attributes(ctx);
      });
    }
  };
  await look(CALLS)();
  const costs: number[] = [];
  // What others on the machine do meanwhile makes the longer ones.
  for (let batch = 0; batch < BATCHES; batch++) {
    const before = fs.traffic.waits;
    const start = performance.now();
    await look(CALLS / BATCHES)();
    costs.push(((performance.now() - start) * 1000) / (fs.traffic.waits - before));
  }
  await fs.finish();
  fs.close();
  return Math.min(...costs);
}

/** Megabytes a second, written to home's disk cache and read again by another client. */
async function throughput(socket: string): Promise<{ write: number; read: number }> {
  const piece = new Uint8Array(PIECE).fill(1);
  const writer = await connect(socket, 'cached');
  let start = performance.now();
  const out = await open(writer.task, 'large', O_WRONLY | O_CREAT | O_TRUNC);
  for (let at = 0; at < BYTES; at += PIECE) await writer.task.run((s) => out.write(s, piece));
  await close(writer.task, out);
  const write = BYTES / 1e3 / (performance.now() - start);
  await writer.fs.finish();
  writer.fs.close();
  const reader = await connect(socket, 'cached');
  start = performance.now();
  const input = await open(reader.task, 'large', O_RDONLY);
  for (let at = 0; at < BYTES; at += PIECE) await reader.task.run((s) => input.readAt(s, at, piece));
  await close(reader.task, input);
  const read = BYTES / 1e3 / (performance.now() - start);
  await reader.fs.finish();
  reader.fs.close();
  return { write, read };
}

/** Seconds for open, read and close of a thousand small files, after one listing of their directory. */
async function smallFiles(socket: string): Promise<number> {
  const { fs, task } = await connect(socket, 'cached');
  const directory = await open(task, 'small', O_RDONLY);
  await task.run((s) => directory.entries(s));
  const into = new Uint8Array(4096);
  const start = performance.now();
  for (let i = 0; i < FILES; i++) {
    const file = await open(task, `small/${i}`, O_RDONLY);
    if ((await task.run((s) => file.readAt(s, 0, into))) !== 100) throw new Error('a file was not read');
    await close(task, file);
  }
  const seconds = (performance.now() - start) / 1000;
  await fs.finish();
  fs.close();
  return seconds;
}

export async function remote(): Promise<Row[]> {
  const base = mkdtempSync(join(tmpdir(), 'tallship-bench-'));
  const home = join(base, 'home');
  const socket = join(base, 'socket');
  mkdirSync(join(home, 'small'), { recursive: true });
  for (let i = 0; i < FILES; i++) writeFileSync(join(home, 'small', String(i)), 'x'.repeat(100));
  const args = [MAIN, 'serve', '--force', '-q', '-l', `unix:${socket}`, '-e', home];
  const server = spawn(process.execPath, args, { stdio: 'ignore' });
  try {
    while (!existsSync(socket)) await new Promise((resolve) => setTimeout(resolve, 50));
    const slow = join(base, 'slow');
    const link = await cuttingProxy(slow, socket, { delay: 10, life: Number.POSITIVE_INFINITY });
    const rows: Row[] = [{ what: 'a request in direct mode', value: await callCost(socket), unit: 'us', atMost: 60 }];
    const { write, read } = await throughput(socket);
    rows.push(
      { what: 'write 256 MB, closed', value: write, unit: 'MB/s' },
      { what: 'read 256 MB', value: read, unit: 'MB/s' },
    );
    const files = await smallFiles(slow);
    rows.push({
      what: 'open, read, close 1000 small files over 20 ms, after a listing',
      value: files,
      unit: 's',
      atMost: 2,
    });
    link.close();
    return rows;
  } finally {
    server.kill();
    rmSync(base, { recursive: true, force: true });
  }
}
