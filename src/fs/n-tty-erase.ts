/** ERASE, WERASE and KILL of canonical mode: takes characters off the line and off the screen. */
import { ECHO, ECHOCTL, ECHOE, ECHOK, ECHOKE, ECHOPRT, VERASE, VKILL } from '../abi/tty.ts';
import type { NTtyState } from './n-tty.ts';
import { isContinuation, isControl, type TtyOutput } from './n-tty-output.ts';

const TAB = 9;
const NL = 10;

export function erase(state: NTtyState, output: TtyOutput, what: 'character' | 'word' | 'line'): true {
  const { lflag, cc } = state.termios;
  if (state.line.length === 0) return true;
  if (what === 'line' && (lflag & (ECHO | ECHOK | ECHOKE | ECHOE)) !== (ECHO | ECHOK | ECHOKE | ECHOE)) {
    state.line = [];
    if ((lflag & ECHO) === 0) return true;
    finishErasing(state, output);
    output.echo(cc[VKILL]);
    if (lflag & ECHOK) output.echoRaw(NL);
    return true;
  }
  let inWord = false;
  while (state.line.length > 0) {
    const start = lastCharacter(state);
    if (start < 0) break;
    const char = state.line[start];
    if (what === 'word') {
      if (isWordPart(char)) inWord = true;
      else if (inWord) break;
    }
    const taken = state.line.splice(start);
    if (lflag & ECHO) showErasure(state, output, taken, what === 'character');
    if (what === 'character') break;
  }
  if (state.line.length === 0 && lflag & ECHO) finishErasing(state, output);
  return true;
}

export function finishErasing(state: NTtyState, output: TtyOutput): void {
  if (!state.erasing) return;
  output.echoRaw(0x2f);
  state.erasing = false;
}

/** Index of the last character's first byte; -1 where only continuation bytes are left. */
function lastCharacter({ line, termios }: NTtyState): number {
  let start = line.length - 1;
  while (start > 0 && isContinuation(line[start], termios.iflag)) start--;
  return isContinuation(line[start], termios.iflag) ? -1 : start;
}

function showErasure(state: NTtyState, output: TtyOutput, taken: number[], single: boolean): void {
  const { lflag, cc } = state.termios;
  const [char] = taken;
  if (lflag & ECHOPRT) {
    if (!state.erasing) output.echoRaw(0x5c);
    state.erasing = true;
    output.echo(char);
    for (const rest of taken.slice(1)) output.echoRaw(rest);
  } else if (single && (lflag & ECHOE) === 0) output.echo(cc[VERASE]);
  else if (char === TAB) eraseTab(state, output);
  else {
    if (isControl(char) && lflag & ECHOCTL) output.eraseColumn();
    if (!isControl(char) || lflag & ECHOCTL) output.eraseColumn();
  }
}

function eraseTab({ line, termios }: NTtyState, output: TtyOutput): void {
  let width = 0;
  for (let i = line.length; i-- > 0; ) {
    if (line[i] === TAB) {
      output.eraseTab(width, true);
      return;
    }
    if (isControl(line[i])) width += termios.lflag & ECHOCTL ? 2 : 0;
    else if (!isContinuation(line[i], termios.iflag)) width++;
  }
  output.eraseTab(width, false);
}

/** Letters, digits (ISO 8859-1's included, as in Linux) and the underscore. */
function isWordPart(char: number): boolean {
  if (char === 0x5f || (char >= 0x30 && char <= 0x39)) return true;
  const lower = char | 0x20;
  return (lower >= 0x61 && lower <= 0x7a) || (char >= 0xc0 && char !== 0xd7 && char !== 0xf7);
}
