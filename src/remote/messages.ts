/** What frames hold, besides the operations' own arguments and answers. */
import type { Attributes } from '../vfs/inode.ts';
import { CODECS } from './codecs.ts';
import { FRAME, frame, MAGIC, VERSION } from './frames.ts';
import { NAME_OF_NUMBER, REMOTE_OPERATIONS, type RemoteOperationName, type WireKind } from './operations.ts';
import { ProtocolError, Reader, type Writer } from './wire.ts';

/** The client's first frame. Session 0: a new one. */
export interface Hello {
  version: number;
  token: Uint8Array;
  session: number;
  secret: Uint8Array;
  /** Replies up to this request have arrived. */
  answered: number;
}

/** The server's answer. */
export interface Welcome {
  session: number;
  secret: Uint8Array;
  /** The session that was asked for is still there: requests up to `seen` need not be sent again. */
  resumed: boolean;
  seen: number;
  /** Whose files these are, for permission checks. */
  uid: number;
  gid: number;
  groups: number[];
  /** Of the exported tree's machine, for uname. */
  host: string;
  /** Requests that may be unanswered at a time. */
  window: number;
  /** What `ready` must repeat: nobody has it who only sends once more what was sent before. */
  challenge: Uint8Array;
}

export interface Request {
  id: number;
  /** Replies to all before this one have arrived: the server need not keep them. */
  answered: number;
  operation: RemoteOperationName;
  node: number;
  /** The client's own number for it, the same with all servers. */
  key: number;
  /** A server that was there before may have done it. */
  again: boolean;
  values: unknown[];
}

export interface Reply {
  id: number;
  /** A negative errno, or 0. */
  status: number;
  /** Of the node that was asked, after the operation. */
  attributes: Attributes | null;
  /** Reads the answer, by the operation's kind. */
  rest: Reader;
}

export function encodeHello(hello: Omit<Hello, 'version'>): Uint8Array {
  return frame(FRAME.hello, (w) =>
    w.u32(MAGIC).u32(VERSION).bytes(hello.token).i64(hello.session).bytes(hello.secret).i64(hello.answered),
  );
}

export function decodeHello(body: Uint8Array): Hello {
  const r = new Reader(body);
  if (r.u32() !== MAGIC) throw new ProtocolError('not a client of this protocol');
  const version = r.u32();
  if (version !== VERSION) throw new ProtocolError(`the client speaks version ${version}, this is version ${VERSION}`);
  const hello = { version, token: r.bytes(), session: r.i64(), secret: r.bytes(), answered: r.i64() };
  r.end();
  return hello;
}

export function encodeWelcome(welcome: Welcome): Uint8Array {
  return frame(FRAME.welcome, (w) => {
    w.u32(MAGIC).u32(VERSION).i64(welcome.session).bytes(welcome.secret);
    w.u8(welcome.resumed ? 1 : 0)
      .i64(welcome.seen)
      .u32(welcome.uid)
      .u32(welcome.gid);
    w.u32(welcome.groups.length);
    for (const group of welcome.groups) w.u32(group);
    w.text(welcome.host).u32(welcome.window).bytes(welcome.challenge);
  });
}

export function decodeWelcome(body: Uint8Array): Welcome {
  const r = new Reader(body);
  if (r.u32() !== MAGIC) throw new ProtocolError('not a server of this protocol');
  const version = r.u32();
  if (version !== VERSION) throw new ProtocolError(`the server speaks version ${version}, this is version ${VERSION}`);
  const welcome = {
    session: r.i64(),
    secret: r.bytes().slice(),
    resumed: r.u8() !== 0,
    seen: r.i64(),
    uid: r.u32(),
    gid: r.u32(),
    groups: Array.from({ length: r.count(4) }, () => r.u32()),
    host: r.text(),
    window: r.u32(),
    challenge: r.bytes().slice(),
  };
  r.end();
  return welcome;
}

export function encodeReady(challenge: Uint8Array): Uint8Array {
  return frame(FRAME.ready, (w) => w.bytes(challenge));
}

export function decodeReady(body: Uint8Array): Uint8Array {
  const r = new Reader(body);
  const challenge = r.bytes();
  r.end();
  return challenge;
}

export function encodeRefusal(reason: string): Uint8Array {
  return frame(FRAME.refused, (w) => w.text(reason));
}

export function encodeRequest(request: Request): Uint8Array {
  const { number, parameters } = REMOTE_OPERATIONS[request.operation];
  const last = request.values.at(-1);
  const room = 64 + (last instanceof Uint8Array ? last.length : 64);
  return frame(
    FRAME.request,
    (w) => {
      w.i64(request.id).i64(request.answered).u8(number);
      w.i64(request.key)
        .u8(request.again ? 1 : 0)
        .u32(request.node);
      for (const [i, [, kind]] of parameters.entries()) put(w, kind, request.values[i]);
    },
    room,
  );
}

export function decodeRequest(body: Uint8Array): Request {
  const r = new Reader(body);
  const id = r.i64();
  const answered = r.i64();
  const number = r.u8();
  const key = r.i64();
  const again = r.u8() !== 0;
  const node = r.u32();
  const operation = NAME_OF_NUMBER.get(number);
  if (operation === undefined) throw new ProtocolError(`there is no operation ${number}`);
  const values = REMOTE_OPERATIONS[operation].parameters.map(([, kind]) => CODECS[kind].take(r));
  r.end();
  return { id, answered, operation, node, key, again, values };
}

export interface Outcome {
  id: number;
  status: number;
  attributes: Attributes | null;
  /** What the operation answers; absent where status is an errno. */
  answer?: { kind: WireKind; value: unknown };
}

export function encodeReply({ id, status, attributes, answer }: Outcome): Uint8Array {
  const room = 160 + (answer?.value instanceof Uint8Array ? answer.value.length : 64);
  return frame(
    FRAME.reply,
    (w) => {
      w.i64(id)
        .i64(status)
        .u8(attributes === null ? 0 : 1);
      if (attributes !== null) CODECS.attributes.put(w, attributes);
      if (answer !== undefined) put(w, answer.kind, answer.value);
    },
    room,
  );
}

export function decodeReply(body: Uint8Array): Reply {
  const rest = new Reader(body);
  const id = rest.i64();
  const status = rest.i64();
  const attributes = rest.u8() === 0 ? null : CODECS.attributes.take(rest);
  return { id, status, attributes, rest };
}

function put(w: Writer, kind: WireKind, value: unknown): void {
  (CODECS[kind].put as (w: Writer, value: unknown) => void)(w, value);
}
