/**
 * A connection to a Chirp server, made anew as often as it is lost. Requests are answered in their order, so many may be under
 * way; those without an answer when the connection ends are sent again over the next one.
 */
import { type EEXIST, EIO, ENAMETOOLONG, ENOENT, ESTALE } from '../../abi/errno.ts';
import { WaitQueue } from '../../wait/wait.ts';
import type { Dial, Transport } from '../transport.ts';
import { type ChirpStat, type Dialect, Input, LONGEST_LINE, parseStat, toErrno } from './protocol.ts';

export type Credentials =
  | { readonly kind: 'cookie'; readonly cookie: string }
  /** Makes the file whose owner tells the server who we are, and removes it again. */
  | { readonly kind: 'unix'; readonly challenge: (path: string, answered: () => Promise<void>) => Promise<void> };

export interface ChirpOptions {
  readonly dial: Dial;
  readonly credentials: Credentials;
  /** For messages. */
  readonly where: string;
  /** How long it is tried to come back, in milliseconds. */
  readonly retryMs: number;
  readonly log: (line: string) => void;
}

/** A file that is open at the server, under a number that holds for one connection. */
export interface Handle {
  fd: number;
  readonly ino: number;
  readonly write: boolean;
  /** Where it is found again. */
  path(): string;
  /** A program has it open: it misses the file if that is another one by then. */
  isUsed(): boolean;
  /** A negative errno: it was not found again. */
  failure: number;
}

/** What comes after the line with the result. */
export type Shape = 'nothing' | 'bytes' | 'stat' | 'lines' | 'line';

export interface Answer {
  readonly result: number;
  readonly bytes?: Uint8Array;
  readonly stat?: ChirpStat;
  readonly lines?: string[];
}

export interface Request {
  /** Made anew for each connection; a negative errno where there is nothing to send. */
  readonly line: () => string | number;
  readonly body?: Uint8Array;
  readonly shape: Shape;
  /** An error that means, when it comes for a request that was sent twice, that the first one had done it. */
  readonly done?: typeof EEXIST | typeof ENOENT;
  readonly answered: (answer: Answer) => void;
  again?: boolean;
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;
const QUIET_MS = 2000;

export class ChirpConnection {
  readonly dialect: Dialect;
  readonly handles = new Set<Handle>();
  /** Woken when any request was answered. */
  readonly answers = new WaitQueue();
  readonly #options: ChirpOptions;
  #transport: Transport | null = null;
  readonly #input = new Input();
  #ready = false;
  #queue: Request[] = [];
  #lineWanted: ((line: string) => void) | null = null;
  #closed = false;
  #givenUp = false;

  constructor(options: ChirpOptions) {
    this.#options = options;
    this.dialect = options.credentials.kind === 'cookie' ? 'condor' : 'cctools';
  }

  /** The first connection: rejects with why there is none. */
  async open(): Promise<void> {
    await this.#connect();
  }

  close(): void {
    this.#closed = true;
    this.#transport?.close();
  }

  send(request: Request): void {
    if (this.#givenUp) return request.answered({ result: -EIO });
    this.#queue.push(request);
    if (this.#ready) this.#write(request);
  }

  #write(request: Request): void {
    const line = request.line();
    if (typeof line === 'number' || line.length > LONGEST_LINE) {
      // Nothing goes out, so nothing comes back: answered out of turn.
      this.#queue.splice(this.#queue.indexOf(request), 1);
      request.answered({ result: typeof line === 'number' ? line : -ENAMETOOLONG });
      this.answers.wake();
      return;
    }
    request.again ??= false;
    const head = latin1(`${line}\n`);
    const { body = new Uint8Array(0) } = request;
    // One piece: a second small packet would wait until the first one was acknowledged.
    const whole = new Uint8Array(head.length + body.length);
    whole.set(head);
    whole.set(body, head.length);
    this.#transport!.send(whole);
  }

  async #connect(): Promise<void> {
    const transport = await this.#options.dial();
    this.#input.clear();
    this.#transport = transport;
    const lost = new Promise<never>((_, reject) => {
      transport.receive({
        data: (bytes) => this.#data(transport, bytes),
        closed: (error) => {
          reject(new Error(`${this.#options.where}: ${error ?? 'the server ended the connection'}`));
          this.#lost(transport);
        },
      });
    });
    await Promise.race([this.#authenticate(), lost]);
    lost.catch(() => {});
    await Promise.race([this.#reopen(), lost]);
    this.#ready = true;
    for (const request of [...this.#queue]) {
      if (request.again !== undefined) request.again = true;
      this.#write(request);
    }
  }

  #nextLine(): Promise<string> {
    return new Promise((resolve) => {
      this.#lineWanted = resolve;
      this.#pump();
    });
  }

  #say(line: string): void {
    this.#transport!.send(latin1(`${line}\n`));
  }

  async #authenticate(): Promise<void> {
    const { credentials, where } = this.#options;
    const refused = (why: string) => new Error(`${where} does not let us in: ${why}`);
    if (credentials.kind === 'cookie') {
      this.#say(`cookie ${credentials.cookie}`);
      if (Number(await this.#nextLine()) < 0) throw refused('the cookie is not the right one');
      return;
    }
    for (const method of ['unix', 'hostname', 'address'] as const) {
      this.#say(method);
      if ((await this.#nextLine()) !== 'yes') continue;
      let accepted = method !== 'unix';
      if (method === 'unix') {
        await credentials.challenge(await this.#nextLine(), async () => {
          this.#say('yes');
          accepted = (await this.#nextLine()) === 'yes';
        });
      }
      if (!accepted) throw refused('it does not believe who we are');
      if ((await this.#nextLine()) !== 'yes') throw refused('it knows nobody of that name');
      // What was agreed on: the method and the name.
      await this.#nextLine();
      await this.#nextLine();
      return;
    }
    throw refused('it accepts none of unix, hostname and address');
  }

  /** Files that were open are opened again; those that are others by now are given up. */
  async #reopen(): Promise<void> {
    for (const handle of this.handles) {
      const path = handle.path();
      this.#say(`open ${path} ${handle.write ? 'rw' : 'r'} 0`);
      const result = toErrno(Number(await this.#nextLine()));
      if (result < 0) {
        handle.failure = result === -ENOENT ? -ESTALE : result;
        continue;
      }
      handle.fd = result;
      const stat = parseStat(await this.#nextLine());
      if (stat !== null && stat.ino === handle.ino) continue;
      handle.failure = -ESTALE;
      if (handle.isUsed())
        this.#options.log(`${this.#options.where}: a file that was open has been replaced meanwhile (${path})`);
    }
  }

  #data(transport: Transport, bytes: Uint8Array): void {
    if (transport !== this.#transport) return;
    this.#input.add(bytes);
    this.#pump();
  }

  #pump(): void {
    if (!this.#ready) {
      if (this.#lineWanted === null) return;
      const line = this.#input.line();
      if (line === null) return;
      const wanted = this.#lineWanted;
      this.#lineWanted = null;
      wanted(line);
      return;
    }
    let any = false;
    while (this.#queue.length > 0 && this.#queue[0].again !== undefined) {
      const { mark } = this.#input;
      const answer = this.#parse(this.#queue[0]);
      if (answer === null) {
        this.#input.mark = mark;
        break;
      }
      const request = this.#queue.shift()!;
      const doneBefore = request.again === true && request.done !== undefined && answer.result === -request.done;
      request.answered(doneBefore ? { ...answer, result: 0 } : answer);
      any = true;
    }
    if (any) this.answers.wake();
  }

  /** Null: it has not all come yet. */
  #parse({ shape }: Request): Answer | null {
    const first = this.#input.line();
    if (first === null) return null;
    const result = toErrno(Number.parseInt(first, 10));
    if (Number.isNaN(result)) return this.#nonsense();
    if (result < 0 || shape === 'nothing') return { result };
    if (shape === 'bytes') {
      const bytes = this.#input.take(result);
      return bytes && { result, bytes };
    }
    if (shape === 'lines') return this.#parseLines(result);
    const line = this.#input.line();
    if (line === null) return null;
    if (shape === 'line') return { result, lines: [line] };
    const stat = parseStat(line);
    return stat === null ? this.#nonsense() : { result, stat };
  }

  #parseLines(result: number): Answer | null {
    if (this.dialect === 'condor') {
      const bytes = this.#input.take(result);
      if (bytes === null) return null;
      const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
      return { result, lines: text.split('\n').filter((line) => line !== '') };
    }
    const lines: string[] = [];
    for (let line = this.#input.line(); line !== ''; line = this.#input.line()) {
      if (line === null) return null;
      lines.push(line);
    }
    return { result, lines };
  }

  #nonsense(): Answer {
    this.#options.log(`${this.#options.where}: an answer that is no Chirp`);
    queueMicrotask(() => this.#transport?.close());
    return { result: -EIO };
  }

  #lost(transport: Transport): void {
    if (transport !== this.#transport) return;
    const was = this.#ready;
    this.#transport = null;
    this.#ready = false;
    this.#lineWanted = null;
    if (was && !this.#closed) this.#comeBack();
  }

  async #comeBack(): Promise<void> {
    const { where, retryMs, log } = this.#options;
    const start = Date.now();
    // Servers drop clients that have been idle for a minute: one that is back at once is not worth a line.
    let told = false;
    const timer = setTimeout(() => {
      told = true;
      log(`${where}: connection lost; trying again`);
    }, QUIET_MS);
    for (let pause = FIRST_PAUSE_MS; Date.now() - start < retryMs; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      try {
        await this.#connect();
        clearTimeout(timer);
        if (told) log(`${where}: connected again`);
        return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
    }
    clearTimeout(timer);
    log(`${where}: given up after ${Math.round((Date.now() - start) / 1000)} seconds`);
    this.#givenUp = true;
    for (const request of this.#queue.splice(0)) request.answered({ result: -EIO });
    this.answers.wake();
  }
}

function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}
