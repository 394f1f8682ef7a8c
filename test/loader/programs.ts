import { findProgram, type OpenProgram } from '../../loader/interp.ts';
import { type Loaded, type LoadOptions, load } from '../../loader/load.ts';
import { isUnloadable, type ProgramFile, type Unloadable } from '../../loader/program-file.ts';
import type { Mm } from '../../src/memory/mm.ts';

export interface SegmentSpec {
  type?: number;
  offset?: number;
  vaddr: number;
  filesz?: number;
  memsz?: number;
  flags?: number;
  align?: number;
}

/** An ELF file without sections: header, program headers, then `content` at 0x1000. */
export function elfFile(
  segments: SegmentSpec[],
  options: { type?: number; entry?: number; content?: Uint8Array } = {},
) {
  const content = options.content ?? new Uint8Array(0);
  const bytes = new Uint8Array(0x1000 + content.length);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  view.setUint16(16, options.type ?? 2, true);
  view.setUint16(18, 3, true);
  view.setUint32(20, 1, true);
  view.setUint32(24, options.entry ?? 0x8048000, true);
  view.setUint32(28, 52, true);
  view.setUint16(40, 52, true);
  view.setUint16(42, 32, true);
  view.setUint16(44, segments.length, true);
  segments.forEach((s, i) => {
    const filesz = s.filesz ?? 0;
    const words = [
      s.type ?? 1,
      s.offset ?? 0,
      s.vaddr,
      s.vaddr,
      filesz,
      s.memsz ?? filesz,
      s.flags ?? 5,
      s.align ?? 0x1000,
    ];
    words.forEach((word, k) => {
      view.setUint32(52 + i * 32 + k * 4, word, true);
    });
  });
  bytes.set(content, 0x1000);
  return bytes;
}

export const GNU_STACK = { type: 0x6474e551, vaddr: 0, flags: 6 };
export const nowhere: OpenProgram = () => -2;

export const options: LoadOptions = {
  execfn: '/bin/program',
  credentials: { uid: 1000, euid: 1000, gid: 100, egid: 100 },
  secure: false,
  hwcap: 0x0789a97b,
  hwcap2: 0,
  random: (length) => new Uint8Array(length).fill(7),
  randomize: false,
};

export function run(
  mm: Mm,
  file: ProgramFile,
  argv: string[] = ['program'],
  envp: string[] = [],
  open: OpenProgram = nowhere,
): Loaded | Unloadable {
  const program = findProgram(file, argv, open);
  return isUnloadable(program) ? program : load(mm, program, envp, { ...options, execfn: file.path });
}
