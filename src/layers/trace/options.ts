/** strace's -e expressions, as far as a trace has to do with them. */
import { compileSelection, type Known, SelectionError } from '../../syscall/classes.ts';
import type { Declaration } from '../../syscall/syscall.ts';

export interface Expressions {
  readonly calls: ((declaration: Declaration) => boolean) | null;
  /** Which results are shown. */
  readonly status: (result: number) => boolean;
  /** Which signals are shown, by name. */
  readonly signals: (name: string) => boolean;
  /** Exit lines. */
  readonly exits: boolean;
  /** Calls whose structs and lists are shown whole. */
  readonly whole: (declaration: Declaration) => boolean;
  /** Calls whose structs are shown at all, instead of where they are. */
  readonly verbose: (declaration: Declaration) => boolean;
  /** inject= and fault=, for the inject layer. */
  readonly injections: readonly string[];
}

/** A set, in an expression that a message names. */
function selection(text: string, value: string, known: Known): (declaration: Declaration) => boolean {
  try {
    return compileSelection(value, known);
  } catch (error) {
    throw new SelectionError(`-e ${text}: ${(error as Error).message}`);
  }
}

export function parseExpressions(texts: readonly string[], known: Known): Expressions {
  const selections: ((declaration: Declaration) => boolean)[] = [];
  const injections: string[] = [];
  let status: Expressions['status'] = () => true;
  let signals: Expressions['signals'] = () => true;
  let exits = true;
  let abbreviated: Expressions['whole'] = () => true;
  let verbose: Expressions['verbose'] = () => true;
  for (const text of texts) {
    const [, name = 'trace', value = ''] = /^(?:([a-z]+)=)?(.*)$/s.exec(text) ?? [];
    switch (name) {
      case 'trace':
      case 't':
        selections.push(selection(text, value, known));
        break;
      case 'status':
        status = statusFilter(value);
        break;
      case 'signal':
      case 's':
        signals = signalFilter(value);
        break;
      case 'quiet':
      case 'q':
        if (/exit|all/.test(value)) exits = false;
        break;
      case 'abbrev':
      case 'a':
        abbreviated = selection(text, value, known);
        break;
      case 'verbose':
      case 'v':
        verbose = selection(text, value, known);
        break;
      case 'inject':
        injections.push(value);
        break;
      case 'fault':
        injections.push(/:(error|retval)=/.test(value) ? value : `${value}:error=ENOSYS`);
        break;
      default:
        throw new SelectionError(
          `-e ${text}: what is ${name}? There are trace, status, signal, quiet, abbrev, verbose, inject, fault`,
        );
    }
  }
  const calls =
    selections.length === 0 ? null : (declaration: Declaration) => selections.some((one) => one(declaration));
  const whole = (declaration: Declaration) => !abbreviated(declaration);
  return { calls, status, signals, exits, whole, verbose, injections };
}

function statusFilter(value: string): Expressions['status'] {
  const wanted = value.split(',');
  for (const word of wanted) {
    if (!['successful', 'failed', 'all'].includes(word))
      throw new SelectionError(`-e status=${value}: successful or failed`);
  }
  return (result) => wanted.includes('all') || wanted.includes(result < 0 && result > -4096 ? 'failed' : 'successful');
}

function signalFilter(value: string): Expressions['signals'] {
  const negated = value.startsWith('!');
  const names = (negated ? value.slice(1) : value)
    .split(',')
    .map((name) => `SIG${name.replace(/^SIG/, '').toUpperCase()}`);
  return (name) => (value === 'all' || (value !== 'none' && names.includes(name))) !== negated;
}
