import elfy from 'elfy';
import { EIO, ENOEXEC } from '../src/abi/errno.ts';
import { decodePath } from '../src/abi/path.ts';
import { isUnloadable, type ProgramFile, readBytes, type Unloadable, unloadable } from './program-file.ts';

/** One program header. */
export interface Segment {
  readonly type: string;
  readonly offset: number;
  readonly vaddr: number;
  readonly filesz: number;
  readonly memsz: number;
  readonly align: number;
  readonly read: boolean;
  readonly write: boolean;
  readonly execute: boolean;
}

/** What the kernel looks at in an i386 program or interpreter. */
export interface Elf {
  /** ET_DYN: a position-independent executable, or an interpreter. */
  readonly movable: boolean;
  readonly entry: number;
  readonly phoff: number;
  readonly segments: readonly Segment[];
  /** PT_INTERP. */
  readonly interpreter: string | null;
  /** PT_GNU_STACK's PF_X; null without that header: an old program, for which readable implies executable. */
  readonly executableStack: boolean | null;
}

const EHDR_SIZE = 52;
const PHDR_SIZE = 32;
const SHDR_SIZE = 40;
const ET_EXEC = 2;
const ET_DYN = 3;
const EM_386 = 3;
const EM_486 = 6;
const PATH_MAX = 4096;

const MACHINES: Record<number, string> = {
  2: 'SPARC',
  4: 'Motorola 68000',
  8: 'MIPS',
  20: 'PowerPC',
  21: 'PowerPC 64',
  22: 'S/390',
  40: 'ARM',
  42: 'SuperH',
  43: 'SPARC 64',
  50: 'Itanium',
  62: 'x86-64',
  183: 'AArch64',
  243: 'RISC-V',
  258: 'LoongArch',
};
const TYPES: Record<number, string> = { 1: 'an object file (not linked)', 4: 'a core file' };

/** Checks a header as load_elf_binary() does, and reads what it points to. */
export function readElf(file: ProgramFile): Elf | Unloadable {
  const head = readBytes(file, 0, EHDR_SIZE);
  if (isUnloadable(head)) return head;
  // As in the kernel's buffer, what a short file lacks is zero: 45 bytes can be a program.
  const header = new Uint8Array(EHDR_SIZE);
  header.set(head);
  const bad = checkHeader(header, head.length);
  if (bad !== null) return bad;
  const fields = new DataView(header.buffer);
  const phoff = fields.getUint32(28, true);
  const phnum = fields.getUint16(44, true);
  const table = readBytes(file, phoff, phnum * PHDR_SIZE);
  if (isUnloadable(table)) return table;
  if (table.length < phnum * PHDR_SIZE) return unloadable(ENOEXEC, 'truncated: its program headers lie beyond its end');
  const { entry, body } = elfy.parse(synthetic(header, table));
  const segments = body.programs.map(({ type, flags, ...rest }) => ({
    type: type ?? 'unknown',
    offset: rest.offset,
    vaddr: rest.vaddr,
    filesz: rest.filesz,
    memsz: rest.memsz,
    align: rest.align,
    read: flags.r === true,
    write: flags.w === true,
    execute: flags.x === true,
  }));
  const interpreter = readInterpreter(file, segments);
  if (isUnloadable(interpreter)) return interpreter;
  const stack = segments.findLast((segment) => segment.type === 'gnu_stack');
  const movable = fields.getUint16(16, true) === ET_DYN;
  return { movable, entry, phoff, segments, interpreter, executableStack: stack?.execute ?? null };
}

function checkHeader(header: Uint8Array, length: number): Unloadable | null {
  if (length === 0) return unloadable(ENOEXEC, 'it is empty');
  if (header[0] !== 0x7f || header[1] !== 0x45 || header[2] !== 0x4c || header[3] !== 0x46) {
    return unloadable(ENOEXEC, 'neither an ELF program nor a script');
  }
  const reason = refusal(new DataView(header.buffer), header[5] !== 2);
  if (reason === null) return null;
  return unloadable(ENOEXEC, length < EHDR_SIZE ? 'truncated: it ends within its ELF header' : reason);
}

/** Like the kernel, this looks neither at the class nor at the byte order; they only help to name a foreign machine. */
function refusal(fields: DataView, little: boolean): string | null {
  const machine = fields.getUint16(18, true);
  if (machine !== EM_386 && machine !== EM_486) {
    const name = MACHINES[fields.getUint16(18, little)];
    return `not an i386 ELF: ${name ?? `machine ${machine}`}`;
  }
  const type = fields.getUint16(16, true);
  if (type !== ET_EXEC && type !== ET_DYN) return `not a program: ${TYPES[type] ?? `ELF type ${type}`}`;
  const phnum = fields.getUint16(44, true);
  const table = phnum * PHDR_SIZE;
  const good = fields.getUint16(42, true) === PHDR_SIZE && phnum > 0 && table <= 65536;
  return good ? null : 'malformed: bad program header table';
}

/**
 * The header and program headers as a file of their own: elfy wants a section table with a string table (sections are of
 * no use to a loader, strip may have removed them, and their offsets may be nonsense).
 */
function synthetic(header: Uint8Array, table: Uint8Array): Buffer {
  const sections = EHDR_SIZE + table.length;
  const bytes = Buffer.alloc(sections + 2 * SHDR_SIZE + 1);
  bytes.set(header);
  bytes.set([1, 1], 4); // class and byte order
  bytes.set(table, EHDR_SIZE);
  bytes.writeUInt32LE(EHDR_SIZE, 28); // e_phoff
  bytes.writeUInt32LE(sections, 32); // e_shoff
  bytes.writeUInt16LE(SHDR_SIZE, 46);
  bytes.writeUInt16LE(2, 48); // e_shnum
  bytes.writeUInt16LE(1, 50); // e_shstrndx
  const strings = sections + SHDR_SIZE;
  bytes.writeUInt32LE(3, strings + 4); // SHT_STRTAB
  bytes.writeUInt32LE(bytes.length - 1, strings + 16);
  bytes.writeUInt32LE(1, strings + 20);
  return bytes;
}

function readInterpreter(file: ProgramFile, segments: readonly Segment[]): string | null | Unloadable {
  const segment = segments.find(({ type }) => type === 'interp');
  if (segment === undefined) return null;
  if (segment.filesz > PATH_MAX || segment.filesz < 2) return unloadable(ENOEXEC, 'malformed: bad interpreter name');
  const bytes = readBytes(file, segment.offset, segment.filesz);
  if (isUnloadable(bytes)) return bytes;
  if (bytes.length < segment.filesz) return unloadable(EIO, 'truncated: its interpreter name lies beyond its end');
  if (bytes[bytes.length - 1] !== 0) return unloadable(ENOEXEC, 'malformed: bad interpreter name');
  return decodePath(bytes.subarray(0, bytes.indexOf(0)));
}
