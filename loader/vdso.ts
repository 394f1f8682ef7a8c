import { MAP_ANONYMOUS, MAP_PRIVATE } from '../src/memory/flags.ts';
import type { Mm } from '../src/memory/mm.ts';
import { PAGE_SIZE, PROT_EXEC, PROT_READ } from '../src/memory/page.ts';
import { Bytes } from './bytes.ts';
import { FUNCTIONS, type VdsoFunction } from './vdso-code.ts';

/** Where the kernel and the auxiliary vector find things in the mapped vDSO. */
export interface Vdso {
  readonly start: number;
  readonly vsyscall: number;
}

const SONAME = 'linux-gate.so.1';
const VERSIONS = ['LINUX_2.5', 'LINUX_2.6'] as const;
const TEXT_ALIGN = 16;
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_GNU_EH_FRAME = 0x6474e550;

/** The vDSO as an ELF shared object, one page, and the offsets of its functions. */
interface VdsoImage {
  readonly bytes: Uint8Array;
  readonly symbols: ReadonlyMap<string, number>;
}

let image: VdsoImage | undefined;

export function vdsoImage(): VdsoImage {
  image ??= build();
  return image;
}

/** Offset of a function from the vDSO's start: `mm.vdso + vdsoSymbol('__kernel_sigreturn')`. */
export function vdsoSymbol(name: string): number {
  return vdsoImage().symbols.get(name)!;
}

/** Maps it; the answer is a negative errno when there is no room. */
export function mapVdso(mm: Mm): Vdso | number {
  const { bytes } = vdsoImage();
  const start = mm.mmap(0, bytes.length, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS);
  if (start < 0) return start;
  const failed = mm.poke(start, bytes);
  if (failed < 0) return failed;
  mm.vdso = start;
  return { start, vsyscall: start + vdsoSymbol('__kernel_vsyscall') };
}

function build(): VdsoImage {
  const symbols = new Map<string, number>();
  const out = new Bytes(PAGE_SIZE);
  const headers = 3;
  out.skip(52 + headers * 32);
  const strings = stringTable();
  const dynstr = out.append(strings.bytes);
  out.align(4);
  const dynsym = out.at;
  out.skip(16 * (1 + FUNCTIONS.length + VERSIONS.length));
  const hash = appendHash(out);
  const versym = out.at;
  for (const index of [0, ...FUNCTIONS.map(versionIndex), ...VERSIONS.map((_, i) => i + 2)]) out.u16(index);
  out.align(4);
  const verdef = appendVersions(out, strings.offset);
  const dynamic = out.at;
  const tags = [
    [14, strings.offset(SONAME)], // DT_SONAME
    [4, hash],
    [5, dynstr],
    [6, dynsym],
    [10, strings.bytes.length], // DT_STRSZ
    [11, 16], // DT_SYMENT
    [0x6ffffffc, verdef],
    [0x6ffffffd, VERSIONS.length + 1], // DT_VERDEFNUM
    [0x6ffffff0, versym],
    [0, 0],
  ];
  for (const [tag, value] of tags) out.u32(tag, value);
  const dynamicSize = out.at - dynamic;
  for (const { name, code } of FUNCTIONS) {
    out.align(TEXT_ALIGN, 0x90);
    symbols.set(name, out.append(code));
  }
  out.align(4);
  const frames = appendFrames(out, symbols);
  fillSymbols(out, dynsym, symbols, strings.offset);
  fillHeader(out, symbols.get('__kernel_vsyscall')!, [
    [PT_LOAD, 0, out.at, 5],
    [PT_DYNAMIC, dynamic, dynamicSize, 4],
    [PT_GNU_EH_FRAME, frames, out.at - frames, 4],
  ]);
  return { bytes: out.bytes, symbols };
}

function fillHeader(out: Bytes, entry: number, segments: readonly (readonly [number, number, number, number])[]): void {
  const header = new Bytes(52 + segments.length * 32);
  header.append([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  header.u16(3, 3); // ET_DYN, EM_386
  header.u32(1, entry, 52, 0, 0);
  header.u16(52, 32, segments.length, 40, 0, 0);
  for (const [type, offset, size, flags] of segments) {
    header.u32(type, offset, offset, offset, size, size, flags, type === PT_LOAD ? PAGE_SIZE : 4);
  }
  out.bytes.set(header.bytes);
}

const versionIndex = ({ version }: VdsoFunction) => VERSIONS.indexOf(version) + 2;

function fillSymbols(
  out: Bytes,
  at: number,
  symbols: ReadonlyMap<string, number>,
  string: (name: string) => number,
): void {
  const table = new Bytes(16 * (1 + FUNCTIONS.length + VERSIONS.length));
  table.skip(16);
  for (const { name, code } of FUNCTIONS) {
    table.u32(string(name), symbols.get(name)!, code.length);
    table.append([0x12, 0]); // STB_GLOBAL, STT_FUNC
    table.u16(1); // any defined section
  }
  for (const version of VERSIONS) {
    table.u32(string(version), 0, 0);
    table.append([0x11, 0]); // STB_GLOBAL, STT_OBJECT
    table.u16(0xfff1); // SHN_ABS
  }
  out.bytes.set(table.bytes, at);
}

/** The System V symbol hash table (gABI, "Hash Table"), with one bucket. */
function appendHash(out: Bytes): number {
  const count = 1 + FUNCTIONS.length + VERSIONS.length;
  const at = out.at;
  out.u32(1, count, 1, 0);
  for (let i = 1; i < count; i++) out.u32(i + 1 < count ? i + 1 : 0);
  return at;
}

function appendVersions(out: Bytes, string: (name: string) => number): number {
  const at = out.at;
  const names = [SONAME, ...VERSIONS];
  names.forEach((name, i) => {
    out.u16(1, i === 0 ? 1 : 0, i + 1, 1); // VER_FLG_BASE for the object itself
    out.u32(elfHash(name), 20, i + 1 < names.length ? 28 : 0);
    out.u32(string(name), 0);
  });
  return at;
}

/** The hash function of the System V ABI. */
function elfHash(name: string): number {
  let hash = 0;
  for (const char of name) {
    hash = (hash << 4) + char.charCodeAt(0);
    const high = hash & 0xf0000000;
    if (high !== 0) hash ^= high >>> 24;
    hash &= ~high;
  }
  return hash >>> 0;
}

function stringTable() {
  const offsets = new Map<string, number>();
  const bytes = [0];
  for (const name of [SONAME, ...VERSIONS, ...FUNCTIONS.map(({ name }) => name)]) {
    offsets.set(name, bytes.length);
    bytes.push(...new TextEncoder().encode(name), 0);
  }
  return { bytes, offset: (name: string) => offsets.get(name)! };
}

/** .eh_frame_hdr and .eh_frame (LSB, "Exception Frames"): so that cancellation and C++ unwind through system calls. */
function appendFrames(out: Bytes, symbols: ReadonlyMap<string, number>): number {
  const framed = FUNCTIONS.filter(({ frame }) => frame !== null);
  const header = out.at;
  const eh = header + 12 + 8 * framed.length;
  out.append([1, 0x1b, 0x03, 0x3b]); // pointer pcrel sdata4, count udata4, table datarel sdata4
  out.u32(eh - (header + 4), framed.length);
  const table = out.at;
  out.skip(8 * framed.length);
  const cie = out.at;
  // version 1, "zR", code align 1, data align -4, return address in column 8, pcrel sdata4;
  // DW_CFA_def_cfa esp+4, DW_CFA_offset eip at cfa-4.
  appendRecord(out, 0, [1, 0x7a, 0x52, 0, 1, 0x7c, 8, 1, 0x1b, 0x0c, 4, 4, 0x88, 1]);
  const entries = new Bytes(8 * framed.length);
  for (const { name, code, frame } of framed) {
    const start = symbols.get(name)!;
    entries.u32(start - header, out.at - header);
    const body = new Bytes(9 + frame!.length);
    body.u32(start - (out.at + 8), code.length);
    body.append([0, ...frame!]);
    appendRecord(out, out.at + 4 - cie, body.bytes);
  }
  out.bytes.set(entries.bytes, table);
  out.u32(0);
  return header;
}

/** A CIE (id 0) or FDE: length, id, content, padded with DW_CFA_nop. */
function appendRecord(out: Bytes, id: number, content: ArrayLike<number>): void {
  const length = Math.ceil((4 + content.length) / 4) * 4;
  out.u32(length, id);
  const end = out.at + length - 4;
  out.append(content);
  out.skip(end - out.at);
}
