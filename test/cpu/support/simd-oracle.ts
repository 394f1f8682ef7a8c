/** Requests and replies of fixtures/native/simd-oracle.c: one instruction with the registers before and after it. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const MEMORY = 0x2000_0000;
export const CODE = MEMORY + 0x1000;

export interface Request {
  code: number[];
  mxcsr: number;
  eflags: number;
  /** eax ecx edx ebx. */
  gpr: number[];
  /** Whether the x87 registers are valid; else EMMS has emptied them. */
  mmx: boolean;
  memory: Uint8Array;
  /** xmm0..xmm2. */
  xmm: Uint8Array[];
  /** mm0, mm1. */
  mm: Uint8Array[];
}

export interface Reply {
  signal: number;
  mxcsr: number;
  /** CF PF AF ZF SF OF. */
  eflags: number;
  gpr: number[];
  /** Whether all x87 registers are empty. */
  empty: boolean;
  memory: Uint8Array;
  xmm: Uint8Array[];
  /** Physical registers 0 and 1 with sign and exponent. */
  st: Uint8Array[];
}

export const ARITHMETIC_FLAGS = 0x8d5;
const REQUEST_BYTES = 144;
const REPLY_BYTES = 160;
const binary = fileURLToPath(new URL('../../../fixtures/bin/simd-oracle', import.meta.url));

function encode(requests: readonly Request[]): Uint8Array {
  const bytes = new Uint8Array(requests.length * REQUEST_BYTES);
  const view = new DataView(bytes.buffer);
  requests.forEach((request, index) => {
    const at = index * REQUEST_BYTES;
    bytes.set(request.code, at);
    const words = [request.code.length, request.mxcsr, request.eflags, ...request.gpr, request.mmx ? 1 : 0];
    words.forEach((word, i) => {
      view.setUint32(at + 12 + 4 * i, word, true);
    });
    bytes.set(request.memory, at + 48);
    request.xmm.forEach((value, i) => {
      bytes.set(value, at + 80 + 16 * i);
    });
    request.mm.forEach((value, i) => {
      bytes.set(value, at + 128 + 8 * i);
    });
  });
  return bytes;
}

function decode(bytes: Uint8Array, at: number): Reply {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at);
  const word = (i: number): number => view.getUint32(4 * i, true);
  const part = (start: number, length: number): Uint8Array => bytes.slice(at + start, at + start + length);
  return {
    signal: word(0),
    mxcsr: word(1),
    eflags: word(2) & ARITHMETIC_FLAGS,
    gpr: [3, 4, 5, 6].map(word),
    empty: word(8) === 0xffff,
    memory: part(48, 32),
    xmm: [0, 1, 2].map((i) => part(80 + 16 * i, 16)),
    st: [0, 1].map((i) => part(128 + 10 * i, 10)),
  };
}

/** Runs the requests on this machine's CPU. */
export function runNative(requests: readonly Request[]): Reply[] {
  const done = spawnSync(binary, { input: encode(requests), maxBuffer: 2 ** 31 - 1 });
  if (done.error) throw done.error;
  if (done.status !== 0) throw new Error(`simd-oracle: status ${done.status} signal ${done.signal}`);
  const replies: Reply[] = [];
  for (let at = 0; at < done.stdout.length; at += REPLY_BYTES) replies.push(decode(done.stdout, at));
  return replies;
}

/** Why this machine cannot be the oracle, or undefined if it can: RCPPS is exact for Intel's processors only. */
export function whyNotNative(cpuinfo: string): string | undefined {
  const isIntel = /GenuineIntel/.test(cpuinfo);
  if (!isIntel) return 'not an Intel processor';
  const probe = spawnSync(binary, { input: new Uint8Array(0) });
  return probe.status === 0 ? undefined : `cannot run i386 programs: ${probe.error?.message ?? probe.signal}`;
}
