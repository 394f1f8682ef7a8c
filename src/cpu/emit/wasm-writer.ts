/** Writes WebAssembly modules in their binary format (core specification, chapter 5). */
import type { WasmType } from './emitter.ts';

export const TYPE_CODE: Record<WasmType, number> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b };

/** Unsigned and signed LEB128 as plain numbers, for short pieces of code. */
export function leb(value: number): number[] {
  const out: number[] = [];
  let rest = value >>> 0;
  for (; rest > 0x7f; rest >>>= 7) out.push((rest & 0x7f) | 0x80);
  out.push(rest);
  return out;
}
export function signedLeb(value: number): number[] {
  const out: number[] = [];
  let rest = value | 0;
  for (; rest < -0x40 || rest > 0x3f; rest >>= 7) out.push((rest & 0x7f) | 0x80);
  out.push(rest & 0x7f);
  return out;
}

/** A growing byte buffer. */
export class Bytes {
  data = new Uint8Array(256);
  length = 0;

  #room(count: number): void {
    if (this.length + count <= this.data.length) return;
    const wider = new Uint8Array(Math.max(this.data.length * 2, this.length + count));
    wider.set(this.data.subarray(0, this.length));
    this.data = wider;
  }

  u8(value: number): this {
    this.#room(1);
    this.data[this.length++] = value;
    return this;
  }

  all(values: ArrayLike<number>): this {
    const count = values.length;
    this.#room(count);
    // A few bytes are faster by hand.
    if (count > 16) this.data.set(values, this.length);
    else for (let i = 0; i < count; i++) this.data[this.length + i] = values[i];
    this.length += count;
    return this;
  }

  /** Unsigned LEB128. */
  u32(value: number): this {
    let rest = value >>> 0;
    while (rest > 0x7f) {
      this.u8((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    return this.u8(rest);
  }

  /** Signed LEB128. */
  s32(value: number): this {
    let rest = value | 0;
    while (rest < -0x40 || rest > 0x3f) {
      this.u8((rest & 0x7f) | 0x80);
      rest >>= 7;
    }
    return this.u8(rest & 0x7f);
  }

  s64(value: bigint): this {
    let rest = BigInt.asIntN(64, value);
    while (rest < -0x40n || rest > 0x3fn) {
      this.u8(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    return this.u8(Number(rest & 0x7fn));
  }

  name(text: string): this {
    const bytes = Uint8Array.from(text, (c) => c.charCodeAt(0));
    return this.u32(bytes.length).all(bytes);
  }

  bytes(): Uint8Array<ArrayBuffer> {
    return this.data.slice(0, this.length);
  }
}

/** An opcode as ops.ts writes it: one byte, or a prefix and a LEB128 number. */
export function opcodeBytes(code: number): number[] {
  if (code < 0x100) return [code];
  const number = code >= 0xfd0000 ? code & 0xffff : code & 0xff;
  const prefix = code >= 0xfd0000 ? 0xfd : 0xfc;
  return number < 0x80 ? [prefix, number] : [prefix, (number & 0x7f) | 0x80, number >> 7];
}

export interface FunctionType {
  readonly parameters: readonly WasmType[];
  readonly results: readonly WasmType[];
}

export interface FunctionCode {
  readonly type: FunctionType;
  /** Locals after the parameters, in order. */
  readonly locals: readonly WasmType[];
  /** Instructions without the final `end`. */
  readonly code: Uint8Array;
  /** Places in it of branches that are hardly ever taken. */
  readonly rare?: readonly number[];
  readonly exported?: string;
  /** Its name in the exported table `listed`, whose entries become functions of JavaScript when someone asks for them. */
  readonly listed?: string;
}

/** The custom section that names the entries of the table `listed`. */
const LISTED = 'listed';

export interface ModuleCode {
  /** Types that have the first indices, for call_indirect. */
  readonly types?: readonly FunctionType[];
  /** Functions imported from "interp": they have the first indices. */
  readonly imports?: readonly { readonly name: string; readonly type: FunctionType }[];
  /** A table of functions is imported as "env" "table". */
  readonly hasTable?: boolean;
  readonly functions: readonly FunctionCode[];
  /** Where V8 compiles a module as a whole (src/host/v8.ts): only the first function, the others when they are called. */
  readonly isFirstAlone?: boolean;
  /** Memory is imported as "env" "memory". Sizes in pages. */
  readonly memory: { readonly minimum: number; readonly maximum: number; readonly shared: boolean };
}

function section(out: Bytes, id: number, content: Bytes): void {
  out.u8(id).u32(content.length).all(content.data.subarray(0, content.length));
}

function typeList(out: Bytes, types: readonly WasmType[]): void {
  out.u32(types.length);
  for (const type of types) out.u8(TYPE_CODE[type]);
}

function runLengths(types: readonly WasmType[]): [number, WasmType][] {
  const runs: [number, WasmType][] = [];
  for (const type of types) {
    const last = runs.at(-1);
    if (last && last[1] === type) last[0]++;
    else runs.push([1, type]);
  }
  return runs;
}

function localsOf(f: FunctionCode): Bytes {
  const out = new Bytes();
  const runs = runLengths(f.locals);
  out.u32(runs.length);
  for (const [count, type] of runs) out.u32(count).u8(TYPE_CODE[type]);
  return out;
}

const functionBody = (f: FunctionCode): Bytes => localsOf(f).all(f.code).u8(0x0b);

/** The custom section metadata.code.branch_hint, if there is anything to say. `first` is the index of the first function. */
function hints(functions: readonly FunctionCode[], first: number): Bytes | undefined {
  const hinted = functions.flatMap((f, i) => (f.rare?.length ? [{ f, index: first + i }] : []));
  if (hinted.length === 0) return undefined;
  const out = new Bytes().name('metadata.code.branch_hint').u32(hinted.length);
  for (const { f, index } of hinted) {
    const start = localsOf(f).length;
    out.u32(index).u32(f.rare!.length);
    for (const at of f.rare!)
      out
        .u32(start + at)
        .u8(1)
        .u8(0);
  }
  return out;
}

/** The type section, and the indices in it. */
class Types {
  readonly content = new Bytes();
  readonly #keys = new Map<string, number>();

  index(type: FunctionType): number {
    const key = `${type.parameters}>${type.results}`;
    const known = this.#keys.get(key);
    if (known !== undefined) return known;
    this.#keys.set(key, this.#keys.size);
    this.content.u8(0x60);
    typeList(this.content, type.parameters);
    typeList(this.content, type.results);
    return this.#keys.size - 1;
  }
  section(): Bytes {
    return new Bytes().u32(this.#keys.size).all(this.content.bytes());
  }
}

interface Named {
  readonly name: string;
  /** Of the function. */
  readonly index: number;
}

/** What fills the table: one active segment of functions, from 0 on. And the names, which only we read. */
function listedSections(out: Bytes, table: number, listed: readonly Named[]): void {
  const elements = new Bytes().u8(1).u8(2).u8(table).all([0x41, 0, 0x0b]).u8(0).u32(listed.length);
  for (const { index } of listed) elements.u32(index);
  section(out, 9, elements);
  const names = new TextEncoder().encode(listed.map(({ name }) => name).join('\n'));
  section(out, 0, new Bytes().name(LISTED).all(names));
}

/** A byte for each function, in its lower bits: 0 as usual, 1 when it is called. V8 up to 13 has this, others pass it over. */
function compilationHints(count: number): Bytes {
  const hints = new Bytes().name('compilationHints').u32(count).u8(0);
  return hints.all(new Uint8Array(count - 1).fill(1));
}

export function writeModule(module: ModuleCode): Uint8Array<ArrayBuffer> {
  const out = new Bytes().all([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
  const types = new Types();
  for (const type of module.types ?? []) types.index(type);
  const importTypes = (module.imports ?? []).map(({ type }) => types.index(type));
  const typeIndices = module.functions.map(({ type }) => types.index(type));
  section(out, 1, types.section());
  const { minimum, maximum, shared } = module.memory;
  const imports = new Bytes().u32(1 + importTypes.length + Number(module.hasTable ?? false));
  imports
    .name('env')
    .name('memory')
    .u8(2)
    .u8(shared ? 3 : 1)
    .u32(minimum)
    .u32(maximum);
  if (module.hasTable) imports.name('env').name('table').u8(1).u8(0x70).u8(0).u32(0);
  importTypes.forEach((type, i) => {
    imports.name('interp').name(module.imports![i].name).u8(0).u32(type);
  });
  section(out, 2, imports);
  const functions = new Bytes().u32(typeIndices.length);
  for (const index of typeIndices) functions.u32(index);
  section(out, 3, functions);
  const named = (kind: 'exported' | 'listed'): Named[] =>
    module.functions.flatMap((f, i) => {
      const name = f[kind];
      return name === undefined ? [] : [{ name, index: importTypes.length + i }];
    });
  const exported = named('exported');
  const listed = named('listed');
  const table = module.hasTable ? 1 : 0;
  if (listed.length > 0) section(out, 4, new Bytes().u8(1).u8(0x70).u8(0).u32(listed.length));
  const exports = new Bytes().u32(exported.length + Number(listed.length > 0));
  for (const { name, index } of exported) exports.name(name).u8(0).u32(index);
  if (listed.length > 0) exports.name(LISTED).u8(1).u8(table);
  section(out, 7, exports);
  if (listed.length > 0) listedSections(out, table, listed);
  if (module.isFirstAlone) section(out, 0, compilationHints(module.functions.length));
  const hint = hints(module.functions, importTypes.length);
  if (hint) section(out, 0, hint);
  const code = new Bytes().u32(module.functions.length);
  for (const f of module.functions) {
    const body = functionBody(f);
    code.u32(body.length).all(body.data.subarray(0, body.length));
  }
  section(out, 10, code);
  return out.bytes();
}

/** The names in a module's table `listed`, in its order. */
export function listedNames(module: WebAssembly.Module): string[] {
  const [content] = WebAssembly.Module.customSections(module, LISTED);
  return new TextDecoder().decode(content).split('\n');
}
