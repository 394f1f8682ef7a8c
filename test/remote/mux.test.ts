/** Channels over one connection: each in order, none in the way of another, and no bytes of the other side do harm. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Channel, Mux } from '../../src/remote/mux.ts';
import type { Transport, TransportListener } from '../../src/remote/transport.ts';

/** Bytes go to the other end in pieces of any size, after the caller is done. */
class End implements Transport {
  other!: End;
  listener: TransportListener | null = null;
  closed = false;
  readonly backlog = 0;
  readonly piece: number;

  constructor(piece: number) {
    this.piece = piece;
  }
  send(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += this.piece) {
      const part = bytes.slice(at, at + this.piece);
      queueMicrotask(() => this.other.listener?.data(part));
    }
  }
  receive(listener: TransportListener): void {
    this.listener = listener;
  }
  close(): void {
    if (this.closed) return;
    this.closed = true;
    for (const end of [this, this.other]) queueMicrotask(() => end.listener?.closed());
  }
}

function pair(piece = 1 << 20): [End, End] {
  const [a, b] = [new End(piece), new End(piece)];
  a.other = b;
  b.other = a;
  return [a, b];
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 5));

describe('channels', () => {
  it('carry what is sent, in order, however it is cut, both ways, and tell the end after it', async () => {
    const [a, b] = pair(7);
    const [home, crew] = [new Mux(a, 1), new Mux(b, 2)];
    const heard: Record<number, string> = {};
    const ends: number[] = [];
    crew.onOpen = (channel) =>
      channel.receive({
        data: (bytes) => {
          heard[channel.id] = (heard[channel.id] ?? '') + Buffer.from(bytes).toString();
          channel.send(bytes.slice());
        },
        closed: () => ends.push(channel.id),
      });
    home.start();
    crew.start();
    const [one, two] = [home.open(), home.open()];
    let back = '';
    one.receive({ data: (bytes) => (back += Buffer.from(bytes)), closed: () => {} });
    for (let i = 0; i < 50; i++) {
      one.send(Buffer.from(`one${i};`));
      two.send(Buffer.from(`two${i};`));
    }
    two.close();
    await settled();
    const all = (word: string) => Array.from({ length: 50 }, (_, i) => `${word}${i};`).join('');
    expect(heard).toEqual({ 1: all('one'), 3: all('two') });
    expect(back).toBe(all('one'));
    expect(ends).toEqual([3]);
  });

  it('a reader that takes nothing holds up its own channel only, and its window bounds what lies there', async () => {
    const [a, b] = pair();
    const [home, crew] = [new Mux(a, 1), new Mux(b, 2)];
    const channels: Channel[] = [];
    const got = [0, 0];
    crew.onOpen = (channel) => {
      const at = channels.push(channel) - 1;
      channel.receive({ data: (bytes) => (got[at] += bytes.length), closed: () => {} });
    };
    home.start();
    crew.start();
    const [slow, fast] = [home.open(true), home.open()];
    const megabyte = new Uint8Array(1 << 20);
    for (let i = 0; i < 16; i++) {
      slow.send(megabyte);
      fast.send(megabyte);
      await settled();
    }
    expect(got).toEqual([4 << 20, 16 << 20]);
    expect(slow.backlog).toBe(12 << 20);
    channels[0].credit(4 << 20);
    await settled();
    expect(got[0]).toBe(8 << 20);
  });

  it('all hear of the end of the connection', async () => {
    const [a, b] = pair();
    const home = new Mux(a, 1);
    const ends: string[] = [];
    home.onClosed = () => ends.push('mux');
    home.start();
    home.open().receive({ data: () => {}, closed: () => ends.push('channel') });
    b.close();
    await settled();
    expect(ends).toEqual(['channel', 'mux']);
  });

  it('bytes that are no pieces, or too many, end the connection and do nothing else', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 40 }), async (parts) => {
        const [a, b] = pair();
        const home = new Mux(a, 1);
        home.onOpen = (channel) => channel.receive({ data: () => {}, closed: () => {} });
        home.start();
        for (const part of parts) b.send(part);
        await Promise.resolve();
        b.close();
      }),
      { numRuns: 500 },
    );
    const [a, b] = pair();
    const home = new Mux(a, 1);
    home.start();
    home.open(true);
    const piece = Buffer.alloc(9 + (1 << 16));
    piece.writeUInt32LE(1 << 16, 0);
    piece.writeUInt32LE(1, 5);
    for (let i = 0; i < 100; i++) b.send(piece);
    await settled();
    expect(a.closed).toBe(true);
  });
});
