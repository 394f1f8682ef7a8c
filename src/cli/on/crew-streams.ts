/** The program's descriptors 0 to 2: pipes, and a terminal of the machine, whose other ends are channels to home. */
import { O_ACCMODE, O_NONBLOCK, O_RDWR } from '../../abi/fs.ts';
import * as TTY from '../../abi/tty.ts';
import type { Jobs } from '../../fs/caller.ts';
import { type PipeFile, pipePair } from '../../fs/pipe.ts';
import { newPtyState, PtyMaster, PtySlave } from '../../fs/pty.ts';
import { TtyFile } from '../../fs/tty.ts';
import type { NodeHost } from '../../host/node.ts';
import type { Machine } from '../../machine.ts';
import type { Channel } from '../../remote/mux.ts';
import type { OpenFile } from '../../vfs/open-file.ts';
import type { StartMessage, StreamPlan, WindowSize } from './messages.ts';
import { Inlet, Outlet, workerOf } from './pump.ts';

type Streams = Pick<StartMessage, 'streams' | 'terminal'>;

export class CrewStreams {
  readonly #message: Streams;
  readonly #channels: readonly Channel[];
  readonly #host: NodeHost;
  readonly #outlets: Outlet[] = [];
  #slave: PtySlave | null = null;
  /** The machine's terminal: home's, in its modes and size. */
  readonly makeConsole: ((jobs: Jobs) => PtySlave) | undefined;

  constructor(message: Streams, channels: readonly Channel[], host: NodeHost) {
    this.#message = message;
    this.#channels = channels;
    this.#host = host;
    this.makeConsole = message.terminal === undefined ? undefined : (jobs) => this.#makeTerminal(jobs);
  }

  resize(size: WindowSize): void {
    this.#slave?.resize(size);
  }

  /** Resolves when home has all that was written. */
  async flushed(): Promise<void> {
    await Promise.all(this.#outlets.map((outlet) => outlet.ended));
  }

  /** The descriptor table of the program. */
  open(machine: Machine, { uid, gid }: { uid: number; gid: number }): (OpenFile | null)[] {
    const files: (OpenFile | null)[] = [];
    for (const [i, plan] of this.#message.streams.entries()) {
      const channel = this.#channels[i];
      const file = plan.terminal
        ? this.#openTerminal(machine, channel, uid)
        : this.#openPipe(machine, plan, channel, uid, gid);
      for (const fd of plan.fds) files[fd] = file;
    }
    return Array.from(files, (file) => file ?? null);
  }

  /** After the program has its descriptors: before, nobody holds the ends that are looked at. */
  start(): void {
    for (const outlet of this.#outlets) outlet.pump();
  }

  #makeTerminal(jobs: Jobs): PtySlave {
    const { modes, size } = this.#message.terminal!;
    const state = newPtyState(0);
    state.locked = false;
    const bytes = Uint8Array.from(modes);
    state.discipline.termios = TTY.termios2Layout.read(new DataView(bytes.buffer), 0);
    state.windowSize = size;
    this.#slave = new PtySlave(state, jobs);
    new PtyMaster(this.#slave, { now: () => this.#host.now(), closed: () => {}, openSlave: () => -5 });
    return this.#slave;
  }

  #openTerminal(machine: Machine, channel: Channel, uid: number): OpenFile {
    const slave = this.#slave!;
    const node = machine.pts.adopt(0, slave, uid);
    const master = new TtyFile(slave.master, machine.pts.ptmx, O_RDWR | O_NONBLOCK).hold();
    const worker = workerOf(machine.context());
    const outlet = new Outlet(master, channel, worker);
    this.#outlets.push(outlet);
    listen(channel, new Inlet(master, channel, worker), outlet.pump);
    return new TtyFile(slave, node, O_RDWR);
  }

  #openPipe(machine: Machine, plan: StreamPlan, channel: Channel, uid: number, gid: number): PipeFile {
    const { anonymous, clock } = machine.kernel;
    const [reading, writing] = pipePair(anonymous.pipes, uid, gid, clock.realtime(), O_NONBLOCK);
    const [theirs, ours] = plan.reads ? [reading, writing] : [writing, reading];
    theirs.flags &= O_ACCMODE;
    ours.hold();
    const worker = workerOf(machine.context());
    if (plan.reads) listen(channel, new Inlet(ours, channel, worker));
    else {
      const outlet = new Outlet(ours, channel, worker);
      this.#outlets.push(outlet);
      channel.receive({ data: () => {}, closed: () => outlet.nobodyReads(), drained: outlet.pump });
    }
    return theirs;
  }
}

function listen(channel: Channel, inlet: Inlet, drained?: () => void): void {
  channel.receive({ data: (bytes) => inlet.add(bytes), closed: () => inlet.end(), drained });
}
