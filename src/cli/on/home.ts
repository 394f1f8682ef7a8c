/**
 * run --on: the program runs on another machine, and home serves it: its files, its descriptors, its terminal. We have dialled
 * out, so nobody needs a way in; of home the other side sees what was granted to the program.
 */
import { constants, hostname } from 'node:os';
import { resolve } from 'node:path';
import { NodeHost, say } from '../../host/node.ts';
import { dieOf, receiveSignals, stopLike } from '../../host/signals.ts';
import type { SpawnOptions } from '../../machine.ts';
import type { ForwardRule } from '../../remote/forward.ts';
import { type Channel, Mux } from '../../remote/mux.ts';
import { Shadow } from '../../remote/server/shadow.ts';
import type { MachineBuilder } from '../build-machine.ts';
import type { RunValues } from '../commands.ts';
import { CliError, EXIT } from '../error.ts';
import { callsFor, forwardRules } from '../forward.ts';
import { writeError } from '../layer-output.ts';
import { prepare } from '../prepare.ts';
import { newMark } from '../views.ts';
import { realWorld } from '../world.ts';
import { filesOfLayers, HomeOutputs } from './home-layers.ts';
import { HomeStreams } from './home-streams.ts';
import { type FromCrew, type FromHome, SENT, type SentOptions, type StartMessage, talk } from './messages.ts';
import { startThere } from './there.ts';

/** Answers the exit status; a program that was killed by a signal takes us with it. */
export async function runThere(values: RunValues, operands: string[]): Promise<number> {
  refuseWhatIsLocal(values);
  const { builder, stdio, program } = await prepare(realWorld(), values, operands);
  const streams = new HomeStreams(stdio);
  const { transport, early } = await startThere(values.on!, values.install);
  const mux = new Mux(transport, 1, early);
  const { uid, gid, groups } = program.credentials!;
  const user = { uid, gid, groups };
  const shadow = serve(builder, user, forwardRules(values.forward, '--forward '));
  mux.onOpen = (channel) => shadow.accept(channel);
  return new Promise((resolve) => {
    const session = new HomeSession(mux, streams, values, resolve);
    mux.onClosed = (error) => session.lost(error);
    mux.start();
    session.start({ kind: 'start', user, ...planOf(values, builder, program), ...streams.plan });
  });
}

const IMAGES = 'images of a machine elsewhere cannot be made yet';
/** Options that have no meaning for a machine elsewhere, and why. */
const REASONS: Partial<Record<keyof RunValues, string>> = {
  detach: 'the connection to the other side is that of this command',
  remote: 'the files are those of home',
  mount: 'the other side would have to reach what it names',
  record: 'a recording holds what comes from outside, which is home',
  every: IMAGES,
  state: IMAGES,
  'on-signal': IMAGES,
};

function refuseWhatIsLocal(values: RunValues): void {
  for (const [name, reason] of Object.entries(REASONS)) {
    const value = values[name as keyof RunValues];
    if (value === undefined || value === false || (Array.isArray(value) && value.length === 0)) continue;
    throw new CliError(EXIT.failure, `--${name} does not go with --on: ${reason}`);
  }
}

function planOf(
  values: RunValues,
  { trees, keeping }: MachineBuilder,
  { path, argv = [path], env, cwd = '/', umask = 0o022 }: SpawnOptions,
) {
  const sent = Object.fromEntries(SENT.map((name) => [name, values[name]])) as SentOptions;
  return {
    ...{ path, argv, env: env as Record<string, string>, cwd, umask },
    trees: trees.map(({ guest, mode, source }) => ({ guest, mode, source, keep: keeping.get(guest) })),
    mark: newMark(),
    options: { ...sent, only: values.only.map((only) => resolve(cwd, only)) },
    files: filesOfLayers(values),
  };
}

/** Serves what was granted, and nothing else. */
function serve({ trees }: MachineBuilder, user: StartMessage['user'], rules: readonly ForwardRule[]): Shadow {
  const host = new NodeHost();
  return new Shadow({
    exports: trees.map(({ guest, fs }) => ({ path: guest, fs })),
    calls: callsFor(rules),
    clock: host,
    randomBytes: (count) => host.randomBytes(count),
    ...user,
    host: hostname(),
    log: () => {},
  });
}

const STOPS = ['SIGTSTP', 'SIGSTOP', 'SIGTTIN', 'SIGTTOU'] as const;

class HomeSession {
  readonly #mux: Mux;
  readonly #streams: HomeStreams;
  readonly #values: RunValues;
  readonly #outputs: HomeOutputs;
  #mark = '';
  readonly #resolve: (status: number) => void;
  #tell: (message: FromHome) => void = () => {};
  #timedOut = false;
  #ended = false;

  constructor(mux: Mux, streams: HomeStreams, values: RunValues, resolve: (status: number) => void) {
    this.#mux = mux;
    this.#streams = streams;
    this.#values = values;
    this.#outputs = new HomeOutputs(values);
    this.#resolve = resolve;
  }

  start(message: StartMessage): void {
    this.#tell = talk<FromHome, FromCrew>(this.#mux.open(), (answer) => void this.#hear(answer));
    const channels: Channel[] = message.streams.map(({ reads, terminal }) => this.#mux.open(reads || terminal));
    this.#streams.begin(channels);
    process.on('exit', () => this.#streams.restore());
    this.#mark = message.mark;
    this.#tell(message);
    receiveSignals((name) => {
      if (name !== 'SIGWINCH') return this.#tell({ kind: 'signal', name });
      const size = this.#streams.windowSize();
      if (size !== undefined) this.#tell({ kind: 'size', size });
    });
    const { timeout } = this.#values;
    if (timeout !== undefined) setTimeout(() => this.#expire(), timeout * 1000);
  }

  #expire(): void {
    this.#timedOut = true;
    this.#tell({ kind: 'kill' });
  }

  async #hear(message: FromCrew): Promise<void> {
    switch (message.kind) {
      case 'say':
        return this.#aside(() => say(message.line));
      case 'error':
        return this.#aside(() => writeError(message.text));
      case 'output':
        return this.#outputs.write(message.path, message.text);
      case 'stopped':
        return this.#stop(message.signal);
      case 'failure':
        this.#finish();
        say(message.message);
        return this.#resolve(message.status);
      case 'exit':
        await this.#streams.flushed();
        this.#finish();
        if (this.#timedOut) return this.#resolve(EXIT.timeout);
        if (message.signal !== undefined) dieOf(message.signal);
        return this.#resolve(message.status ?? 0);
    }
  }

  /** The program was stopped: so are we, until someone continues us. */
  #stop(signal: number): void {
    const name = STOPS.find((stop) => constants.signals[stop] === signal);
    if (name === undefined) return;
    this.#streams.restore();
    stopLike(name);
    this.#streams.resume();
    this.#tell({ kind: 'signal', name: 'SIGCONT' });
  }

  lost(error: string | undefined): void {
    if (this.#ended) return;
    this.#finish();
    say(`the connection was lost: ${error ?? 'the other side has ended'}`);
    if (this.#values.io === 'session')
      say(`changes of this session, if there are any, are kept there in ~/.cache/tallship/kept/${this.#mark}-*`);
    this.#resolve(EXIT.failure);
  }

  /** Something is written to our standard error, in the terminal's own modes. */
  #aside(write: () => void): void {
    this.#streams.restore();
    write();
    this.#streams.resume();
  }

  #finish(): void {
    this.#ended = true;
    this.#streams.restore();
    this.#streams.end();
    this.#mux.close();
  }
}
