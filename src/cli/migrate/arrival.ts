/** A machine that comes from elsewhere: made of the last of its images, and run when its source has given it up. */
import type { ImageSource } from '../../checkpoint/image.ts';
import { StreamReader } from '../../checkpoint/image-stream.ts';
import { allCompiled } from '../../cpu/interp/ahead.ts';
import { NodeHost } from '../../host/node.ts';
import { exitAtOnce } from '../../host/signals.ts';
import type { Machine } from '../../machine.ts';
import { restore } from '../../node.ts';
import { prepareCpu } from '../../node-cpu.ts';
import { RemoteFs } from '../../remote/client/remote-fs.ts';
import { type Channel, Mux } from '../../remote/mux.ts';
import type { FileSystem, TreeOrigin } from '../../vfs/inode.ts';
import { compileInterpreter } from '../ahead.ts';
import { EXIT } from '../error.ts';
import { CrewStreams } from '../on/crew-streams.ts';
import { talk } from '../on/messages.ts';
import { openTreeAgain } from '../remote.ts';
import { killAll, signalMachine } from '../session.ts';
import type { Berth } from './berth.ts';
import type { FromSource, FromTarget, MoveMessage, TreesMessage } from './messages.ts';

/** The source closes the connection when it has all; for one that does not, we wait no longer. */
const GRACE_MS = 5000;

export async function arrive(berth: Berth): Promise<number> {
  prepareCpu();
  const compiled = compileInterpreter().then(allCompiled);
  const mux = new Mux(berth.line, 2);
  const arrival = new Arrival(mux, berth, compiled);
  mux.onOpen = (channel) => arrival.opened(channel);
  mux.onClosed = () => exitAtOnce(EXIT.failure);
  mux.start();
  return new Promise(() => {});
}

/** The source opens the channel of messages first, then that of images, then one for each stream. */
class Arrival {
  readonly #mux: Mux;
  readonly #berth: Berth;
  readonly #ready: Promise<unknown>;
  #tell: ((message: FromTarget) => void) | null = null;
  #reader: StreamReader | null = null;
  readonly #channels: Channel[] = [];
  readonly #trees = new Map<string, Promise<FileSystem>>();
  #images = 0;
  #move: MoveMessage | null = null;
  #machine: Machine | null = null;
  #streams: CrewStreams | null = null;

  /** @param ready what need not be waited for when the machine stands still. */
  constructor(mux: Mux, berth: Berth, ready: Promise<unknown>) {
    this.#ready = ready;
    this.#mux = mux;
    this.#berth = berth;
  }

  opened(channel: Channel): void {
    if (this.#tell === null) {
      this.#tell = talk<FromTarget, FromSource>(channel, (message) => this.#hear(message));
    } else if (this.#reader === null) {
      const reader = new StreamReader((image) => this.#taken(image));
      this.#reader = reader;
      channel.receive({ data: (bytes) => this.#guard(() => reader.data(bytes)), closed: () => {} });
    } else this.#channels.push(channel);
  }

  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #fail(error: Error): void {
    this.#end({ kind: 'failure', status: EXIT.failure, message: error.message });
  }

  #end(message: FromTarget): void {
    this.#tell!(message);
    setTimeout(() => exitAtOnce(EXIT.failure), GRACE_MS);
  }

  readonly #say = (line: string): void => this.#tell!({ kind: 'say', line });

  #taken(image: ImageSource): void {
    if (++this.#images !== this.#move?.image) return void this.#ready.then(() => this.#tell!({ kind: 'taken' }));
    this.#prepare(image, this.#move).then(
      () => this.#tell!({ kind: 'prepared' }),
      (error) => this.#fail(error),
    );
  }

  async #prepare(image: ImageSource, move: MoveMessage): Promise<void> {
    const host = new NodeHost(this.#say);
    this.#streams = new CrewStreams(move, this.#channels, host);
    const machine = await restore(image, {
      ...{ host, console: this.#streams.makeConsole, warn: this.#say },
      files: (made) => this.#streams!.open(made as Machine, move.user),
      connect: (origin, device) => this.#treeOf(origin, device),
    });
    machine.kernel.onStop = (group, signal) => {
      if (group.id === machine.first) this.#tell!({ kind: 'stopped', signal });
    };
    this.#machine = machine;
  }

  /** What was the source's own comes from there. */
  #connectAll({ trees }: TreesMessage): void {
    const dial = async () => this.#mux.open();
    for (const [source, { path, device }] of Object.entries(trees)) {
      const connecting = RemoteFs.connect({ dial, retry: 0, log: this.#say, path, device, io: 'cached' });
      connecting.catch(() => {}); // whoever needs it will hear of it
      this.#trees.set(source, connecting);
    }
  }

  /** Other machines are asked from here. */
  #treeOf(origin: TreeOrigin, device: number): Promise<FileSystem> {
    return this.#trees.get(origin.source) ?? openTreeAgain(origin, EMPTY, device);
  }

  #hear(message: FromSource): void {
    const machine = this.#machine;
    if (message.kind === 'move') this.#move = message;
    else if (message.kind === 'trees') this.#connectAll(message);
    else if (machine === null) return;
    else if (message.kind === 'commit') void this.#run(machine).catch((error) => this.#fail(error));
    else if (message.kind === 'size') this.#streams!.resize(message.size);
    else if (message.kind === 'signal') signalMachine(machine, machine.first, message.name);
    else killAll(machine);
  }

  async #run(machine: Machine): Promise<void> {
    if (!this.#berth.start()) exitAtOnce(EXIT.failure);
    this.#tell!({ kind: 'started' });
    this.#streams!.start();
    const end = await machine.run();
    await this.#streams!.flushed();
    this.#mux.onClosed = () => {
      this.#berth.forget();
      exitAtOnce(0);
    };
    this.#end({ kind: 'exit', ...end });
  }
}

/** Of this side: tokens and certificates are in its environment. */
const EMPTY = {
  ...{ io: undefined, retry: undefined, token: undefined },
  ...{ 'tls-cert': undefined, 'tls-key': undefined, 'tls-ca': undefined },
};
