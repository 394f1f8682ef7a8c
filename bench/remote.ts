/** Files elsewhere: calls, throughput, small files, compiling and starting over 20 ms; beside sshfs where there is one. */
import { open as openFile } from 'node:fs/promises';
import { join } from 'node:path';
import { O_CREAT, O_LARGEFILE, O_RDONLY, O_TRUNC, O_WRONLY } from '../src/abi/fs.ts';
import { dialer } from '../src/host/transport/dial.ts';
import { type IoMode, RemoteFs } from '../src/remote/client/remote-fs.ts';
import { parseRemoteUrl, type RemoteUrl } from '../src/remote/url.ts';
import type { Traffic } from '../src/vfs/inode.ts';
import { openPath } from '../src/vfs/open.ts';
import type { OpenFile } from '../src/vfs/open-file.ts';
import { walk } from '../src/vfs/walk.ts';
import { failed } from '../src/wait/wait.ts';
import { Patient } from '../test/support/patient.ts';
import { run, tallship } from '../test/support/run.ts';
import type { Row } from './main.ts';
import { MAIN, output, sysroot } from './measure.ts';
import { FILES, ROUND_TRIP, Served, sshfsMissing, writeProject } from './served.ts';

const CALLS = 5000;
const BATCHES = 50;
const BYTES = 1 << 30;
const PIECE = 1 << 20;

type Way = RemoteUrl & { kind: 'unix' | 'exec' };

async function connect(way: Way, io: IoMode): Promise<{ fs: RemoteFs; task: Patient }> {
  const fs = await RemoteFs.connect({ dial: dialer(way), retry: 0, log: () => {}, path: '', device: 1, io });
  return { fs, task: new Patient(fs) };
}

const unix = (socket: string): Way => ({ kind: 'unix', socket, path: '' });

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
async function callCost(way: Way): Promise<number> {
  const { fs, task } = await connect(way, 'direct');
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

interface Rates {
  /** Megabytes a second. */
  write: number;
  read: number;
}

const since = (start: number) => BYTES / 1e3 / (performance.now() - start);

/** Written to home's disk cache, and read again by another client. */
async function throughput(way: Way): Promise<Rates> {
  const piece = new Uint8Array(PIECE).fill(1);
  const writer = await connect(way, 'cached');
  let start = performance.now();
  const out = await open(writer.task, 'large', O_WRONLY | O_CREAT | O_TRUNC);
  for (let at = 0; at < BYTES; at += PIECE) await writer.task.run((s) => out.write(s, piece));
  await close(writer.task, out);
  const write = since(start);
  await writer.fs.finish();
  writer.fs.close();
  const reader = await connect(way, 'cached');
  start = performance.now();
  const input = await open(reader.task, 'large', O_RDONLY);
  for (let at = 0; at < BYTES; at += PIECE) await reader.task.run((s) => input.readAt(s, at, piece));
  await close(reader.task, input);
  const read = since(start);
  await reader.fs.finish();
  reader.fs.close();
  return { write, read };
}

/** The same through sshfs: another mount reads, without what the first has in its cache. */
async function sshfsThroughput(served: Served): Promise<Rates> {
  const piece = new Uint8Array(PIECE).fill(1);
  const first = await served.sshfs();
  let start = performance.now();
  const out = await openFile(join(first.path, 'large'), 'w');
  for (let at = 0; at < BYTES; at += PIECE) await out.write(piece);
  await out.close();
  const write = since(start);
  first.close();
  const second = await served.sshfs();
  start = performance.now();
  const input = await openFile(join(second.path, 'large'), 'r');
  for (let at = 0; at < BYTES; at += PIECE) await input.read(piece, 0, PIECE, at);
  await input.close();
  const read = since(start);
  second.close();
  return { write, read };
}

/** Seconds for open, read and close of a thousand small files, after one listing of their directory. */
async function smallFiles(way: Way): Promise<number> {
  const { fs, task } = await connect(way, 'cached');
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

async function sshfsSmallFiles(served: Served): Promise<number> {
  const mounted = await served.sshfs(true);
  const { readdir, readFile } = await import('node:fs/promises');
  const names = await readdir(join(mounted.path, 'small'));
  const start = performance.now();
  for (const name of names) await readFile(join(mounted.path, 'small', name));
  const seconds = (performance.now() - start) / 1000;
  mounted.close();
  return seconds;
}

/** Seconds that make and gcc of this machine take on the project. */
async function nativeMake(project: string, directory = project): Promise<number> {
  // Not through a mount that this very process serves the link of.
  writeProject(project);
  const start = performance.now();
  const { status, stderr } = await run('make', ['-C', directory, '-j4', 'CC=gcc']);
  if (status !== 0) throw new Error(`make: ${stderr}`);
  return (performance.now() - start) / 1000;
}

/** What a run of make on the project has waited for, and the seconds that it took. */
async function compile(root: string, served: Served, io: string): Promise<{ seconds: number; waits: number }> {
  writeProject(join(served.home, io));
  const start = performance.now();
  const files = ['-L', root, '--io', io, '-M', `/w=unix:${served.slow}`, '-C', `/w/${io}`];
  const { status, stderr } = await tallship(['run', '-q', '--stats', '--json', ...files, 'make', '-j4', 'CC=gcc'], {
    timeout: 1_200_000,
  });
  if (status !== 0) throw new Error(`make: ${stderr}`);
  const seconds = (performance.now() - start) / 1000;
  return { seconds, waits: (JSON.parse(stderr) as { remote: Traffic[] }).remote[0].waits };
}

async function waitsToStart(root: string): Promise<number> {
  const served = `${process.execPath} ${MAIN} serve --force -q --stdio -e ${root}`;
  const delayed = join(import.meta.dirname, '../test/support/delayed.mjs');
  const { stderr } = await tallship([
    ...['run', '--stats', '--json', '--remote', `exec:${process.execPath} ${delayed} '${served}'`, '/bin/echo'],
  ]);
  const { waits } = (JSON.parse(stderr) as { remote: Traffic[] }).remote[0];
  // hello and attach
  return waits + 2;
}

function rateRows(what: string, ours: Rates, theirs: Rates | null): Row[] {
  return (['write', 'read'] as const).map((way) => ({
    ...{ what: `${way} 1 GB ${what}`, value: ours[way], unit: 'MB/s' },
    ...(theirs === null ? {} : { atLeast: 3 * theirs[way], note: `sshfs ${theirs[way].toFixed(0)} MB/s` }),
  }));
}

export async function remote(): Promise<Row[]> {
  const served = await Served.start();
  const missing = sshfsMissing();
  try {
    const rows: Row[] = [
      { what: 'a request in direct mode', value: await callCost(unix(served.socket)), unit: 'us', atMost: 60 },
    ];
    const theirs = missing === null ? await sshfsThroughput(served) : null;
    rows.push(...rateRows('over a UNIX socket', await throughput(unix(served.socket)), theirs));
    if (missing === null) rows.push(...rateRows('over ssh', await throughput(await overSsh(served)), theirs));
    rows.push({
      ...{ what: 'open, read, close 1000 small files over 20 ms, after a listing', unit: 's', atMost: 2 },
      value: await smallFiles(unix(served.slow)),
      note: missing ?? `sshfs ${(await sshfsSmallFiles(served)).toFixed(1)} s`,
    });
    const root = sysroot();
    if (root === undefined) return rows;
    rows.push({
      what: 'round trips until a dynamic program runs',
      value: await waitsToStart(root),
      unit: '',
      atMost: 15,
    });
    return [...rows, ...(await compileRows(root, served, missing))];
  } finally {
    served.close();
  }
}

/**
 * What files 20 ms away add: for us, as if no wait was at the same time as another; for sshfs, to native compilers. Our compilers
 * themselves take longer than native ones, which says nothing about files.
 */
async function compileRows(root: string, served: Served, missing: string | null): Promise<Row[]> {
  let theirs: number | undefined;
  if (missing === null && output(['gcc', '--version']) !== undefined && output(['make', '--version']) !== undefined) {
    const mounted = await served.sshfs(true);
    const [project, directory] = [join(served.home, 'sshfs'), join(mounted.path, 'sshfs')];
    theirs = (await nativeMake(project, directory)) - (await nativeMake(join(served.home, 'here')));
    mounted.close();
  }
  const rows: Row[] = [];
  for (const io of ['cached', 'session']) {
    const { seconds, waits } = await compile(root, served, io);
    rows.push({
      ...{ what: `make of 21 files over 20 ms, ${io}: waiting for files`, unit: 's', value: waits * ROUND_TRIP },
      ...(theirs === undefined ? {} : { atMost: theirs / 3 }),
      note: `in all ${seconds.toFixed(0)} s; sshfs ${theirs === undefined ? 'not measured' : `${theirs.toFixed(1)} s`}`,
    });
  }
  return rows;
}

/** The way that a user takes to another machine: ssh starts the server there. */
async function overSsh(served: Served): Promise<Way> {
  const { client, port } = await served.sshd();
  const there = `${process.execPath} ${MAIN} serve --force -q --stdio -e ${served.home}`;
  const url = parseRemoteUrl(`exec:${join(client, 'ssh')} -p ${port} 127.0.0.1 ${there}`);
  if (typeof url === 'string' || url.kind !== 'exec') throw new Error('not a command');
  return url;
}
