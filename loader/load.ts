import type { Mm } from '../src/memory/mm.ts';
import { PROT_EXEC, PROT_READ, PROT_WRITE, pageUp, TASK_SIZE } from '../src/memory/page.ts';
import { AT } from './auxv.ts';
import { DYN_BASE, type Image, mapImage } from './image.ts';
import type { Program } from './interp.ts';
import { type Unloadable, unloadable } from './program-file.ts';
import { buildStack } from './stack.ts';
import { mapVdso } from './vdso.ts';

export interface LoadOptions {
  /** The name execve was given. */
  readonly execfn: string;
  readonly credentials: { readonly uid: number; readonly euid: number; readonly gid: number; readonly egid: number };
  /** AT_SECURE: set-user-id or capabilities were gained. */
  readonly secure: boolean;
  /** CPUID.1:EDX, and HWCAP2. */
  readonly hwcap: number;
  readonly hwcap2: number;
  /** Cryptographic random bytes. */
  readonly random: (length: number) => Uint8Array;
  /** READ_IMPLIES_EXEC of the personality. */
  readonly readImpliesExec?: boolean;
  /** Positions are random (the default) or fixed (ADDR_NO_RANDOMIZE): then `mm` has no random source either. */
  readonly randomize: boolean;
}

/** Where the new program starts. */
export interface Loaded {
  readonly entry: number;
  readonly esp: number;
  readonly program: Image;
  readonly interpreter: Image | null;
}

const PHDR_SIZE = 32;
const CLOCK_TICKS = 100;
/** What a signal frame needs at most: i386 with FXSAVE. */
const MIN_SIGNAL_STACK = 2048;
const BRK_RANDOM = 32 << 20;
const DYN_RANDOM_PAGES = 0xff;

/** Maps a program into an empty address space and builds its stack. On failure `mm` is good for nothing but release. */
export function load(mm: Mm, program: Program, envp: readonly string[], options: LoadOptions): Loaded | Unloadable {
  const { elf, file } = program;
  mm.readImpliesExec = options.readImpliesExec === true || elf.executableStack === null;
  const stackProt = PROT_READ | PROT_WRITE | (elf.executableStack !== false ? PROT_EXEC : 0);
  const failed = mm.createStack(stackProt);
  if (failed < 0) return unloadable(-failed, 'no room for its stack');
  const random = (range: number) => (options.randomize ? word(options.random(4)) % range : 0);
  const base = elf.interpreter === null ? 0 : DYN_BASE + random(DYN_RANDOM_PAGES + 1) * 4096;
  const image = mapImage(mm, file, elf, base);
  if (typeof image === 'number') return unloadable(-image, 'its segments cannot be mapped');
  const loader = program.interpreter;
  const interpreter = loader === null ? null : mapImage(mm, loader.file, loader.elf, 0);
  if (typeof interpreter === 'number') return unloadable(-interpreter, 'its ELF interpreter cannot be mapped');
  const vdso = mapVdso(mm);
  if (typeof vdso === 'number') return unloadable(-vdso, 'no room for the vDSO');

  mm.exe = file.backing();
  mm.startCode = image.startCode;
  mm.endCode = image.endCode;
  mm.startData = image.startData;
  mm.endData = image.endData;
  // A program that mmap placed (static-PIE, ld.so itself) has other mappings close above: its heap goes elsewhere.
  const brk = elf.movable && base === 0 ? DYN_BASE : pageUp(image.end);
  mm.startBrk = mm.brkEnd = pageUp(Math.min(brk + random(BRK_RANDOM / 4096) * 4096, TASK_SIZE));

  const { uid, euid, gid, egid } = options.credentials;
  const esp = buildStack(mm, {
    argv: program.argv,
    envp,
    execfn: options.execfn,
    platform: 'i686',
    random: options.random(16),
    shift: random(8192),
    auxv: [
      [AT.SYSINFO, vdso.vsyscall],
      [AT.SYSINFO_EHDR, vdso.start],
      [AT.MINSIGSTKSZ, MIN_SIGNAL_STACK],
      [AT.HWCAP, options.hwcap],
      [AT.PAGESZ, 4096],
      [AT.CLKTCK, CLOCK_TICKS],
      [AT.PHDR, image.phdr],
      [AT.PHENT, PHDR_SIZE],
      [AT.PHNUM, elf.segments.length],
      [AT.BASE, interpreter?.bias ?? 0],
      [AT.FLAGS, 0],
      [AT.ENTRY, image.entry],
      [AT.UID, uid],
      [AT.EUID, euid],
      [AT.GID, gid],
      [AT.EGID, egid],
      [AT.SECURE, options.secure ? 1 : 0],
      [AT.RANDOM, 0],
      [AT.HWCAP2, options.hwcap2],
      [AT.EXECFN, 0],
      [AT.PLATFORM, 0],
    ],
  });
  if (esp < 0) return unloadable(-esp, 'its arguments and environment do not fit');
  return { entry: (interpreter ?? image).entry, esp, program: image, interpreter };
}

const word = (bytes: Uint8Array): number => new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
