/** This side of a machine that has gone elsewhere: its files, its descriptors and its terminal are still ours. */
import { constants } from 'node:os';
import { say } from '../../host/node.ts';
import { type PassedOn, stopLike } from '../../host/signals.ts';
import type { ExitStatus } from '../../machine.ts';
import type { Channel } from '../../remote/mux.ts';
import { EXIT } from '../error.ts';
import type { HomeStreams } from '../on/home-streams.ts';
import type { FromSource, FromTarget } from './messages.ts';
import type { Passage } from './passage.ts';

const STOPS = ['SIGTSTP', 'SIGSTOP', 'SIGTTIN', 'SIGTTOU'] as const;

export class Home {
  readonly #passage: Passage;
  readonly #streams: HomeStreams;
  readonly #channels: readonly Channel[];
  readonly #tell: (message: FromSource) => void;
  #resolve: (end: ExitStatus) => void = () => {};
  /** How the machine has ended. */
  readonly end = new Promise<ExitStatus>((resolve) => {
    this.#resolve = resolve;
  });

  constructor(
    passage: Passage,
    streams: HomeStreams,
    channels: readonly Channel[],
    tell: (message: FromSource) => void,
  ) {
    this.#passage = passage;
    this.#streams = streams;
    this.#channels = channels;
    this.#tell = tell;
  }

  /** The machine runs there. */
  begin(): void {
    process.on('exit', () => this.#streams.restore());
    this.#streams.begin(this.#channels);
  }

  signal(name: PassedOn): void {
    if (name !== 'SIGWINCH') return this.#tell({ kind: 'signal', name });
    const size = this.#streams.windowSize();
    if (size !== undefined) this.#tell({ kind: 'size', size });
  }

  kill(): void {
    this.#tell({ kind: 'kill' });
  }

  async hear(message: FromTarget): Promise<void> {
    switch (message.kind) {
      case 'say':
        return this.#aside(() => say(message.line));
      case 'stopped':
        return this.#stop(message.signal);
      case 'failure':
        say(message.message);
        return this.#over({ status: message.status });
      case 'exit': {
        await this.#streams.flushed();
        const { status = 0, signal } = message;
        return this.#over(signal === undefined ? { status } : { signal, core: false });
      }
    }
  }

  lost(reason: string): void {
    say(`the connection was lost: ${reason}`);
    this.#over({ status: EXIT.failure });
  }

  #over(end: ExitStatus): void {
    this.#streams.restore();
    this.#streams.end();
    this.#passage.close();
    this.#resolve(end);
  }

  /** The program was stopped: so are we, until someone continues us. */
  #stop(signal: number): void {
    const name = STOPS.find((stop) => constants.signals[stop] === signal);
    if (name === undefined) return;
    this.#aside(() => stopLike(name));
    this.#tell({ kind: 'signal', name: 'SIGCONT' });
  }

  /** With the terminal as it is without us. */
  #aside(work: () => void): void {
    this.#streams.restore();
    work();
    this.#streams.resume();
  }
}
