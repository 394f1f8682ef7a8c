/** Replies of real hardware, kept as differences from the requests they answer: fixtures/vectors/simd.bin.br. */

import { readFileSync, writeFileSync } from 'node:fs';
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib';
import type { Case } from './simd-cases.ts';
import { requestsOf } from './simd-cases.ts';
import { replyOf, stateOf } from './simd-evaluate.ts';
import type { Reply, Request } from './simd-oracle.ts';
import { runNative } from './simd-oracle.ts';
import { hash } from './simd-values.ts';

const file = new URL('../../../fixtures/vectors/simd.bin.br', import.meta.url);
/** Requests per case. */
export const RECORDED = 24;
const BYTES = 129;

function toBytes(reply: Reply): Uint8Array {
  const bytes = new Uint8Array(BYTES);
  const view = new DataView(bytes.buffer);
  for (const [i, word] of [reply.signal, reply.mxcsr, reply.eflags, ...reply.gpr].entries())
    view.setUint32(4 * i, word, true);
  bytes[28] = reply.empty ? 1 : 0;
  bytes.set(reply.memory, 29);
  for (const [i, value] of reply.xmm.entries()) bytes.set(value, 61 + 16 * i);
  for (const [i, value] of reply.st.entries()) bytes.set(value, 109 + 10 * i);
  return bytes;
}

function fromBytes(bytes: Uint8Array): Reply {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const word = (i: number): number => view.getUint32(4 * i, true);
  return {
    signal: word(0),
    mxcsr: word(1),
    eflags: word(2),
    gpr: [3, 4, 5, 6].map(word),
    empty: bytes[28] === 1,
    memory: bytes.slice(29, 61),
    xmm: [0, 1, 2].map((i) => bytes.slice(61 + 16 * i, 77 + 16 * i)),
    st: [0, 1].map((i) => bytes.slice(109 + 10 * i, 119 + 10 * i)),
  };
}

/** What the request would be answered if the instruction did nothing. */
const unchanged = (request: Request): Uint8Array => toBytes(replyOf(stateOf(request), request.memory, undefined));

const xor = (a: Uint8Array, b: Uint8Array): Uint8Array => a.map((byte, i) => byte ^ b[i]);

/** Asks this machine's CPU. */
export function record(cases: readonly Case[]): void {
  const chunks: Uint8Array[] = [];
  for (const one of cases) {
    const requests = requestsOf(one, RECORDED);
    chunks.push(new Uint8Array(new Uint32Array([hash(one.name)]).buffer));
    for (const [i, reply] of runNative(requests).entries()) chunks.push(xor(toBytes(reply), unchanged(requests[i])));
  }
  const params = { [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_QUALITY]: 11 };
  writeFileSync(file, brotliCompressSync(Buffer.concat(chunks), { params }));
}

/** Requests with hardware's replies, by case; undefined for a case that was not recorded. */
export function recorded(): (one: Case) => { request: Request; reply: Reply }[] | undefined {
  const bytes = new Uint8Array(brotliDecompressSync(readFileSync(file)));
  const view = new DataView(bytes.buffer);
  const starts = new Map<number, number>();
  for (let at = 0; at < bytes.length; at += 4 + RECORDED * BYTES) starts.set(view.getUint32(at, true), at + 4);
  return (one) => {
    const start = starts.get(hash(one.name));
    if (start === undefined) return undefined;
    return requestsOf(one, RECORDED).map((request, i) => {
      const at = start + i * BYTES;
      return { request, reply: fromBytes(xor(bytes.slice(at, at + BYTES), unchanged(request))) };
    });
  };
}
