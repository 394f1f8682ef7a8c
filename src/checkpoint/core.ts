/** Core files of ELF32 for i386 (elf(5)): written as debuggers want them, read with every field checked. */
import { PAGE_SIZE, TASK_SIZE } from '../memory/page.ts';
import type { Note } from './core-notes.ts';
import { ImageError, type ImageInput, type ImageOutput } from './image.ts';

const HEADER_SIZE = 52;
const PROGRAM_SIZE = 32;
const SECTION_SIZE = 40;
const ET_CORE = 4;
const EM_386 = 3;
const PT_LOAD = 1;
const PT_NOTE = 4;
/** More program headers than e_phnum can tell: section 0 has their number. */
const PN_XNUM = 0xffff;
/** Own notes: the nodes of the process in the encoding of encode.ts. */
export const OWN_NOTE = 'TALLSHIP';
export const NT_NODES = 0x54530001;
const NOTES_MAX = 2 ** 30;

export interface Segment {
  readonly start: number;
  readonly end: number;
  /** Its bytes are in the file, from `offset` on. */
  readonly saved: boolean;
  readonly offset: number;
  /** PROT_*. */
  readonly prot: number;
}

const align = (value: number, to: number) => Math.ceil(value / to) * to;

function encodeNotes(notes: readonly Note[]): Uint8Array {
  const sizes = notes.map(({ name, bytes }) => 12 + align(name.length + 1, 4) + align(bytes.length, 4));
  const all = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0));
  const view = new DataView(all.buffer);
  let at = 0;
  for (const [i, { name, type, bytes }] of notes.entries()) {
    view.setUint32(at, name.length + 1, true);
    view.setUint32(at + 4, bytes.length, true);
    view.setUint32(at + 8, type, true);
    all.set(new TextEncoder().encode(name), at + 12);
    all.set(bytes, at + 12 + align(name.length + 1, 4));
    at += sizes[i];
  }
  return all;
}

/**
 * Completes a core whose pages are written: its first page is kept free for the header, program headers and notes follow the
 * pages, so that these could be written before it was known how many segments there are.
 * @param size of the file so far: whole pages.
 */
export function finishCore(
  output: ImageOutput,
  size: number,
  notes: readonly Note[],
  segments: readonly Segment[],
): void {
  const body = encodeNotes(notes);
  const count = segments.length + 1;
  const extended = count >= PN_XNUM;
  const sections = size + count * PROGRAM_SIZE;
  const noteAt = sections + (extended ? SECTION_SIZE : 0);
  const header = new DataView(new ArrayBuffer(HEADER_SIZE));
  new Uint8Array(header.buffer).set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  header.setUint16(16, ET_CORE, true);
  header.setUint16(18, EM_386, true);
  header.setUint32(20, 1, true);
  header.setUint32(28, size, true);
  header.setUint32(32, extended ? sections : 0, true);
  header.setUint16(40, HEADER_SIZE, true);
  header.setUint16(42, PROGRAM_SIZE, true);
  header.setUint16(44, extended ? PN_XNUM : count, true);
  if (extended) {
    header.setUint16(46, SECTION_SIZE, true);
    header.setUint16(48, 1, true);
  }
  output.put(0, new Uint8Array(header.buffer));
  const table = new Uint8Array(noteAt - size + body.length);
  const view = new DataView(table.buffer);
  putProgram(view, 0, [PT_NOTE, noteAt, 0, 0, body.length, 0, 0, 4]);
  for (const [i, { start, end, saved, prot, offset }] of segments.entries()) {
    const length = end - start;
    const flags = ((prot & 1) << 2) | (prot & 2) | ((prot & 4) >> 2);
    const [at, inFile] = saved ? [offset, length] : [size, 0];
    putProgram(view, (i + 1) * PROGRAM_SIZE, [PT_LOAD, at, start, 0, inFile, length, flags, PAGE_SIZE]);
  }
  if (extended) view.setUint32(sections - size + 28, count, true);
  table.set(body, noteAt - size);
  output.write(table);
}

function putProgram(view: DataView, at: number, words: readonly number[]): void {
  for (const [i, word] of words.entries()) view.setUint32(at + 4 * i, word, true);
}

export interface LoadedSegment {
  readonly start: number;
  readonly end: number;
  /** In the file. */
  readonly offset: number;
}

export interface Core {
  readonly notes: readonly Note[];
  /** Those whose bytes are in the file. */
  readonly segments: readonly LoadedSegment[];
}

const damaged = (what: string): never => {
  throw new ImageError(`a core file is damaged: ${what}`);
};

export function readCore(input: ImageInput): Core {
  const header = new DataView(new ArrayBuffer(HEADER_SIZE));
  if (input.size < HEADER_SIZE) damaged('it is too short');
  input.read(0, new Uint8Array(header.buffer));
  if (header.getUint32(0, false) !== 0x7f454c46 || header.getUint16(4, false) !== 0x0101)
    damaged('it is no ELF32 file');
  if (header.getUint16(16, true) !== ET_CORE || header.getUint16(18, true) !== EM_386) damaged('it is no core of i386');
  const programs = header.getUint32(28, true);
  const count = programCount(input, header);
  if (header.getUint16(42, true) !== PROGRAM_SIZE || programs + count * PROGRAM_SIZE > input.size) {
    damaged('its program headers lie outside of it');
  }
  const table = new DataView(new ArrayBuffer(count * PROGRAM_SIZE));
  input.read(programs, new Uint8Array(table.buffer));
  const notes: Note[] = [];
  const segments: LoadedSegment[] = [];
  for (let at = 0; at < table.byteLength; at += PROGRAM_SIZE) {
    const [type, offset, start, , fileSize, size] = [0, 4, 8, 12, 16, 20].map((word) =>
      table.getUint32(at + word, true),
    );
    if (offset + fileSize > input.size) damaged('a segment lies outside of it');
    if (type === PT_NOTE) notes.push(...decodeNotes(input, offset, fileSize));
    if (type !== PT_LOAD || fileSize === 0) continue;
    if (fileSize !== size || start % PAGE_SIZE !== 0 || size % PAGE_SIZE !== 0 || start + size > TASK_SIZE) {
      damaged('a segment is no range of pages');
    }
    segments.push({ start, end: start + size, offset });
  }
  return { notes, segments };
}

function programCount(input: ImageInput, header: DataView): number {
  const count = header.getUint16(44, true);
  if (count !== PN_XNUM) return count;
  const at = header.getUint32(32, true);
  if (at === 0 || at + SECTION_SIZE > input.size) damaged('its section header lies outside of it');
  const section = new DataView(new ArrayBuffer(SECTION_SIZE));
  input.read(at, new Uint8Array(section.buffer));
  return section.getUint32(28, true);
}

function decodeNotes(input: ImageInput, offset: number, length: number): Note[] {
  if (length > NOTES_MAX) damaged('its notes are too long');
  const bytes = new Uint8Array(length);
  input.read(offset, bytes);
  const view = new DataView(bytes.buffer);
  const notes: Note[] = [];
  for (let at = 0; at + 12 <= length; ) {
    const [nameSize, size, type] = [0, 4, 8].map((word) => view.getUint32(at + word, true));
    const from = at + 12 + align(nameSize, 4);
    if (nameSize === 0 || from + size > length) damaged('a note lies outside of it');
    const name = String.fromCharCode(...bytes.subarray(at + 12, at + 12 + Math.min(nameSize, 64) - 1));
    notes.push({ name, type, bytes: bytes.subarray(from, from + size) });
    at = from + align(size, 4);
  }
  return notes;
}
