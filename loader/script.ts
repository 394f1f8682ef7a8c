import { ENOEXEC } from '../src/abi/errno.ts';
import { decodePath } from '../src/abi/path.ts';
import { type Unloadable, unloadable } from './program-file.ts';

/** The kernel looks at this many bytes of a script (BINPRM_BUF_SIZE). */
export const SCRIPT_LINE_MAX = 256;
/** A script's interpreter may be a script: this deep (exec_binprm). */
export const SCRIPT_DEPTH_MAX = 5;

export interface ScriptLine {
  readonly interpreter: string;
  /** Everything after the interpreter's name, as one argument. */
  readonly argument: string | null;
}

const NEWLINE = 10;
const isBlank = (byte: number) => byte === 32 || byte === 9;

export function isScript(head: Uint8Array): boolean {
  return head[0] === 0x23 && head[1] === 0x21;
}

/** The `#!` line, by the rules of load_script(): `head` is the start of the file. */
export function parseScript(head: Uint8Array): ScriptLine | Unloadable {
  const bytes = new Uint8Array(SCRIPT_LINE_MAX);
  bytes.set(head.subarray(0, SCRIPT_LINE_MAX));
  let end = bytes.indexOf(NEWLINE);
  const cut = end < 0;
  if (cut) end = SCRIPT_LINE_MAX - 1;
  let start = 2;
  while (start < end && isBlank(bytes[start])) start++;
  let nameEnd = start;
  while (nameEnd < end && !isBlank(bytes[nameEnd]) && bytes[nameEnd] !== 0) nameEnd++;
  if (nameEnd === start) return unloadable(ENOEXEC, 'its #! line names no interpreter');
  if (cut && nameEnd === end) return unloadable(ENOEXEC, 'its #! line is too long');
  let argument = nameEnd;
  while (argument < end && isBlank(bytes[argument])) argument++;
  let last = end;
  while (last > argument && isBlank(bytes[last - 1])) last--;
  const text = bytes.subarray(argument, last);
  const nul = text.indexOf(0);
  const rest = decodePath(nul < 0 ? text : text.subarray(0, nul));
  return { interpreter: decodePath(bytes.subarray(start, nameEnd)), argument: rest === '' ? null : rest };
}
