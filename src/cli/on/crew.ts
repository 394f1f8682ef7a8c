/**
 * The other side of run --on: a machine whose files, terminal and descriptors are at home, over our standard input and output.
 * Nothing of home stays here: when the connection ends, so does everything.
 */

import { NodeHost } from '../../host/node.ts';
import { exitAtOnce } from '../../host/signals.ts';
import { StreamTransport } from '../../host/transport/streams.ts';
import { Machine, SpawnError } from '../../machine.ts';
import { prepareCpu } from '../../node-cpu.ts';
import { Link } from '../../remote/client/link.ts';
import { type Channel, Mux } from '../../remote/mux.ts';
import { makeCredentials } from '../../vfs/credentials.ts';
import { seedBytes } from '../build-machine.ts';
import { droppedChanges } from '../dropped.ts';
import { CliError, EXIT } from '../error.ts';
import { forwardOver, forwardRules } from '../forward.ts';
import { instructionLimit } from '../prepare.ts';
import { lookUpParents } from '../remote.ts';
import { endHalted, killAll, signalMachine } from '../session.ts';
import { statsOf } from '../stats.ts';
import { asksForLayers } from '../trace-asked.ts';
import { version } from '../version.ts';
import { bringAllHome, keepView, type View } from '../views.ts';
import { installLayers } from './crew-layers.ts';
import { CrewStreams } from './crew-streams.ts';
import { type CrewTrees, connectTrees } from './crew-trees.ts';
import { type FromCrew, type FromHome, GREETING, type StartMessage, talk } from './messages.ts';

/** Home closes the connection when it has all; for one that does not, we wait no longer. */
const GRACE_MS = 5000;

/** Where the other side is this machine, they are for home, which passes them on. */
const IGNORED = ['SIGINT', 'SIGQUIT', 'SIGTSTP', 'SIGTERM', 'SIGHUP'] as const;

export async function main(): Promise<number> {
  for (const name of IGNORED) process.on(name, () => {});
  const transport = new StreamTransport(process.stdin, process.stdout);
  transport.send(new TextEncoder().encode(`${GREETING} ${version()}\n`));
  const mux = new Mux(transport, 2);
  const crew = new Crew(mux);
  mux.onClosed = () => void crew.lost().finally(() => exitAtOnce(EXIT.failure));
  mux.onOpen = (channel) => crew.opened(channel);
  mux.start();
  return new Promise(() => {});
}

/** Home opens the channel of messages first, then one for each stream. */
class Crew {
  readonly #mux: Mux;
  readonly #channels: Channel[] = [];
  #tell: ((message: FromCrew) => void) | null = null;
  #machine: Machine | null = null;
  #streams: CrewStreams | null = null;
  #views: readonly View[] = [];
  #mark = '';
  /** Changes are on their way home. */
  #homecoming: Promise<boolean> | null = null;

  constructor(mux: Mux) {
    this.#mux = mux;
  }

  opened(channel: Channel): void {
    if (this.#tell === null) this.#tell = talk<FromCrew, FromHome>(channel, (message) => this.#hear(message));
    else this.#channels.push(channel);
  }

  /** Home is gone. Changes that were to go there at the end are kept here, where home has said that it will look. */
  async lost(): Promise<void> {
    if (this.#homecoming !== null) return void (await this.#homecoming);
    for (const view of this.#views) await keepView(view, new NodeHost(), this.#mark, () => {});
  }

  #hear(message: FromHome): void {
    const machine = this.#machine;
    if (message.kind === 'start') void this.#run(message).catch((error) => this.#fail(error));
    else if (message.kind === 'size') this.#streams?.resize(message.size);
    else if (message.kind !== 'kill') void (machine !== null && signalMachine(machine, machine.first, message.name));
    else if (machine !== null) killAll(machine);
  }

  #fail(error: Error): void {
    const status = error instanceof CliError ? error.status : EXIT.failure;
    this.#end({ kind: 'failure', status, message: error.message });
  }

  #end(message: FromCrew): void {
    this.#tell!(message);
    setTimeout(() => exitAtOnce(EXIT.failure), GRACE_MS);
  }

  #say(line: string): void {
    this.#tell!({ kind: 'say', line });
  }

  async #run(message: StartMessage): Promise<void> {
    const { options } = message;
    const host = new NodeHost((line) => this.#say(line));
    const trees = await connectTrees(
      message.trees,
      host,
      async () => this.#mux.open(),
      (line) => this.#say(line),
      options.io,
    );
    this.#views = trees.views;
    this.#mark = message.mark;
    const machine = await this.#makeMachine(message, host, trees);
    const started = asksForLayers(options) ? await installLayers(message, machine, this.#tell!) : () => {};
    await this.#spawn(machine, message);
    started();
    let end = await machine.run();
    if (machine.kernel.groups.size > 0) {
      await endHalted(machine, (line) => this.#say(line));
      end = { status: EXIT.timeout };
    }
    const reason = machine.kernel.takeExecFailure();
    if (reason !== '' && end.status === EXIT.notFound) throw new CliError(EXIT.notFound, reason);
    await this.#streams!.flushed();
    this.#homecoming = bringAllHome(trees.views, host, message.mark, (line) => this.#say(line));
    if (!(await this.#homecoming))
      throw new CliError(EXIT.failure, 'the program has ended, but its changes are not all at home');
    if (options.stats) this.#tell!({ kind: 'error', text: statsOf(machine, options.json) });
    const dropped = options.quiet ? undefined : droppedChanges({ machine, ...trees });
    if (dropped !== undefined) this.#say(dropped);
    this.#end({ kind: 'exit', ...end });
  }

  async #makeMachine(message: StartMessage, host: NodeHost, trees: CrewTrees): Promise<Machine> {
    const { seed, protection, cpu, jit, stats, 'max-insns': limit } = message.options;
    const exact = limit !== undefined;
    prepareCpu();
    this.#streams = new CrewStreams(message, this.#channels, host);
    const machine = new Machine({
      host,
      mounts: [{ path: '/', fs: trees.root }],
      console: this.#streams.makeConsole,
      jit: exact ? false : jit === 'always' ? 'always' : jit !== 'off',
      ...{ exact, protection, cpu, seed: seed === undefined ? undefined : seedBytes(seed) },
    });
    machine.kernel.scheduler.haltAt = instructionLimit(limit);
    if (stats) machine.table.count();
    machine.mount({ path: '/tmp', fs: trees.memory(0o1777), source: 'tmpfs' });
    for (const { guest, fs, source } of trees.mounts) {
      await lookUpParents(machine, guest);
      machine.mount({ path: guest, fs, source });
    }
    machine.kernel.onStop = (group, signal) => {
      if (group.id === machine.first) this.#tell!({ kind: 'stopped', signal });
    };
    await this.#forward(machine, message.options.forward);
    this.#machine = machine;
    return machine;
  }

  /** Home asks itself what it lets these calls do. */
  async #forward(machine: Machine, texts: readonly string[]): Promise<void> {
    if (texts.length === 0) return;
    const log = (line: string) => this.#say(line);
    const link = new Link({ dial: async () => this.#mux.open(), retry: 0, log });
    await link.connect(this.#mux.open());
    await forwardOver(machine, link, forwardRules(texts, '--forward '), log);
  }

  async #spawn(machine: Machine, { path, argv, env, cwd, umask, user }: StartMessage): Promise<void> {
    const credentials = makeCredentials(user.uid, user.gid, user.groups);
    const fds = this.#streams!.open(machine, user);
    try {
      machine.spawn({ path, argv, env, cwd, umask, credentials, fds, terminal: machine.console ?? undefined });
    } catch (error) {
      if (error instanceof SpawnError) throw new CliError(EXIT.notExecutable, error.message);
      throw error;
    }
    this.#streams!.start();
  }
}
