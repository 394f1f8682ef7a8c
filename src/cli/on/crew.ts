/**
 * The other side of run --on: a machine whose files, terminal and descriptors are at home, over our standard input and output.
 * Nothing of home stays here: when the connection ends, so does everything.
 */
import { O_NONBLOCK, O_RDWR, O_WRONLY, S_IFDIR } from '../../abi/fs.ts';
import * as TTY from '../../abi/tty.ts';
import type { Jobs } from '../../fs/caller.ts';
import { MemFs } from '../../fs/memfs.ts';
import { OverlayFs, UPPER_INODES } from '../../fs/overlay.ts';
import { pipePair } from '../../fs/pipe.ts';
import { newPtyState, PtyMaster } from '../../fs/pty.ts';
import { TtyFile } from '../../fs/tty.ts';
import { NodeHost } from '../../host/node.ts';
import { exitAtOnce } from '../../host/signals.ts';
import { StreamTransport } from '../../host/transport/streams.ts';
import { Machine, SpawnError } from '../../machine.ts';
import { prepareCpu } from '../../node-cpu.ts';
import { RemoteFs } from '../../remote/client/remote-fs.ts';
import { type Channel, Mux } from '../../remote/mux.ts';
import { makeCredentials } from '../../vfs/credentials.ts';
import type { FileSystem } from '../../vfs/inode.ts';
import type { OpenFile } from '../../vfs/open-file.ts';
import { CliError, EXIT } from '../error.ts';
import { signalMachine } from '../session.ts';
import { makeSeed } from '../seed.ts';
import { version } from '../version.ts';
import { askFiles, lookUpParents } from '../ask-files.ts';
import { type FromCrew, type FromHome, GREETING, type StartMessage, type StreamPlan, talk, type Tree } from './messages.ts';
import { Inlet, Outlet, workerOf } from './pump.ts';

const FIRST_DEVICE = 0x1000;
const SIGKILL = 9;
/** Home closes the connection when it has all; for one that does not, we wait no longer. */
const GRACE_MS = 5000;

export async function main(): Promise<number> {
  const transport = new StreamTransport(process.stdin, process.stdout);
  process.on('SIGHUP', () => exitAtOnce(EXIT.failure));
  transport.send(new TextEncoder().encode(`${GREETING} ${version()}\n`));
  const mux = new Mux(transport, 2);
  const crew = new Crew(mux);
  mux.onClosed = () => exitAtOnce(EXIT.failure);
  mux.onOpen = (channel) => crew.opened(channel);
  mux.start();
  return new Promise(() => {});
}

/** Home opens the channel of messages first, then one for each stream. */
class Crew {
  readonly #mux: Mux;
  readonly #streams: Channel[] = [];
  #tell: ((message: FromCrew) => void) | null = null;
  #machine: Machine | null = null;
  #master: PtyMaster | null = null;
  #devices = FIRST_DEVICE;

  constructor(mux: Mux) {
    this.#mux = mux;
  }

  opened(channel: Channel): void {
    if (this.#tell === null) this.#tell = talk<FromCrew, FromHome>(channel, (message) => this.#hear(message));
    else this.#streams.push(channel);
  }

  #hear(message: FromHome): void {
    const machine = this.#machine;
    if (message.kind === 'start') void this.#start(message).catch((error) => this.#fail(error));
    else if (message.kind === 'size') this.#master?.slave.resize(message.size);
    else if (machine !== null) signalMachine(machine, machine.first, message.name);
  }

  #fail(error: Error): void {
    const status = error instanceof CliError ? error.status : EXIT.failure;
    this.#end({ kind: 'failure', status, message: error.message });
  }

  #end(message: FromCrew): void {
    this.#tell!(message);
    setTimeout(() => exitAtOnce(EXIT.failure), GRACE_MS);
  }

  async #start(message: StartMessage): Promise<void> {
    const host = new NodeHost((line) => this.#tell!({ kind: 'say', line }));
    const { user, options, streams } = message;
    prepareCpu();
    const trees: { tree: Tree; fs: FileSystem; overlay: OverlayFs | null }[] = [];
    for (const tree of message.trees) trees.push({ tree, ...(await this.#connect(tree, host)) });
    const root = trees.find(({ tree }) => tree.guest === '/')?.fs ?? this.#memory(host, 0o755);
    const machine = new Machine({
      host,
      mounts: [{ path: '/', fs: root }],
      console: streams.some(({ terminal }) => terminal) ? (jobs) => this.#makeTerminal(host, jobs, message) : undefined,
      protection: options.protection,
      cpu: options.cpu,
      seed: options.seed === undefined ? undefined : makeSeed(options.seed),
    });
    this.#machine = machine;
    machine.mount({ path: '/tmp', fs: this.#memory(host, 0o1777), source: 'tmpfs' });
    for (const { tree, fs } of trees) {
      if (tree.guest === '/') continue;
      await lookUpParents(machine, tree.guest);
      machine.mount({ path: tree.guest, fs, source: tree.source });
    }
    const outlets: Promise<void>[] = [];
    const fds: (OpenFile | null)[] = [];
    for (const [i, plan] of streams.entries()) this.#connectStream(machine, plan, this.#streams[i], fds, user.uid, outlets);
    machine.kernel.onStop = (group, signal) => {
      if (group.id === machine.first) this.#tell!({ kind: 'stopped', signal });
    };
    try {
      const { path, argv, env, cwd, umask } = message;
      const credentials = makeCredentials(user.uid, user.gid, user.groups);
      const terminal = machine.console ?? undefined;
      machine.spawn({ path, argv, env, cwd, umask, credentials, fds: fds.map((file) => file ?? null), terminal });
    } catch (error) {
      if (error instanceof SpawnError) throw new CliError(EXIT.notExecutable, error.message);
      throw error;
    }
    if (options.timeout !== undefined) setTimeout(() => this.#expire(machine), options.timeout * 1000);
    const end = await machine.run();
    const reason = machine.kernel.takeExecFailure();
    if (reason !== '' && end.status === EXIT.notFound) return this.#fail(new CliError(EXIT.notFound, reason));
    await Promise.all(outlets);
    if (!options.quiet) for (const line of changes(trees)) this.#tell!({ kind: 'say', line });
    this.#end({ kind: 'exit', ...end });
  }

  #expire(machine: Machine): void {
    const { kernel } = machine;
    for (const group of [...kernel.groups.values()]) kernel.signals.sendToGroup(group, { signo: SIGKILL, code: 0 });
    this.#end({ kind: 'exit', status: EXIT.timeout });
  }

  /** A tree of home; one whose changes are dropped keeps them in our memory. */
  async #connect(tree: Tree, host: NodeHost): Promise<{ fs: FileSystem; overlay: OverlayFs | null }> {
    const fs = await RemoteFs.connect({
      dial: async () => this.#mux.open(),
      retry: 0,
      log: (line) => this.#tell!({ kind: 'say', line }),
      path: tree.guest,
      device: this.#devices++,
      io: 'cached',
      source: tree.source,
    });
    if (tree.mode !== 'cow' || fs.root.type !== S_IFDIR) return { fs, overlay: null };
    const looked = await askFiles({ now: () => host.now(), realtime: () => host.realtime() }, (s) => fs.root.attributes(s));
    const upper = this.#memory(host, 0o755, UPPER_INODES);
    if (typeof looked !== 'number') {
      const { mode, uid, gid, atime, mtime } = looked;
      upper.root.change(workerOf(emptyContext(host)), { mode: mode & 0o7777, uid, gid, atime, mtime });
    }
    const overlay = new OverlayFs({ device: this.#devices++, upper, lower: fs });
    return { fs: overlay, overlay };
  }
