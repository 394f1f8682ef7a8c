/**
 * The client's end: requests by number over one connection after another. What was not answered when a connection is lost is
 * sent again over the next one; the server knows what it has done already.
 */
import { EIO } from '../../abi/errno.ts';
import type { Traffic } from '../../vfs/inode.ts';
import { BLOCKED, type Sleeper } from '../../wait/wait.ts';
import { CODECS } from '../codecs.ts';
import { FRAME, FrameSplitter } from '../frames.ts';
import { decodeReply, decodeWelcome, encodeHello, encodeReady, encodeRequest, type Welcome } from '../messages.ts';
import { REMOTE_OPERATIONS, type RemoteOperationName } from '../operations.ts';
import type { Dial, Transport } from '../transport.ts';
import { ProtocolError, Reader } from '../wire.ts';
import { Outbox } from './outbox.ts';
import { isTarget, Pending, RefusedError, type Target } from './pending.ts';

export interface LinkOptions {
  readonly dial: Dial;
  readonly token?: Uint8Array;
  /** How long a lost connection is tried again, in milliseconds. */
  readonly retry: number;
  readonly log: (line: string) => void;
}

const LOCKING: ReadonlySet<RemoteOperationName> = new Set(['lock', 'flock']);

/** Milliseconds between attempts: the first, and the longest. */
const FIRST_PAUSE = 50;
const LONGEST_PAUSE = 5000;
/** A lost connection that is back so soon is not worth a line. */
const QUIET_MS = 2000;
/** A round trip within a machine or a room takes less, where neither end is busy with other things. */
const SLOW_MS = 3;
/** How long these take is what the way takes. */
const QUICK: ReadonlySet<RemoteOperationName> = new Set(['attach', 'walk', 'attributes']);
const SMOOTHED_OVER = 8;
/** Answers that nobody took, because whoever asked was killed. */
const MOST_UNTAKEN = 1024;
const BACKLOG = 8 << 20;

export class Link {
  readonly #options: LinkOptions;
  /** What the server said last. */
  welcome!: Welcome;
  /** Called when a new server knows nothing of our nodes; requests go on when it has resolved. */
  onRestart: (() => Promise<void>) | null = null;
  /** How many servers knew nothing of us. */
  servers = 1;
  #transport: Transport | null = null;
  #last = 0;
  /** Without an answer, in order. */
  readonly #waiting = new Map<number, Pending>();
  /** Of these, the ones that were not sent to this server. */
  #unsent: Pending[] = [];
  /** Those that were sent, by their numbers on the wire. */
  readonly #sent = new Map<number, Pending>();
  #sequence = 0;
  readonly #done = new Map<number, Pending>();
  readonly #out = new Outbox();
  /** While nodes are found again, other requests are not sent. */
  #restarting = false;
  #failure = 0;
  #closing = false;
  #lostAt = 0;
  /** What a round trip takes of late, in milliseconds. */
  #latency = 0;
  /** Requests sent, answers awaited by somebody: for measuring. */
  readonly counts: Traffic = { requests: 0, waits: 0, bytesIn: 0, bytesOut: 0, connections: 0 };

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  /** Round trips cost more than bytes that nobody needs. */
  get isSlow(): boolean {
    return this.#latency > SLOW_MS;
  }

  /** The first connection; rejects when the server does not want us. */
  connect(transport: Transport): Promise<void> {
    return this.#open(transport);
  }

  /** Sends a request; `react` is called with its answer, before whoever waits for it. */
  send(
    operation: RemoteOperationName,
    target: Target | null,
    values: readonly unknown[],
    react: ((pending: Pending) => void) | null = null,
  ): Pending {
    const pending = new Pending(++this.#last, operation, target, values, react);
    this.counts.requests++;
    this.#waiting.set(pending.id, pending);
    if (this.#failure !== 0) this.#finish(pending, this.#failure);
    else {
      this.#unsent.push(pending);
      this.#pump();
    }
    return pending;
  }

  /** The same before all others, while nodes are found again. */
  sendFirst(
    operation: RemoteOperationName,
    target: Target | null,
    values: readonly unknown[],
    react: (pending: Pending) => void,
  ): void {
    const pending = new Pending(++this.#last, operation, target, values, react);
    pending.first = true;
    this.#waiting.set(pending.id, pending);
    this.#sendNow(pending);
  }

  /** The task sleeps until the answer is there: 0, BLOCKED, or -ERESTARTSYS for one that ends. */
  wait(s: Sleeper, pending: Pending): number {
    if (pending.done) return 0;
    const blocked = s.block(pending.queue, undefined, true);
    this.flush();
    if (blocked === BLOCKED) this.counts.waits++;
    return blocked;
  }

  /** A request that was sent by an earlier run of the same call. */
  find(id: number): Pending | undefined {
    return this.#waiting.get(id) ?? this.#done.get(id);
  }

  /** Requests without an answer, in order. */
  unanswered(operation: RemoteOperationName): Pending[] {
    return [...this.#waiting.values()].filter((pending) => pending.operation === operation);
  }

  taken(id: number): void {
    this.#done.delete(id);
  }

  /** Everything that was asked has its answer. */
  get idle(): boolean {
    return this.#waiting.size === 0;
  }

  /** Requests that may wait at home for as long as somebody has a lock end as by a signal. */
  interruptWaits(): void {
    for (const pending of [...this.#sent.values()]) {
      if (!LOCKING.has(pending.operation) || pending.interrupted) continue;
      pending.interrupted = true;
      this.send('cancel', null, [pending.sequence]);
    }
  }

  /** Resolves when everything that was sent so far has its answer; calls may wait for what others do. */
  async drain(): Promise<void> {
    for (;;) {
      const last = [...this.#waiting.values()].findLast(({ operation }) => operation !== 'call');
      if (last === undefined) return;
      await new Promise<void>((resolve) => {
        last.queue.waiters.add({ wake: () => resolve() });
        this.flush();
      });
    }
  }

  /** Ends in order. */
  close(): void {
    this.#closing = true;
    this.flush();
    this.#transport?.send(Uint8Array.of(0, 0, 0, 0, FRAME.bye));
    this.#transport?.close();
    this.#failure = -EIO;
  }

  /** Puts what was collected on its way. */
  flush(): void {
    if (this.#transport !== null) this.#out.send(this.#transport);
  }

  #pump(): void {
    const transport = this.#transport;
    if (transport === null) return;
    if (this.#restarting) return;
    const { window } = this.welcome;
    let count = 0;
    while (count < this.#unsent.length && this.#sent.size < window && transport.backlog <= BACKLOG) {
      this.#sendNow(this.#unsent[count++]);
    }
    this.#unsent.splice(0, count);
  }

  #sendNow(pending: Pending): void {
    if (pending.done) return;
    const stale = pending.target?.stale ?? 0;
    if (stale !== 0) return this.#finish(pending, stale);
    pending.sequence = ++this.#sequence;
    this.#sent.set(pending.sequence, pending);
    this.#encode(pending);
  }

  #encode(pending: Pending): void {
    const { id: key, sequence, operation, target, values, again } = pending;
    const node = target?.node ?? 0;
    const named = values.map((value) => (isTarget(value) ? value.node : value));
    const bytes = encodeRequest({
      ...{ id: sequence, answered: this.#answered, operation, node },
      ...{ key, again, values: named },
    });
    this.counts.bytesOut += bytes.length;
    pending.sentAt = performance.now();
    if (this.#out.add(bytes)) queueMicrotask(() => this.flush());
  }

  /** Replies to all requests up to this one have arrived. */
  get #answered(): number {
    for (const sequence of this.#sent.keys()) return sequence - 1;
    return this.#sequence;
  }

  #reply(body: Uint8Array): void {
    const { id, status, attributes, rest } = decodeReply(body);
    const pending = this.#sent.get(id);
    if (pending === undefined) return;
    if (QUICK.has(pending.operation)) {
      const took = performance.now() - pending.sentAt;
      this.#latency += (took - this.#latency) / (this.#latency === 0 ? 1 : SMOOTHED_OVER);
    }
    pending.attributes = attributes;
    if (status >= 0) {
      pending.answer = CODECS[REMOTE_OPERATIONS[pending.operation].answer].take(rest);
      rest.end();
    } else if (status === -EIO && pending.again) {
      this.#options.log(`the server was started anew, and whether ${pending.operation} was done cannot be told: EIO`);
    }
    this.#finish(pending, status);
    this.#pump();
  }

  #finish(pending: Pending, status: number): void {
    this.#waiting.delete(pending.id);
    this.#sent.delete(pending.sequence);
    pending.done = true;
    pending.status = status;
    pending.react?.(pending);
    if (pending.queue.waiters.size > 0) {
      this.#done.set(pending.id, pending);
      if (this.#done.size > MOST_UNTAKEN)
        for (const id of this.#done.keys()) {
          this.#done.delete(id);
          break;
        }
    }
    pending.queue.wake();
  }

  /** Says hello on a new connection; resolves when the server has answered. */
  #open(transport: Transport): Promise<void> {
    const frames = new FrameSplitter();
    const { session = 0, secret = new Uint8Array() } = this.welcome ?? {};
    return new Promise((resolve, reject) => {
      let greeted = false;
      const fail = (reason: string, refused: boolean) => {
        if (greeted) return;
        greeted = true;
        transport.close();
        reject(refused ? new RefusedError(reason) : new Error(reason));
      };
      transport.receive({
        data: (bytes) => {
          this.counts.bytesIn += bytes.length;
          const strange = this.#data(transport, frames, bytes, (type, body) => {
            if (type === FRAME.refused) return fail(new Reader(body).text(), true);
            if (type !== FRAME.welcome) return fail('the server does not speak this protocol', true);
            const welcome = decodeWelcome(body);
            greeted = true;
            this.#welcomed(transport, welcome);
            resolve();
          });
          if (strange !== null) fail(`what answers there is no tallship of this version: ${strange}`, true);
        },
        closed: (error) => {
          fail(error ?? 'the connection was closed', false);
          if (this.#transport === transport) this.#lost(error ?? 'closed by the other side');
        },
        drained: () => this.#pump(),
      });
      transport.send(
        encodeHello({ token: this.#options.token ?? new Uint8Array(), session, secret, answered: this.#answered }),
      );
    });
  }

  /** Answers what is wrong with a connection that begins with something else than a welcome. */
  #data(
    transport: Transport,
    frames: FrameSplitter,
    bytes: Uint8Array,
    greeting: (type: number, body: Uint8Array) => void,
  ): string | null {
    frames.add(bytes);
    try {
      for (let next = frames.next(); next !== null; next = frames.next()) {
        if (this.#transport !== transport) greeting(next.type, next.body);
        else if (next.type === FRAME.reply) this.#reply(next.body);
        else if (next.type === FRAME.refused) throw new ProtocolError(new Reader(next.body).text());
        else if (next.type !== FRAME.ping) throw new ProtocolError(`there is no frame of type ${next.type}`);
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      transport.close();
      if (this.#transport === transport) this.#lost(error.message);
      else return error.message;
    }
    return null;
  }

  #welcomed(transport: Transport, welcome: Welcome): void {
    const before = this.welcome;
    this.welcome = welcome;
    this.#transport = transport;
    this.#out.clear();
    transport.send(encodeReady(welcome.challenge));
    this.counts.connections++;
    if (before === undefined) return this.#pump();
    if (this.#lostAt !== 0 && Date.now() - this.#lostAt > QUIET_MS) this.#options.log('connected again');
    this.#lostAt = 0;
    if (welcome.resumed)
      for (const pending of this.#sent.values()) {
        if (pending.sequence > welcome.seen) this.#encode(pending);
      }
    else void this.#restart();
    this.#pump();
  }

  /** Another server, or one that has forgotten us: first nodes are found again, then everything unanswered is sent again. */
  async #restart(): Promise<void> {
    for (const pending of [...this.#waiting.values()]) {
      if (pending.first) this.#waiting.delete(pending.id);
      else if (pending.renewed) this.#finish(pending, 0);
    }
    const old = [...this.#waiting.values()];
    for (const pending of old) {
      pending.again ||= pending.sequence > 0;
      pending.sequence = 0;
    }
    this.#sent.clear();
    this.#sequence = 0;
    this.#unsent = old;
    this.#restarting = true;
    const server = ++this.servers;
    await this.onRestart?.();
    // Once more lost meanwhile: another one of us is at work.
    if (server !== this.servers) return;
    this.#restarting = false;
    this.#pump();
  }

  #lost(reason: string): void {
    this.#transport = null;
    if (this.#closing || this.#failure !== 0) return;
    this.#lostAt ||= Date.now();
    void this.#reconnect(reason);
  }

  async #reconnect(reason: string): Promise<void> {
    const until = this.#lostAt + this.#options.retry;
    let told = false;
    for (let pause = FIRST_PAUSE; ; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
      try {
        await this.#open(await this.#options.dial());
        return;
      } catch (error) {
        if (this.#closing) return;
        if (error instanceof RefusedError) return this.#giveUp(error.message);
        if (Date.now() + pause > until) return this.#giveUp(reason);
        if (!told && Date.now() - this.#lostAt > QUIET_MS) {
          told = true;
          this.#options.log(
            `connection lost (${reason}); trying again for ${Math.round((until - Date.now()) / 1000)} s`,
          );
        }
      }
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }

  #giveUp(reason: string): void {
    this.#options.log(`connection lost (${reason}); files there give EIO from now on`);
    this.#failure = -EIO;
    for (const pending of [...this.#waiting.values()]) this.#finish(pending, -EIO);
  }
}
