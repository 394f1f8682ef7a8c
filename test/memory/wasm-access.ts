import type { CpuMemory } from '../../src/cpu/memory.ts';

/** The guest's view: single loads and stores as the CPU makes them, traps and all. */
export interface WasmAccess {
  load(address: number): number;
  store(address: number, value: number): void;
  loadVm(offset: number): number;
}

const leb = (value: number): number[] => {
  const out: number[] = [];
  do {
    out.push((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
    value = Math.floor(value / 128);
  } while (value > 0);
  return out;
};
const section = (id: number, bytes: number[]) => [id, ...leb(bytes.length), ...bytes];
const body = (code: number[]) => [...leb(code.length + 1), 0, ...code];
const text = (name: string) => [name.length, ...name].map((c) => (typeof c === 'string' ? c.charCodeAt(0) : c));

export function wasmAccess(memory: CpuMemory): WasmAccess {
  const module = new Uint8Array([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [2, 0x60, 1, 0x7f, 1, 0x7f, 0x60, 2, 0x7f, 0x7f, 0]),
    ...section(2, [1, ...text('e'), ...text('m'), 2, 3, 1, ...leb(65536)]),
    ...section(3, [3, 0, 1, 0]),
    ...section(7, [3, ...text('load'), 0, 0, ...text('store'), 0, 1, ...text('vm'), 0, 2]),
    ...section(10, [
      3,
      ...body([0x20, 0, 0x2d, 0, 0, 0x0b]),
      ...body([0x20, 0, 0x20, 1, 0x3a, 0, 0, 0x0b]),
      ...body([0x20, 0, 0x2d, 0, ...leb(memory.vmOffset), 0x0b]),
    ]),
  ]);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module), { e: { m: memory.memory } });
  const { load, store, vm } = exports as Record<string, (...args: number[]) => number>;
  return { load, store, loadVm: (offset) => vm(memory.vmIndex + offset) };
}
