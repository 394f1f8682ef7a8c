/**
 * The way to the other side. Once it has been told to start the machine, nobody here may do so until it is known what became
 * of that: a connection that is lost then is made again for as long as it takes.
 */
import { randomBytes } from 'node:crypto';
import { say } from '../../host/node.ts';
import { Resumable } from '../../remote/resumable.ts';
import { readLine, startThere, type There } from '../on/there.ts';
import { BERTH, type Decision, type Request } from './messages.ts';

const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 5000;
/** A machine that runs there waits as long for us. */
const AWAY_MS = 40 * 60_000;
const QUIET_MS = 2000;

export interface Destination {
  /** ssh://[USER@]HOST[:PORT][/DIR] or exec:COMMAND. */
  readonly url: string;
  readonly directory: string | undefined;
  readonly install: boolean;
}

export class Passage {
  readonly line = new Resumable();
  /** The connection is lost, and is not to be made again. */
  onLost: (reason: string) => void = () => {};
  /** The other side is gone, and this is what it had decided. */
  onDecision: (decision: Decision) => void = () => {};
  readonly #destination: Destination;
  readonly #id = randomBytes(8).toString('hex');
  #state: 'open' | 'in doubt' | 'away' | 'over' = 'open';

  private constructor(destination: Destination) {
    this.#destination = destination;
    this.line.onLost = (reason) => this.#lost(reason ?? 'the other side has ended');
  }

  static async begin(destination: Destination): Promise<Passage> {
    const passage = new Passage(destination);
    const { there, word } = await passage.#dial('begin');
    if (word !== 'ok') throw new Error('the other side is another migration');
    passage.line.attach(there.transport, there.early);
    return passage;
  }

  /** From now on the machine may run there. */
  mayStart(): void {
    this.#state = 'in doubt';
    if (!this.line.isConnected) this.#lost('the other side has ended');
  }

  /** It does. */
  started(): void {
    this.#state = 'away';
  }

  close(): void {
    this.#state = 'over';
    this.line.close();
  }

  async #dial(what: Request['do']): Promise<{ there: There; word: string }> {
    const { url, directory, install } = this.#destination;
    const there = await startThere(url, install, 'berth', 'migrate');
    const request: Request = { do: what, id: this.#id, directory };
    there.transport.send(new TextEncoder().encode(`${JSON.stringify(request)}\n`));
    const { line, rest } = await readLine(there.transport, [BERTH]);
    return { there: { ...there, early: rest }, word: line.split(' ')[1] };
  }

  #lost(reason: string): void {
    if (this.#state === 'open') {
      this.#state = 'over';
      this.onLost(reason);
    } else if (this.#state !== 'over') void this.#again(reason);
  }

  async #again(reason: string): Promise<void> {
    const begun = Date.now();
    let told = false;
    for (let pause = FIRST_PAUSE; this.#state !== 'over'; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
      try {
        const { there, word } = await this.#dial('rejoin');
        if (word === 'ok') return this.line.attach(there.transport, there.early);
        there.transport.close();
        this.#state = 'over';
        return this.onDecision(word as Decision);
      } catch {} // not to be reached yet
      const away = Date.now() - begun;
      if (this.#state === 'away' && away > AWAY_MS) return this.onLost(reason);
      if (!told && away > QUIET_MS) {
        told = true;
        say(`the other side is lost (${reason}); ${this.#state === 'away' ? 'trying again' : WAITING}`);
      }
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
}

const WAITING = 'the program may run there by now, so it stands still here until that is known';
