/**
 * A machine goes to another host: its memory while it runs, what it has changed since while it stands still. It goes on here
 * unless the other side may have started it; when that has said so, this process only serves it (docs/CHECKPOINT.md).
 */
import { hostname } from 'node:os';
import type { History } from '../../checkpoint/cores.ts';
import { StreamSink } from '../../checkpoint/image-stream.ts';
import { NodeHost } from '../../host/node.ts';
import { type Channel, Mux } from '../../remote/mux.ts';
import { Shadow } from '../../remote/server/shadow.ts';
import type { FileSystem } from '../../vfs/inode.ts';
import { viewsOf } from '../bring-home.ts';
import type { ControlCommand, Running } from '../control/commands.ts';
import { HomeStreams } from '../on/home-streams.ts';
import { talk } from '../on/messages.ts';
import { Home } from './home.ts';
import type { Decision, FromSource, FromTarget, TreesMessage } from './messages.ts';
import { type Destination, Passage } from './passage.ts';

/** Passes while the machine runs: until so little has changed in one, and not more than so many. */
const LITTLE = 4 << 20;
const MOST_PASSES = 5;
/** Bytes under way at a time. */
const BACKLOG = 8 << 20;

export interface Moved {
  /** Milliseconds between its last instruction here and its first there, as far as that can be seen from here. */
  readonly downtime: number;
  readonly passes: number;
  /** Bytes that went over the connection: while it ran, and while it stood still. */
  readonly before: number;
  readonly after: number;
}

export const migrate: ControlCommand = async (running, argument): Promise<Moved> => {
  refuseWhatStays(running);
  const { session } = running;
  session.isMoving = true;
  try {
    const departure = new Departure(running, await Passage.begin(argument as unknown as Destination));
    return await departure.go();
  } finally {
    session.isMoving = false;
  }
};

function refuseWhatStays({ machine, session, values, screen }: Running): void {
  const { layers } = machine.layers;
  if (values.record !== undefined) throw new Error('it is being recorded');
  if (screen !== undefined) throw new Error('it has a terminal of its own (run -d --tty), which cannot go along');
  if (layers.length > 0) throw new Error(`layers cannot go along: ${layers.map(({ name }) => name).join(', ')}`);
  if (viewsOf(machine).length > 0) throw new Error('its changes are to go home from here (--io session)');
  if (session.elsewhere !== undefined) throw new Error('it runs elsewhere already');
  if (session.isMoving) throw new Error('it is on its way already');
}

class Departure {
  readonly #running: Running;
  readonly #passage: Passage;
  readonly #mux: Mux;
  readonly #tell: (message: FromSource) => void;
  readonly #images: Channel;
  readonly #streams: HomeStreams;
  #home: Home | null = null;
  #startedAt = 0;
  /** What is being waited for. */
  #awaited: { kind: FromTarget['kind']; resolve: () => void; reject: (error: Error) => void } | null = null;
  #failure: Error | null = null;

  constructor(running: Running, passage: Passage) {
    this.#running = running;
    this.#passage = passage;
    this.#mux = new Mux(passage.line, 1);
    const shadow = serve(running);
    this.#mux.onOpen = (channel) => shadow.accept(channel);
    passage.onLost = (reason) => this.#fail(new Error(`the connection was lost: ${reason}`));
    passage.onDecision = (decision) => this.#decided(decision);
    this.#tell = talk<FromSource, FromTarget>(this.#mux.open(), (message) => this.#hear(message));
    this.#images = this.#mux.open();
    this.#images.receive({ data: () => {}, closed: () => {}, drained: () => this.#wake() });
    this.#streams = new HomeStreams(running.stdio);
    this.#mux.start();
    this.#tell({ kind: 'trees', trees: treesOf(running) });
  }

  async go(): Promise<Moved> {
    const { machine } = this.#running;
    const history: History = new Map();
    const options = { history, files: 'content' } as const;
    let [before, passes] = [0, 0];
    try {
      for (let sent = Infinity; sent > LITTLE && passes < MOST_PASSES; passes++) {
        const sink = this.#sink(() => this.#expect('taken'));
        await machine.checkpoint(sink, options);
        sent = sink.sent;
        before += sent;
      }
      const channels = this.#streams.plan.streams.map(({ reads, terminal }) => this.#mux.open(reads || terminal));
      this.#tell({ kind: 'move', image: passes + 1, user: ownerOf(), ...this.#streams.plan });
      let stopped = 0;
      const sink = this.#sink(async () => {
        stopped = performance.now();
        await this.#expect('prepared');
        await this.#commit(channels);
      });
      const { pause } = await machine.checkpoint(sink, { ...options, stop: true });
      const downtime = pause + this.#startedAt - stopped;
      return { downtime, passes, before, after: sink.sent };
    } catch (error) {
      this.#passage.close();
      throw error;
    }
  }

  /** Beyond this line the machine runs here only when the other side says that it never will. */
  async #commit(channels: readonly Channel[]): Promise<void> {
    const { session } = this.#running;
    const home = new Home(this.#passage, this.#streams, channels, this.#tell);
    const started = this.#expect('started');
    this.#passage.mayStart();
    this.#tell({ kind: 'commit' });
    await started;
    this.#startedAt = performance.now();
    this.#passage.started();
    this.#home = home;
    this.#passage.onLost = (reason) => home.lost(reason);
    session.goesOnElsewhere(home);
  }

  #sink(done: () => Promise<void>): StreamSink {
    return new StreamSink((bytes) => this.#images.send(bytes), this.#room, done);
  }

  /** The machine has its turn at least once. */
  readonly #room = async (): Promise<void> => {
    await this.#running.machine.kernel.host.yield();
    while (this.#images.backlog > BACKLOG && this.#failure === null) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#failure !== null) throw this.#failure;
  };
  #wake: () => void = () => {};

  #expect(kind: FromTarget['kind']): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== null) return reject(this.#failure);
      this.#awaited = { kind, resolve, reject };
    });
  }

  #hear(message: FromTarget): void {
    if (this.#awaited?.kind === message.kind) {
      const { resolve } = this.#awaited;
      this.#awaited = null;
      return resolve();
    }
    if (this.#home !== null) return void this.#home.hear(message);
    if (message.kind === 'failure') return this.#fail(new Error(message.message));
    if (message.kind === 'say') this.#running.machine.kernel.host.log(message.line);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#awaited?.reject(error);
    this.#awaited = null;
    this.#wake();
  }

  /** The other side is gone. Before it had begun, the machine goes on here; else it has ended with it. */
  #decided(decision: Decision): void {
    if (this.#home !== null) return this.#home.lost('the other side has ended');
    if (decision === 'aborted') return this.#fail(new Error('the other side ended before it had started the machine'));
    const home = new Home(this.#passage, this.#streams, [], this.#tell);
    this.#running.session.goesOnElsewhere(home);
    home.lost('the machine had started there, and ended with the other side');
    this.#awaited?.resolve();
  }
}

const exportOf = (index: number) => `/${index}`;

/** Trees of this host: those of other machines are asked from there. */
function localTrees({ namespace }: Running['machine']): FileSystem[] {
  const all = namespace.mounts.map(({ fs }) => ('lower' in fs ? (fs.lower as FileSystem) : fs));
  return [...new Set(all)].filter(({ origin }) => origin !== undefined && origin.kind !== 'remote');
}

function treesOf({ machine }: Running): TreesMessage['trees'] {
  const all = localTrees(machine).map(({ origin, device }, i) => [origin!.source, { path: exportOf(i), device }]);
  return Object.fromEntries(all);
}

function serve({ machine }: Running): Shadow {
  const host = new NodeHost();
  const exports = localTrees(machine).map((fs, i) => ({ path: exportOf(i), fs }));
  return new Shadow({
    exports: exports.length > 0 ? exports : [{ path: '/none', fs: machine.memfs() }],
    clock: host,
    randomBytes: (count) => host.randomBytes(count),
    ...ownerOf(),
    host: hostname(),
    log: () => {},
  });
}

function ownerOf() {
  return { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, groups: process.getgroups?.() ?? [] };
}
