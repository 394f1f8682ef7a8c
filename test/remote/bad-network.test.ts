/** Programs see pauses only: connections that break, servers that are started anew, files that are replaced meanwhile. */
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { EEXIST, EIO, ENOENT, ESTALE } from '../../src/abi/errno.ts';
import { O_APPEND, O_CREAT, O_EXCL, O_LARGEFILE, O_RDONLY, O_RDWR, O_WRONLY } from '../../src/abi/fs.ts';
import { type IoMode, RemoteFs } from '../../src/remote/client/remote-fs.ts';
import type { Shadow } from '../../src/remote/server/shadow.ts';
import { mkdir } from '../../src/vfs/create.ts';
import { openPath } from '../../src/vfs/open.ts';
import type { OpenFile } from '../../src/vfs/open-file.ts';
import { unlink } from '../../src/vfs/remove.ts';
import { rename } from '../../src/vfs/rename.ts';
import { failed } from '../../src/wait/wait.ts';
import { badConnection, type Weather } from '../support/chaos.ts';
import { shadowOf } from '../support/loopback.ts';
import { Patient } from '../support/patient.ts';
import { hostDirectory, hostFs } from '../support/trees.ts';

/** The same weather each time. */
function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

class Home {
  readonly path = hostDirectory();
  readonly weather: Weather;
  readonly lines: string[] = [];
  shadow: Shadow | null;
  connections = 0;

  constructor(weather: Weather) {
    this.weather = weather;
    this.shadow = shadowOf(hostFs(this.path));
  }

  connect(io: IoMode, retry = 20_000): Promise<RemoteFs> {
    return RemoteFs.connect({
      dial: async () => {
        if (this.shadow === null) throw new Error('nobody listens');
        const [here, there] = badConnection(this.weather);
        this.shadow.accept(there);
        this.connections++;
        return here;
      },
      retry,
      log: (line) => this.lines.push(line),
      path: '',
      device: 60,
      io,
    });
  }

  /** The server is killed, and started again. */
  restart(): void {
    this.shadow!.close();
    this.shadow = shadowOf(hostFs(this.path));
  }
}

async function open(task: Patient, path: string, flags: number): Promise<OpenFile> {
  const file = await task.run((ctx) => openPath(ctx, task.root, path, flags | O_LARGEFILE, 0o644));
  if (failed(file)) throw new Error(`${path}: ${file}`);
  return file.hold();
}

const bytes = (text: string) => new TextEncoder().encode(text);

async function text(task: Patient, path: string): Promise<string> {
  const file = await open(task, path, O_RDONLY);
  const into = new Uint8Array(1 << 20);
  const count = await task.run((s) => file.readAt(s, 0, into));
  file.drop();
  return count < 0 ? `error ${count}` : new TextDecoder().decode(into.subarray(0, count));
}

async function close(task: Patient, file: OpenFile): Promise<number> {
  const flushed = await task.run((s) => file.flush(s));
  file.drop();
  return flushed;
}

/** Makes files, appends, renames and removes, and knows what has to come of it. */
async function work(task: Patient, name: string, rounds: number): Promise<void> {
  expect(await task.run((ctx) => mkdir(ctx, task.root, name, 0o755))).toBe(0);
  for (let i = 0; i < rounds; i++) {
    const path = `${name}/file${i}`;
    const file = await open(task, path, O_RDWR | O_CREAT | O_EXCL);
    for (let k = 0; k < 5; k++) {
      const part = bytes(`${name} ${i} ${k}\n`);
      expect(await task.run((s) => file.write(s, part))).toBe(part.length);
    }
    expect(await close(task, file)).toBe(0);
    const log = await open(task, `${name}/log`, O_WRONLY | O_CREAT | O_APPEND);
    const line = bytes(`line ${i}\n`);
    expect(await task.run((s) => log.write(s, line))).toBe(line.length);
    expect(await close(task, log)).toBe(0);
    expect(await task.run((ctx) => rename(ctx, task.root, path, task.root, `${name}/kept${i}`))).toBe(0);
    if (i % 3 === 0) expect(await task.run((ctx) => unlink(ctx, task.root, `${name}/kept${i}`))).toBe(0);
    const again = await task.run((ctx) =>
      openPath(ctx, task.root, `${name}/kept${i}`, O_CREAT | O_EXCL | O_RDWR, 0o600),
    );
    expect(again).toSatisfy((answer: unknown) => (i % 3 === 0 ? !failed(answer) : answer === -EEXIST));
    if (!failed(again)) await close(task, again.hold());
  }
}

function check(path: string, name: string, rounds: number): void {
  const log = Array.from({ length: rounds }, (_, i) => `line ${i}\n`).join('');
  expect(readFileSync(join(path, name, 'log'), 'utf8')).toBe(log);
  for (let i = 0; i < rounds; i++) {
    const expected = i % 3 === 0 ? '' : Array.from({ length: 5 }, (_, k) => `${name} ${i} ${k}\n`).join('');
    expect(readFileSync(join(path, name, `kept${i}`), 'utf8')).toBe(expected);
  }
  expect(readdirSync(join(path, name)).length).toBe(rounds + 1);
}

test.each(['direct', 'cached'] as const)(
  'connections that break: everything happens once (%s)',
  async (io) => {
    const home = new Home({ random: dice(7), breaks: 0, delay: 0 });
    const fs = await home.connect(io);
    home.weather.breaks = 0.02;
    home.weather.delay = 2;
    const task = new Patient(fs);
    await Promise.all(['a', 'b', 'c'].map((name) => work(task.sibling(), name, 12)));
    home.weather.breaks = 0;
    await fs.finish();
    for (const name of ['a', 'b', 'c']) check(home.path, name, 12);
    expect(home.connections).toBeGreaterThan(5);
    expect(home.lines).toEqual([]);
  },
  60_000,
);

test.each(['direct', 'cached'] as const)('a server that is started anew: open files go on (%s)', async (io) => {
  const home = new Home({ random: dice(3), breaks: 0, delay: 0 });
  mkdirSync(join(home.path, 'd'));
  writeFileSync(join(home.path, 'd/f'), 'before\n');
  const fs = await home.connect(io);
  const task = new Patient(fs);
  const file = await open(task, 'd/f', O_RDWR | O_APPEND);
  home.restart();
  const line = bytes('after\n');
  expect(await task.run((s) => file.write(s, line))).toBe(line.length);
  expect(await close(task, file)).toBe(0);
  expect(await text(task, 'd/f')).toBe('before\nafter\n');
  home.restart();
  expect(await text(task, 'd/f')).toBe('before\nafter\n');
  await fs.finish();
  expect(readFileSync(join(home.path, 'd/f'), 'utf8')).toBe('before\nafter\n');
});

test('a file that was replaced while the server was away gives ESTALE, with a line', async () => {
  const home = new Home({ random: dice(3), breaks: 0, delay: 0 });
  writeFileSync(join(home.path, 'f'), 'old');
  writeFileSync(join(home.path, 'new'), 'new');
  const fs = await home.connect('direct');
  const task = new Patient(fs);
  const file = await open(task, 'f', O_RDONLY);
  renameSync(join(home.path, 'new'), join(home.path, 'f'));
  home.restart();
  expect(await task.run((s) => file.readAt(s, 0, new Uint8Array(3)))).toBe(-ESTALE);
  expect(home.lines).toEqual([expect.stringMatching(/^f: .*ESTALE$/)]);
  expect(await text(task, 'f')).toBe('new');
  expect(await task.run((ctx) => unlink(ctx, task.root, 'nothing'))).toBe(-ENOENT);
});

test('a server that stays away: EIO when the time is up, with a line', async () => {
  const home = new Home({ random: dice(3), breaks: 0, delay: 0 });
  const fs = await home.connect('direct', 200);
  const task = new Patient(fs);
  home.shadow!.close();
  home.shadow = null;
  expect(await task.run((ctx) => mkdir(ctx, task.root, 'd', 0o755))).toBe(-EIO);
  expect(home.lines.at(-1)).toMatch(/EIO/);
});
