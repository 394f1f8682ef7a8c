/** Malformed frames, for both ends: an error and a closed connection is all that may come of them. */

import { RemoteFs } from '../../src/remote/client/remote-fs.ts';
import { CODECS } from '../../src/remote/codecs.ts';
import { FRAME, frame } from '../../src/remote/frames.ts';
import {
  decodeWelcome,
  encodeHello,
  encodeReady,
  encodeReply,
  encodeRequest,
  encodeWelcome,
  type Welcome,
} from '../../src/remote/messages.ts';
import { REMOTE_OPERATIONS, type WireKind, type WireOperation } from '../../src/remote/operations.ts';
import type { Transport, TransportListener } from '../../src/remote/transport.ts';
import type { FileSystem } from '../../src/vfs/inode.ts';
import { shadowOf } from './loopback.ts';

/** xorshift32. */
export class Dice {
  #state: number;
  constructor(seed: number) {
    this.#state = seed | 1;
  }
  below(limit: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return (x >>> 0) % limit;
  }
  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256));
  }
}

/** The other side, as the fuzzer plays it. */
class Puppet implements Transport {
  readonly backlog = 0;
  listener!: TransportListener;
  closed = false;
  readonly sent: Uint8Array[] = [];
  receive(listener: TransportListener): void {
    this.listener = listener;
  }
  send(bytes: Uint8Array): void {
    this.sent.push(bytes.slice());
  }
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.listener.closed();
  }
}

const NAMES = ['a', 'b', 'dir', 'link', '..', '.', '', '/', 'a/b', '/etc/passwd', '../../x', 'nul\0', 'n'.repeat(300)];
const NUMBERS = [0, 1, 2, 3, 5, 100, 65536, 2 ** 31, 2 ** 32, 2 ** 40, -1, 2 ** 53 - 1];

function someValue(dice: Dice, kind: WireKind): unknown {
  const number = () => NUMBERS[dice.below(NUMBERS.length)];
  const name = () => NAMES[dice.below(NAMES.length)];
  switch (kind) {
    case 'name':
    case 'text':
      return name();
    case 'node':
      return dice.below(12);
    case 'boolean':
      return dice.below(2) === 1;
    case 'bytes':
      return dice.bytes(dice.below(40));
    case 'big':
      return BigInt(number());
    case 'values':
      return [dice.below(100), name(), null, [dice.bytes(dice.below(20))], { a: 1n }].slice(0, dice.below(6));
    case 'changes':
      return { mode: dice.below(0o10000), size: dice.below(1 << 20) };
    case 'creation':
      return { mode: [0o100644, 0o40755, 0o20666, 0o104755][dice.below(4)], uid: 0, gid: 0, rdev: 259 };
    case 'lock':
      return { type: dice.below(3), start: dice.below(100), end: dice.below(200) - 1, pid: 1 };
    default:
      return number();
  }
}

const OPERATIONS = Object.values(REMOTE_OPERATIONS) as WireOperation[];

/** A request that is right but for its values, and then perhaps not even that. */
function request(dice: Dice, id: number): Uint8Array {
  const operation = OPERATIONS[dice.below(OPERATIONS.length)];
  const { number, parameters } = operation;
  // Room that is allocated is taken from the disk.
  const small = operation === REMOTE_OPERATIONS.allocate;
  const bytes = frame(FRAME.request, (w) => {
    w.i64(id)
      .i64(0)
      .u8(number)
      .i64(dice.below(20))
      .u8(dice.below(8) === 0 ? 1 : 0)
      .u32(dice.below(12));
    for (const [, kind] of parameters) {
      (CODECS[kind].put as (to: typeof w, value: unknown) => void)(
        w,
        small ? dice.below(65536) : someValue(dice, kind),
      );
    }
  });
  return spoil(dice, bytes);
}

function spoil(dice: Dice, bytes: Uint8Array): Uint8Array {
  switch (dice.below(6)) {
    case 0:
      for (let i = dice.below(4); i >= 0; i--) bytes[dice.below(bytes.length)] = dice.below(256);
      return bytes;
    case 1:
      return bytes.slice(0, dice.below(bytes.length));
    case 2:
      return dice.bytes(5 + dice.below(40));
    default:
      return bytes;
  }
}

/** Sends so many frames to a server of the tree. Answers how many connections it closed. */
export function fuzzServer(tree: FileSystem, count: number, seed: number): number {
  const dice = new Dice(seed);
  const log = (line: string) => {
    if (line.includes('internal error')) throw new Error(line);
  };
  const shadow = shadowOf(tree, { log });
  let welcome: Welcome | null = null;
  let closed = 0;
  let puppet: Puppet | null = null;
  let next = 1;
  for (let i = 0; i < count; i++) {
    if (puppet === null || puppet.closed) {
      if (puppet !== null) closed++;
      puppet = new Puppet();
      shadow.accept(puppet);
      const { session = 0, secret = new Uint8Array() } = welcome ?? {};
      puppet.listener.data(encodeHello({ token: new Uint8Array(), session, secret, answered: next }));
      welcome = decodeWelcome(puppet.sent[0].subarray(5));
      next = welcome.seen + 1;
      puppet.listener.data(encodeReady(welcome.challenge));
      const about = { id: next, answered: next - 1, key: next, again: false, node: 0 };
      puppet.listener.data(encodeRequest({ ...about, operation: 'attach', values: [''] }));
      next++;
    }
    const before = puppet.sent.length;
    puppet.listener.data(request(dice, next));
    if (puppet.sent.length > before) next++;
    puppet.sent.length = Math.min(puppet.sent.length, 1);
    // A piece of a frame waits for its rest: a new connection.
    if (dice.below(4) === 0) puppet.close();
  }
  shadow.close();
  return closed;
}

const WELCOME: Welcome = {
  session: 1,
  secret: new Uint8Array(16),
  resumed: false,
  seen: 0,
  uid: 0,
  gid: 0,
  groups: [],
  host: 'home',
  challenge: new Uint8Array(16),
  window: 64,
};

/** Answers a client's requests with so many frames. Answers how many connections it closed. */
export function fuzzClient(count: number, seed: number): number {
  const dice = new Dice(seed);
  let closed = 0;
  for (let i = 0; i < count; ) {
    const puppet = new Puppet();
    const never = new Promise<Transport>(() => {});
    const fs = new RemoteFs({ dial: () => never, retry: 0, log: () => {}, path: '', device: 1, io: 'cached' });
    const connected = fs.link.connect(puppet);
    connected.catch(() => {});
    puppet.listener.data(dice.below(50) === 0 ? spoil(dice, encodeWelcome(WELCOME)) : encodeWelcome(WELCOME));
    if (fs.link.welcome === undefined) {
      i++;
      puppet.close();
      continue;
    }
    for (let id = 1; id < 30 && !puppet.closed; id++, i++) {
      const [operation, { answer }] = pick(dice);
      fs.link.send(operation, null, []);
      const bytes = encodeReply({ id, status: dice.below(5) === 0 ? -2 : 0, attributes: null });
      const rest = dice.bytes(dice.below(60));
      const whole = frame(FRAME.reply, (w) =>
        w.raw(bytes.subarray(5)).raw(answer === 'nothing' ? new Uint8Array() : rest),
      );
      puppet.listener.data(spoil(dice, whole));
    }
    if (puppet.closed) closed++;
    fs.link.close();
  }
  return closed;
}

/** Operations without parameters: they can be sent as they are. */
const BARE = (Object.entries(REMOTE_OPERATIONS) as [keyof typeof REMOTE_OPERATIONS, WireOperation][]).filter(
  ([, { parameters }]) => parameters.length === 0,
);

function pick(dice: Dice): [keyof typeof REMOTE_OPERATIONS, WireOperation] {
  return BARE[dice.below(BARE.length)];
}
