/**
 * Numeric instructions for the evaluator: a small wasm module holds one function per row of ops.ts, so that the evaluator
 * computes with WebAssembly's own arithmetic, bit for bit. i32 is a signed number, i64 an unsigned bigint; f32, f64 and v128
 * are bytes, because a JavaScript number does not keep the payload of a NaN.
 */
import type { WasmType } from './emitter.ts';
import type { LaneShape, NumericOp } from './ops.ts';
import { F32, F64, I32, I64, V128 } from './ops.ts';
import type { FunctionCode } from './wasm-writer.ts';
import { Bytes, opcodeBytes, writeModule } from './wasm-writer.ts';

export type EvalValue = number | bigint | Uint8Array;

const LOAD: Partial<Record<WasmType, number[]>> = { f32: [0x2a], f64: [0x2b], v128: [0xfd, 0] };
const STORE: Partial<Record<WasmType, number[]>> = { f32: [0x38], f64: [0x39], v128: [0xfd, 11] };
const WIDTH: Record<WasmType, number> = { i32: 4, i64: 8, f32: 4, f64: 8, v128: 16 };
const SLOT = 16;
const RESULT = 64;
const isWord = (type: WasmType): boolean => type === 'i32' || type === 'i64';

/** Words are parameters and results; the rest goes through memory slots. */
function opFunction(op: NumericOp, name: string): FunctionCode {
  const code = new Bytes();
  const inMemory = !isWord(op.result);
  if (inMemory) code.u8(0x41).s32(RESULT);
  let parameter = 0;
  op.parameters.forEach((type, i) => {
    if (isWord(type)) code.u8(0x20).u32(parameter++);
    else
      code
        .u8(0x41)
        .s32(i * SLOT)
        .all(LOAD[type]!)
        .u8(0)
        .u32(0);
  });
  code.all(opcodeBytes(op.code));
  if (inMemory) code.all(STORE[op.result]!).u8(0).u32(0);
  const type = { parameters: op.parameters.filter(isWord), results: inMemory ? [] : [op.result] };
  return { type, locals: [], code: code.bytes(), exported: name };
}

type Calls = Record<string, (...args: (number | bigint)[]) => number | bigint>;
let machine: { calls: Calls; bytes: Uint8Array } | undefined;

function build(): { calls: Calls; bytes: Uint8Array } {
  const rows = [I32, I64, F32, F64, V128].flatMap((table): NumericOp[] => Object.values(table));
  const functions = rows.map((op) => opFunction(op, `${op.code}`));
  const module = new WebAssembly.Module(writeModule({ functions, memory: { minimum: 1, maximum: 1, shared: false } }));
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const instance = new WebAssembly.Instance(module, { env: { memory } });
  return { calls: instance.exports as Calls, bytes: new Uint8Array(memory.buffer) };
}

export function applyOp(op: NumericOp, args: EvalValue[]): EvalValue {
  machine ??= build();
  const { calls, bytes } = machine;
  const words: (number | bigint)[] = [];
  args.forEach((arg, i) => {
    if (typeof arg === 'object') bytes.set(arg, i * SLOT);
    else words.push(arg);
  });
  const result = calls[op.code](...words);
  if (!isWord(op.result)) return bytes.slice(RESULT, RESULT + WIDTH[op.result]);
  return typeof result === 'bigint' ? BigInt.asUintN(64, result) : result;
}

const LANE: Record<LaneShape, { width: number; type: WasmType }> = {
  i8x16: { width: 1, type: 'i32' },
  i16x8: { width: 2, type: 'i32' },
  i32x4: { width: 4, type: 'i32' },
  i64x2: { width: 8, type: 'i64' },
  f32x4: { width: 4, type: 'f32' },
  f64x2: { width: 8, type: 'f64' },
};

/** Little-endian bytes of a value; integers are cut to `width`. */
export function toBytes(value: EvalValue, width: number): Uint8Array {
  if (typeof value === 'object') return value.slice(0, width);
  const out = new Uint8Array(width);
  let rest = BigInt.asUintN(64, BigInt(value));
  for (let i = 0; i < width && i < 8; i++) {
    out[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return out;
}

/** The value of `type` whose low bytes are given; narrow integers are zero-extended. */
export function fromBytes(bytes: Uint8Array, type: WasmType): EvalValue {
  if (!isWord(type)) return bytes.slice(0, WIDTH[type]);
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]);
  return type === 'i64' ? BigInt.asUintN(64, value) : Number(BigInt.asIntN(32, value));
}

export const evaluateLanes = {
  shuffle(a: EvalValue, b: EvalValue, indices: readonly number[]): EvalValue {
    const both = [...(a as Uint8Array), ...(b as Uint8Array)];
    return Uint8Array.from(indices, (index) => both[index]);
  },
  extractLane(shape: LaneShape, a: EvalValue, lane: number): EvalValue {
    const { width, type } = LANE[shape];
    return fromBytes((a as Uint8Array).subarray(lane * width, (lane + 1) * width), type);
  },
  replaceLane(shape: LaneShape, a: EvalValue, lane: number, value: EvalValue): EvalValue {
    const { width } = LANE[shape];
    const out = (a as Uint8Array).slice();
    out.set(toBytes(value, width), lane * width);
    return out;
  },
};
