import { ELIBBAD, ELOOP, ENOENT } from '../src/abi/errno.ts';
import { type Elf, readElf } from './elf.ts';
import { isUnloadable, type ProgramFile, readBytes, type Unloadable, unloadable } from './program-file.ts';
import { isScript, parseScript, SCRIPT_DEPTH_MAX, SCRIPT_LINE_MAX } from './script.ts';

/** Finds a file by path for the program that is being executed: permission to execute is checked there. */
export type OpenProgram = (path: string) => ProgramFile | number;

/** What will run: after scripts led to their interpreter, and with the ELF interpreter at hand. */
export interface Program {
  readonly file: ProgramFile;
  readonly elf: Elf;
  /** ld.so. */
  readonly interpreter: { readonly file: ProgramFile; readonly elf: Elf } | null;
  readonly argv: readonly string[];
}

/** Follows #! lines and PT_INTERP. Nothing is mapped yet, so it may be repeated when a read blocks. */
export function findProgram(first: ProgramFile, argv: readonly string[], open: OpenProgram): Program | Unloadable {
  let file = first;
  // Linux gives a program an empty argv[0] rather than none.
  let args = argv.length === 0 ? [''] : [...argv];
  for (let depth = 0; ; depth++) {
    const head = readBytes(file, 0, SCRIPT_LINE_MAX);
    if (isUnloadable(head)) return head;
    if (!isScript(head)) break;
    if (depth === SCRIPT_DEPTH_MAX) return unloadable(ELOOP, 'scripts are nested too deep');
    const line = parseScript(head);
    if (isUnloadable(line)) return line;
    args = [line.interpreter, ...(line.argument === null ? [] : [line.argument]), file.path, ...args.slice(1)];
    const next = open(line.interpreter);
    if (typeof next === 'number') return unloadable(-next, `its interpreter ${line.interpreter} ${why(-next)}`);
    file = next;
  }
  const elf = readElf(file);
  if (isUnloadable(elf)) return elf;
  const interpreter = openInterpreter(elf, open);
  return isUnloadable(interpreter) ? interpreter : { file, elf, interpreter, argv: args };
}

function openInterpreter(elf: Elf, open: OpenProgram): Program['interpreter'] | Unloadable {
  const path = elf.interpreter;
  if (path === null) return null;
  const file = open(path);
  if (typeof file === 'number') return unloadable(-file, `its ELF interpreter ${path} ${why(-file)}`);
  const own = readElf(file);
  if (!isUnloadable(own)) return { file, elf: own };
  return unloadable(own.errno > 4095 ? own.errno : ELIBBAD, `its ELF interpreter ${path} is ${own.reason}`);
}

const why = (errno: number) => (errno === ENOENT ? 'does not exist' : `cannot be opened (errno ${errno})`);
