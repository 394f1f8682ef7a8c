/** A server that is killed between any two steps of what it does, and started again: programs see a pause. */
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { EIO } from '../../src/abi/errno.ts';
import { O_APPEND, O_CREAT, O_EXCL, O_LARGEFILE, O_RDWR } from '../../src/abi/fs.ts';
import { type IoMode, RemoteFs } from '../../src/remote/client/remote-fs.ts';
import { HIDDEN } from '../../src/remote/server/hidden.ts';
import type { Shadow } from '../../src/remote/server/shadow.ts';
import type { Transport, TransportListener } from '../../src/remote/transport.ts';
import { link, mkdir, symlink } from '../../src/vfs/create.ts';
import { openPath } from '../../src/vfs/open.ts';
import type { OpenFile } from '../../src/vfs/open-file.ts';
import { rmdir, unlink } from '../../src/vfs/remove.ts';
import { rename } from '../../src/vfs/rename.ts';
import { walk } from '../../src/vfs/walk.ts';
import { failed } from '../../src/wait/wait.ts';
import { badConnection } from '../support/chaos.ts';
import { shadowOf } from '../support/loopback.ts';
import { MemoryJournals } from '../support/memory-journals.ts';
import { Patient } from '../support/patient.ts';
import { hostDirectory, hostFs } from '../support/trees.ts';

const clock = { now: () => performance.now() * 1e6, realtime: () => BigInt(Date.now()) * 1_000_000n };

class Home {
  readonly path = hostDirectory();
  readonly journals = new MemoryJournals();
  readonly lines: string[] = [];
  #shadow: Shadow;
  #connection: Transport | null = null;
  #steps = 0;
  crashes = 0;
  /** A server that was started anew is killed, too, when so many pieces have come from the client. */
  patience = Number.POSITIVE_INFINITY;

  constructor() {
    this.#shadow = this.#start();
  }

  #start(): Shadow {
    return shadowOf(hostFs(this.path), { journals: this.journals, clock });
  }

  connect(io: IoMode): Promise<RemoteFs> {
    const dial = async () => {
      const [here, there] = badConnection({ random: () => 1, breaks: 0, delay: 0 });
      this.#connection = there;
      this.#shadow.accept(this.crashes === 1 ? this.#impatient(there) : there);
      return here;
    };
    const log = (line: string) => this.lines.push(line);
    return RemoteFs.connect({ dial, retry: 20_000, log, path: '', device: 60, io });
  }

  #impatient(there: Transport): Transport {
    const receive = (listener: TransportListener) =>
      there.receive({
        ...listener,
        data: (bytes) => {
          if (this.patience-- > 0) listener.data(bytes);
          else if (this.crashes === 1) this.crash();
        },
      });
    return { backlog: 0, send: (bytes) => there.send(bytes), receive, close: () => there.close() };
  }

  /** Nothing that this server does now is heard of. */
  crash(): void {
    this.crashes++;
    this.#connection?.close();
    this.#shadow = this.#start();
  }

  /** Crashes when so many steps were done, and then again after as many; what happens at home meanwhile. */
  crashAt(step: number, again: boolean, meanwhile = () => {}): void {
    this.journals.onAppend = () => {
      if (++this.#steps !== step) return;
      if (again) this.#steps = 0;
      this.crash();
      meanwhile();
      throw new Error('crashed');
    };
  }

  sweep(): void {
    this.#shadow.sweep();
  }
}

const bytes = (text: string) => new TextEncoder().encode(text);

/** Everything that must happen once, one after the other; what each step answered. */
async function voyage(task: Patient): Promise<unknown[]> {
  const answers: unknown[] = [];
  const { root } = task;
  const say = async (step: Promise<unknown>) => {
    const answer = await step;
    answers.push(failed(answer) || typeof answer === 'number' ? answer : 'a file');
    return answer;
  };
  const open = (path: string, flags: number) =>
    say(task.run((ctx) => openPath(ctx, root, path, flags | O_LARGEFILE, 0o644))) as Promise<OpenFile>;
  const put = (file: OpenFile, text: string) => say(task.run((s) => file.write(s, bytes(text))));
  const close = async (file: OpenFile) => {
    await say(task.run((s) => file.flush(s)));
    file.drop();
  };
  await say(task.run((ctx) => mkdir(ctx, root, 'd', 0o755)));
  await say(task.run((ctx) => mkdir(ctx, root, 'd', 0o755)));
  const first = (await open('d/first', O_CREAT | O_EXCL | O_RDWR)).hold();
  await put(first, 'one\n');
  await put(first, 'two\n');
  const log = (await open('d/log', O_CREAT | O_APPEND | O_RDWR)).hold();
  for (const i of [1, 2, 3]) await put(log, `line ${i}\n`);
  await close(log);
  const logged = await task.run((ctx) => walk(ctx, root, 'd/log'));
  if (failed(logged)) throw new Error(String(logged));
  await say(task.run((ctx) => link(ctx, logged, root, 'd/second')));
  await say(task.run((ctx) => symlink(ctx, 'log', root, 'd/link')));
  const over = (await open('d/over', O_CREAT | O_RDWR)).hold();
  await put(over, 'kept though it has no name\n');
  await say(task.run((s) => over.flush(s)));
  await say(task.run((ctx) => rename(ctx, root, 'd/first', root, 'd/over')));
  await say(task.run((ctx) => unlink(ctx, root, 'd/second')));
  await say(task.run((ctx) => unlink(ctx, root, 'd/second')));
  await say(task.run((ctx) => unlink(ctx, root, 'd/over')));
  await put(first, 'three\n');
  for (const file of [first, over]) {
    const into = new Uint8Array(100);
    const count = await task.run((s) => file.readAt(s, 0, into));
    answers.push(new TextDecoder().decode(into.subarray(0, Math.max(0, count))));
    await close(file);
  }
  await say(task.run((ctx) => mkdir(ctx, root, 'gone', 0o755)));
  await say(task.run((ctx) => rmdir(ctx, root, 'gone')));
  return answers;
}

const LOG = 'line 1\nline 2\nline 3\n';

test.each(['direct', 'cached'] as const)(
  'killed at any step, everything happens once (%s)',
  async (io) => {
    const still = new Home();
    const expected = await voyage(new Patient(await still.connect(io)));
    let crashes = 1;
    for (let step = 1; crashes > 0; step++) {
      const home = new Home();
      const fs = await home.connect(io);
      home.crashAt(step, step > 5);
      expect(await voyage(new Patient(fs)), `a crash at step ${step}`).toEqual(expected);
      await fs.finish();
      ({ crashes } = home);
      expect(home.lines).toEqual([]);
      expect(readdirSync(home.path)).toEqual(['d']);
      expect(readdirSync(join(home.path, 'd')).sort()).toEqual(['link', 'log']);
      expect(readFileSync(join(home.path, 'd/log'), 'utf8')).toBe(LOG);
      expect(readlinkSync(join(home.path, 'd/link'))).toBe('log');
    }
  },
  60_000,
);

test('killed again while clients find their files again', async () => {
  const still = new Home();
  const expected = await voyage(new Patient(await still.connect('direct')));
  for (let patience = 0; patience < 12; patience++) {
    const home = new Home();
    const fs = await home.connect('direct');
    home.patience = patience;
    home.crashAt(20, false);
    expect(await voyage(new Patient(fs)), `killed again after ${patience} pieces`).toEqual(expected);
    expect(home.crashes).toBe(2);
    expect(home.lines).toEqual([]);
    await fs.finish();
  }
});

test('what cannot be told is EIO, with a line: somebody else may have removed what was made', async () => {
  const home = new Home();
  const task = new Patient(await home.connect('direct'));
  home.crashAt(3, false, () => rmSync(join(home.path, 'd'), { recursive: true }));
  expect(await task.run((ctx) => mkdir(ctx, task.root, 'd', 0o755))).toBe(-EIO);
  expect(home.lines).toEqual([expect.stringMatching(/whether mkdir was done cannot be told: EIO/)]);
});

test("a name that somebody else took meanwhile is not taken for one's own", async () => {
  const home = new Home();
  const task = new Patient(await home.connect('direct'));
  // The intent is there, nothing was done.
  home.crashAt(2, false, () => writeFileSync(join(home.path, 'lock'), 'theirs'));
  const answer = await task.run((ctx) => mkdir(ctx, task.root, 'lock', 0o755));
  expect(answer).toBeLessThan(0);
  expect(readFileSync(join(home.path, 'lock'), 'utf8')).toBe('theirs');
});

test('files without a name are not seen, and go when nobody can come back for them', async () => {
  const home = new Home();
  const fs = await home.connect('direct');
  const task = new Patient(fs);
  mkdirSync(join(home.path, 'd'));
  writeFileSync(join(home.path, 'd/f'), 'text');
  const file = await task.run((ctx) => openPath(ctx, task.root, 'd/f', O_RDWR | O_LARGEFILE, 0));
  if (failed(file)) throw new Error(String(file));
  file.hold();
  expect(await task.run((ctx) => unlink(ctx, task.root, 'd/f'))).toBe(0);
  expect(await task.run((ctx) => rmdir(ctx, task.root, 'd'))).toBe(0);
  expect(readdirSync(home.path)).toEqual([HIDDEN]);
  expect(await task.run((ctx) => openPath(ctx, task.root, HIDDEN, O_RDWR, 0))).toBeLessThan(0);
  expect(await task.run((ctx) => mkdir(ctx, task.root, HIDDEN, 0o755))).toBeLessThan(0);
  expect(await task.run((s) => file.inode.attributes(s))).toMatchObject({ nlink: 0, size: 4 });
  home.crash();
  home.sweep();
  expect(await task.run((s) => file.inode.attributes(s))).toMatchObject({ nlink: 0, size: 4 });
  fs.close();
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(existsSync(join(home.path, HIDDEN))).toBe(false);
  expect(home.journals.sessions).toBe(0);
});
