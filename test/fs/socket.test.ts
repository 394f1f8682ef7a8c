import { beforeEach, describe, expect, it } from 'vitest';
import {
  EACCES,
  EADDRINUSE,
  EAGAIN,
  ECONNREFUSED,
  ECONNRESET,
  EINPROGRESS,
  EISCONN,
  EMSGSIZE,
  ENETUNREACH,
  ENOTCONN,
  EPIPE,
} from '../../src/abi/errno.ts';
import { O_NONBLOCK } from '../../src/abi/fs.ts';
import { SIGPIPE } from '../../src/abi/signal.ts';
import * as S from '../../src/abi/socket.ts';
import { AnonymousFileSystems } from '../../src/fs/anonymous.ts';
import { EventFile } from '../../src/fs/eventfd.ts';
import { makeSocket, worldFor } from '../../src/fs/make-socket.ts';
import { NOTHING, type Received, type Socket } from '../../src/fs/socket.ts';
import { SocketNames } from '../../src/fs/socket-names.ts';
import { getSocketOption, setSocketOption } from '../../src/fs/socket-options.ts';
import { makeCredentials } from '../../src/vfs/credentials.ts';
import { POLLHUP, POLLIN, POLLOUT } from '../../src/vfs/open-file.ts';
import { BLOCKED } from '../../src/wait/wait.ts';
import { FakeCaller } from '../support/sleeper.ts';

const inodes = new AnonymousFileSystems();
const bytes = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));
const text = (content: Uint8Array) => String.fromCharCode(...content);
let a: FakeCaller;
let b: FakeCaller;
let names: SocketNames;

beforeEach(() => {
  a = new FakeCaller(1);
  b = new FakeCaller(2, a.clock);
  names = new SocketNames();
});

function open(domain: number, type: number, flags = 0): Socket {
  const socket = makeSocket(a, worldFor(a, inodes.sockets, names), domain, type, 0, flags) as Socket;
  socket.references = 1;
  return socket;
}
function pair(type: number, flags = 0): [Socket, Socket] {
  const ends: [Socket, Socket] = [open(S.AF_UNIX, type, flags), open(S.AF_UNIX, type, flags)];
  ends[0].pair(a, ends[1]);
  return ends;
}
const send = (s: FakeCaller, socket: Socket, content: string, flags = 0) =>
  s.start(() => socket.send(s, bytes(content), flags, null, NOTHING));
function receive(s: FakeCaller, socket: Socket, count: number, flags = 0): string | number {
  const into = new Uint8Array(count);
  const answer = s.start(() => socket.receive(s, into, flags));
  return typeof answer === 'number' ? answer : text(into.subarray(0, answer.count));
}
const abstract = (name: string) => ({ family: S.AF_UNIX as typeof S.AF_UNIX, name: `\0${name}` });
const loopback = (port: number, host = [127, 0, 0, 1]) => ({ family: S.AF_INET as typeof S.AF_INET, host, port });

describe('UNIX sockets', () => {
  it('are streams without boundaries', () => {
    const [x, y] = pair(S.SOCK_STREAM);
    send(a, x, 'one');
    send(a, x, 'two');
    expect(receive(b, y, 4, S.MSG_PEEK)).toBe('onet');
    expect(receive(b, y, 4)).toBe('onet');
    expect(receive(b, y, 9)).toBe('wo');
    expect(b.start(() => y.receive(b, new Uint8Array(1), 0))).toBe(BLOCKED);
    send(a, x, '!');
    expect((b.resume() as Received).count).toBe(1);
  });

  it('keep packets apart', () => {
    const [x, y] = pair(S.SOCK_SEQPACKET);
    send(a, x, 'long packet');
    send(a, x, 'next');
    const into = new Uint8Array(4);
    expect(b.start(() => y.receive(b, into, 0))).toMatchObject({ count: 4, length: 11, flags: S.MSG_TRUNC });
    expect(receive(b, y, 9)).toBe('next');
    expect(send(a, x, 'x'.repeat(300000))).toBe(-EMSGSIZE);
  });

  it('block a writer that is far ahead, and wait for all', () => {
    const [x, y] = pair(S.SOCK_STREAM);
    expect(send(a, x, 'z'.repeat(1 << 20))).toBe(BLOCKED);
    expect(x.poll() & POLLOUT).toBe(0);
    const into = new Uint8Array(1 << 20);
    let all: number | Received = b.start(() => y.receive(b, into, S.MSG_WAITALL));
    let sent: number = BLOCKED;
    while (sent === BLOCKED || all === BLOCKED) {
      if (sent === BLOCKED) sent = a.resume();
      if (all === BLOCKED) all = b.resume();
    }
    expect([sent, (all as Received).count]).toEqual([1 << 20, 1 << 20]);
    expect(into.every((byte) => byte === 0x7a)).toBe(true);
  });

  it('end: with what was sent, with a reset, with SIGPIPE', () => {
    let [x, y] = pair(S.SOCK_STREAM, O_NONBLOCK);
    send(a, x, 'last');
    x.release();
    expect(y.poll() & (POLLIN | POLLHUP)).toBe(POLLIN | POLLHUP);
    expect([receive(b, y, 9), receive(b, y, 9)]).toEqual(['last', '']);
    expect([send(b, y, 'x'), send(b, y, 'x', S.MSG_NOSIGNAL)]).toEqual([-EPIPE, -EPIPE]);
    expect(b.raised).toEqual([SIGPIPE]);
    [x, y] = pair(S.SOCK_STREAM, O_NONBLOCK);
    send(b, y, 'unread');
    x.release();
    expect([receive(b, y, 9), receive(b, y, 9)]).toEqual([-ECONNRESET, '']);
  });

  it('carry descriptors and credentials, one message at a time', () => {
    const [x, y] = pair(S.SOCK_STREAM);
    const file = new EventFile(inodes.anonInode, { count: 0n, semaphore: false });
    file.references = 1;
    send(a, x, 'before');
    const credentials = { pid: 7, uid: 8, gid: 9 };
    a.start(() => x.send(a, bytes('with'), 0, null, { rights: [file], credentials }));
    send(a, x, 'after');
    expect(file.references).toBe(2);
    const take = () => b.start(() => y.receive(b, new Uint8Array(100), 0)) as Received;
    expect(take()).toMatchObject({ count: 10, rights: [file] });
    expect(take()).toMatchObject({ count: 5, rights: [] });
    a.start(() => x.send(a, bytes('lost'), 0, null, { rights: [file], credentials }));
    y.release();
    expect(file.references).toBe(2);
  });

  it('are found by abstract names', () => {
    const listener = open(S.AF_UNIX, S.SOCK_STREAM);
    expect(listener.bind(a, abstract('here'))).toBe(0);
    expect(open(S.AF_UNIX, S.SOCK_STREAM).bind(a, abstract('here'))).toBe(-EADDRINUSE);
    const client = open(S.AF_UNIX, S.SOCK_STREAM);
    expect(client.connect(b, abstract('here'))).toBe(-ECONNREFUSED);
    listener.listen(a, 0);
    expect(a.start(() => listener.accept(a, 0))).toBe(BLOCKED);
    expect(client.connect(b, abstract('here'))).toBe(0);
    const end = a.resume<Socket>();
    expect(client.connect(b, abstract('here'))).toBe(-EISCONN);
    send(b, client, 'hello');
    expect(receive(a, end, 9)).toBe('hello');
    expect(end.address()).toEqual(abstract('here'));
    const peer = getSocketOption(end, S.SOL_SOCKET, S.SO_PEERCRED) as Uint8Array;
    expect(new DataView(peer.buffer).getInt32(0, true)).toBe(2);
    listener.release();
    expect(open(S.AF_UNIX, S.SOCK_STREAM).connect(b, abstract('here'))).toBe(-ECONNREFUSED);
  });

  it('make connections wait for a place in the backlog', () => {
    const listener = open(S.AF_UNIX, S.SOCK_STREAM);
    listener.bind(a, abstract('l'));
    listener.listen(a, 0);
    open(S.AF_UNIX, S.SOCK_STREAM).connect(b, abstract('l'));
    const late = open(S.AF_UNIX, S.SOCK_STREAM);
    expect(b.start(() => late.connect(b, abstract('l')))).toBe(BLOCKED);
    const hasty = open(S.AF_UNIX, S.SOCK_STREAM, O_NONBLOCK);
    expect(hasty.connect(new FakeCaller(3), abstract('l'))).toBe(-EAGAIN);
    a.start(() => listener.accept(a, 0));
    expect(b.resume()).toBe(0);
  });

  it('send datagrams with the name of the sender', () => {
    const [x, y] = [open(S.AF_UNIX, S.SOCK_DGRAM), open(S.AF_UNIX, S.SOCK_DGRAM, O_NONBLOCK)];
    x.bind(a, abstract('x'));
    y.bind(a, abstract('y'));
    expect(a.start(() => x.send(a, bytes('hi'), 0, abstract('y'), NOTHING))).toBe(2);
    const answer = b.start(() => y.receive(b, new Uint8Array(9), 0));
    expect(answer).toMatchObject({ count: 2, from: abstract('x') });
    expect(receive(b, y, 9)).toBe(-EAGAIN);
    expect(send(a, x, 'nobody')).toBe(-ENOTCONN);
    x.connect(a, abstract('y'));
    y.release();
    expect([send(a, x, 'gone'), send(a, x, 'gone')]).toEqual([-ECONNREFUSED, -ENOTCONN]);
  });
});

describe('the machine’s own network', () => {
  it('connects ports of one machine, and nothing else', () => {
    const listener = open(S.AF_INET, S.SOCK_STREAM);
    expect(listener.bind(a, loopback(0, [0, 0, 0, 0]))).toBe(0);
    const { port } = listener.address() as { port: number };
    const client = open(S.AF_INET, S.SOCK_STREAM);
    expect(client.connect(b, loopback(port))).toBe(-ECONNREFUSED);
    expect(client.connect(b, loopback(80, [8, 8, 8, 8]))).toBe(-ENETUNREACH);
    listener.listen(a, 5);
    expect(client.connect(b, loopback(port))).toBe(0);
    const end = a.start(() => listener.accept(a, 0)) as Socket;
    expect(end.peerAddress()).toEqual(client.address());
    expect(client.peerAddress()).toEqual(loopback(port));
    send(a, end, 'over TCP');
    end.release();
    expect([receive(b, client, 99), receive(b, client, 99)]).toEqual(['over TCP', '']);
    expect([send(b, client, 'x'), send(b, client, 'x')]).toEqual([1, -EPIPE]);
  });

  it('answers EINPROGRESS to those who do not wait', () => {
    const listener = open(S.AF_INET, S.SOCK_STREAM);
    listener.listen(a, 5);
    const { port } = listener.address() as { port: number };
    const client = open(S.AF_INET, S.SOCK_STREAM, O_NONBLOCK);
    expect(client.connect(b, loopback(port))).toBe(-EINPROGRESS);
    expect(client.poll() & POLLOUT).toBe(POLLOUT);
    expect([client.connect(b, loopback(port)), client.connect(b, loopback(port))]).toEqual([0, -EISCONN]);
    const refused = open(S.AF_INET, S.SOCK_STREAM, O_NONBLOCK);
    expect(refused.connect(b, loopback(1))).toBe(-EINPROGRESS);
    const error = getSocketOption(refused, S.SOL_SOCKET, S.SO_ERROR) as Uint8Array;
    expect(error[0]).toBe(ECONNREFUSED);
  });

  it('reserves low ports, and shares others only when asked', () => {
    b.credentials = makeCredentials(1000, 1000);
    expect(open(S.AF_INET, S.SOCK_STREAM).bind(b, loopback(80))).toBe(-EACCES);
    const first = open(S.AF_INET, S.SOCK_DGRAM);
    expect(first.bind(b, loopback(5000))).toBe(0);
    const second = open(S.AF_INET, S.SOCK_DGRAM);
    expect(second.bind(b, loopback(5000))).toBe(-EADDRINUSE);
    for (const socket of [first, second]) setSocketOption(b, socket, S.SOL_SOCKET, S.SO_REUSEPORT, bytes('\x01\0\0\0'));
    expect(second.bind(b, loopback(5000))).toBe(0);
  });

  it('loses datagrams that nobody takes', () => {
    const [x, y] = [open(S.AF_INET, S.SOCK_DGRAM), open(S.AF_INET, S.SOCK_DGRAM, O_NONBLOCK)];
    y.bind(a, loopback(6000));
    expect(a.start(() => x.send(a, bytes('to you'), 0, loopback(6000), NOTHING))).toBe(6);
    expect(receive(b, y, 2)).toBe('to');
    expect(receive(b, y, 9)).toBe(-EAGAIN);
    x.connect(a, loopback(6001));
    expect([send(a, x, 'nobody'), send(a, x, 'x')]).toEqual([6, -ECONNREFUSED]);
  });
});

describe('socket options', () => {
  it('end waits in time', () => {
    const [x] = pair(S.SOCK_STREAM);
    setSocketOption(a, x, S.SOL_SOCKET, S.SO_RCVTIMEO, bytes('\0\0\0\0\x10\x27\0\0'));
    expect(receive(a, x, 1)).toBe(BLOCKED);
    a.clock.advance(10_000_000);
    expect(a.resume()).toBe(-EAGAIN);
  });

  it('double buffer sizes', () => {
    const [x] = pair(S.SOCK_STREAM);
    setSocketOption(a, x, S.SOL_SOCKET, S.SO_SNDBUF, bytes('\0\x20\0\0'));
    expect(getSocketOption(x, S.SOL_SOCKET, S.SO_SNDBUF)).toEqual(bytes('\0\x40\0\0'));
    expect(send(a, x, 'z'.repeat(100000), S.MSG_DONTWAIT)).toBeLessThan(20000);
  });
});
