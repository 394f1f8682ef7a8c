/**
 * The machine's only source of random numbers: the ChaCha20 block function (RFC 8439, section 2.3) in counter mode,
 * with the key replaced from its own output after every request, so that earlier output cannot be computed back.
 */
export class Random {
  #key = new Uint32Array(8);
  #counter = 0;

  constructor(seed: Uint8Array) {
    this.reseed(seed);
  }

  /** Mixes 32 or more bytes of fresh entropy into the key: at start, and at every restore. */
  reseed(seed: Uint8Array): void {
    for (let i = 0; i < seed.length; i++) this.#key[(i >> 2) & 7] ^= seed[i] << ((i & 3) * 8);
    this.#rekey();
  }

  fill(into: Uint8Array): Uint8Array {
    for (let at = 0; at < into.length; at += 64) {
      const block = this.#block();
      into.set(at + 64 <= into.length ? block : block.subarray(0, into.length - at), at);
    }
    this.#rekey();
    return into;
  }
  bytes(count: number): Uint8Array {
    return this.fill(new Uint8Array(count));
  }
  /** An unsigned 32-bit number. */
  u32(): number {
    return new DataView(this.bytes(4).buffer).getUint32(0, true);
  }

  #rekey(): void {
    const block = this.#block();
    this.#key = new Uint32Array(block.slice(0, 32).buffer);
  }

  #block(): Uint8Array {
    const counter = this.#counter++;
    return chachaBlock(this.#key, [counter >>> 0, Math.floor(counter / 2 ** 32), 0, 0]);
  }
}

/** 64 bytes for a key of 8 words and an input of 4: in the RFC a counter and a nonce. */
export function chachaBlock(key: Uint32Array, input: readonly number[]): Uint8Array {
  const start = new Uint32Array(16);
  start.set([0x61707865, 0x3320646e, 0x79622d32, 0x6b206574]);
  start.set(key, 4);
  start.set(input, 12);
  const x = start.slice();
  for (let round = 0; round < 10; round++) {
    for (const [a, b, c, d] of QUARTERS) quarterRound(x, a, b, c, d);
  }
  for (let i = 0; i < 16; i++) x[i] += start[i];
  return new Uint8Array(x.buffer);
}

const QUARTERS = [
  [0, 4, 8, 12],
  [1, 5, 9, 13],
  [2, 6, 10, 14],
  [3, 7, 11, 15],
  [0, 5, 10, 15],
  [1, 6, 11, 12],
  [2, 7, 8, 13],
  [3, 4, 9, 14],
] as const;

function quarterRound(x: Uint32Array, a: number, b: number, c: number, d: number): void {
  x[a] += x[b];
  x[d] = rotate(x[d] ^ x[a], 16);
  x[c] += x[d];
  x[b] = rotate(x[b] ^ x[c], 12);
  x[a] += x[b];
  x[d] = rotate(x[d] ^ x[a], 8);
  x[c] += x[d];
  x[b] = rotate(x[b] ^ x[c], 7);
}

function rotate(word: number, by: number): number {
  return (word << by) | (word >>> (32 - by));
}
