import { deflateRawSync, inflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CodecError, Decoder, Encoder, type Value } from '../../src/replay/codec.ts';
import type { Event } from '../../src/replay/events.ts';
import { DamagedRecording } from '../../src/replay/frames.ts';
import { LogReader, LogWriter } from '../../src/replay/log.ts';

const packer = {
  pack: (bytes: Uint8Array) => deflateRawSync(bytes),
  unpack: (bytes: Uint8Array) => inflateRawSync(bytes),
};

const EVENTS: Event[] = [
  { kind: 'now', time: 15_362_740_353_675 },
  { kind: 'now', time: 15_362_740_353_675 },
  { kind: 'realtime', time: 1_795_566_934_840_307_569n },
  {
    ...{ kind: 'call', port: 'files', method: 'read', args: [3, 4096, 'na\udc80me'] },
    ...{ answer: 5, filled: Uint8Array.of(0, 1, 2, 254, 255) },
  },
  { kind: 'call', port: 'files', method: 'stat', args: [], answer: { size: 2 ** 40, mtime: -5n }, filled: undefined },
  { kind: 'call', port: 'files', method: 'stat', args: [], answer: { size: 1, mtime: 5n }, filled: undefined },
  { kind: 'syscall', tid: 2, nr: 3, answer: -11, instructions: 1000 },
  { kind: 'syscall', tid: 3, nr: -1, answer: 0xbffff000, instructions: 1000 },
  { kind: 'ready', port: 'descriptor 0', waker: 0, happened: undefined },
  { kind: 'signal', target: 'group', id: 2, info: { signo: 10, code: 0 } },
  { kind: 'resume', instructions: 2 ** 34 },
  { kind: 'end', end: { status: 3, stopped: false }, instructions: 2 ** 34 + 1 },
];

function written(events: readonly Event[], flushEach = false): Uint8Array {
  const parts: Uint8Array[] = [];
  const log = new LogWriter((bytes) => parts.push(bytes), packer);
  for (const event of events) {
    log.write(event);
    if (flushEach) log.flush();
  }
  log.flush();
  return Buffer.concat(parts);
}

function reader(bytes: Uint8Array): LogReader {
  const read = (position: number, length: number) => bytes.subarray(position, position + length);
  return new LogReader({ size: bytes.length, read }, packer);
}

function readAll(log: LogReader): Event[] {
  const events: Event[] = [];
  for (let event = log.peek(); event !== undefined; event = log.peek()) events.push(log.take(event.kind)!);
  return events;
}

describe('values', () => {
  it('come back as they were', () => {
    const encoder = new Encoder();
    const decoder = new Decoder();
    const plain = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 3 },
        fc.constantFrom<Value>(null, undefined, true, false),
        fc.double(),
        fc.integer(),
        fc.maxSafeInteger(),
        fc.bigInt(),
        fc.string({ unit: 'binary' }),
        fc.uint8Array(),
        fc.array(tie('value')),
        fc.dictionary(fc.string({ minLength: 1 }), tie('value'), { noNullPrototype: true }),
      ),
    })).value as fc.Arbitrary<Value>;
    fc.assert(
      fc.property(plain, (value) => {
        encoder.value(value);
        decoder.feed(encoder.take());
        expect(decoder.value()).toEqual(value);
        expect(decoder.isEmpty).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('are refused where they make no sense', () => {
    const decoder = new Decoder();
    for (const bytes of [[99], [9, 5], [10, 200], [4, 0x80], [13, 3]]) {
      decoder.feed(Uint8Array.from(bytes));
      expect(() => decoder.value()).toThrow(CodecError);
    }
  });
});

describe('a log', () => {
  it.each([false, true])('keeps events in order (a frame each: %s)', (each) => {
    expect(readAll(reader(written(EVENTS, each)))).toEqual(EVENTS);
  });

  it('cut off anywhere, gives what is whole', () => {
    const bytes = written(EVENTS, true);
    for (let length = 16; length < bytes.length; length += 7) {
      const log = reader(bytes.subarray(0, length));
      const events = readAll(log);
      expect(events).toEqual(EVENTS.slice(0, events.length));
      expect(events.length).toBeLessThan(EVENTS.length);
    }
  });

  it('tells damage wherever it is', () => {
    const bytes = written(EVENTS, true);
    for (let at = 0; at < bytes.length; at += 3) {
      const damaged = bytes.slice();
      damaged[at] ^= 0x40;
      // A length that is too long looks like a recording that was cut off.
      let events: Event[];
      try {
        events = readAll(reader(damaged));
      } catch (error) {
        expect(error).toBeInstanceOf(DamagedRecording);
        continue;
      }
      expect(events.length).toBeLessThan(EVENTS.length);
      expect(events).toEqual(EVENTS.slice(0, events.length));
    }
  });
});
