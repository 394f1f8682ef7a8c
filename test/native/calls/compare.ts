/** Finds where two kernels disagree first, and makes the sequence that shows it short. */
import { EFAULT, errnoName } from '../../../src/abi/errno.ts';
import { DECLARATIONS } from '../../../syscalls/index.ts';
import { Arena } from './arena.ts';
import { askNative, askTallship } from './kernels.ts';
import { FIELDS_VARY, MEMORY_VARIES, ORDER_OF_CHECKS, OTHER_RESULTS, RESULT_VARIES } from './known.ts';
import { type Answer, type Change, type Outcome, type PlannedCall, type Sequence, SLEPT } from './plan.ts';

export interface Difference {
  sequence: Sequence;
  /** The call, by its place in the sequence. */
  at: number;
  text: string;
}

const byName = new Map(DECLARATIONS.map((declaration) => [declaration.name, declaration]));

/** The first difference of a sequence; null: none. */
export function compare(sequence: Sequence, native: Outcome, ours: Outcome): Difference | null {
  const count = Math.min(native.answers.length, ours.answers.length);
  const memory = { native: new Arena(sequence.arena), ours: new Arena(sequence.arena) };
  for (let at = 0; at < count; at++) {
    const call = sequence.calls[at];
    const text = compareAnswers(call, native.answers[at], ours.answers[at], memory);
    if (text !== null) return { sequence, at, text: `${shown(call)}: ${text}` };
  }
  if (native.status === ours.status && native.answers.length === ours.answers.length) return null;
  const at = Math.min(count, sequence.calls.length - 1);
  const end = ({ status, answers }: Outcome) =>
    `${status === SLEPT ? 'sleeps' : `status 0x${status.toString(16)}`} after ${answers.length} calls`;
  return { sequence, at, text: `${shown(sequence.calls[at])}: natively ${end(native)}, here ${end(ours)}` };
}

type Memory = Readonly<Record<'native' | 'ours', Arena>>;

function compareAnswers({ name, words }: PlannedCall, native: Answer, ours: Answer, memory: Memory): string | null {
  const written = [...memory.native.apply(native.changes), ...memory.ours.apply(ours.changes)];
  if (!sameResult(name, native.result, ours.result)) {
    return `natively ${result(native.result)}, here ${result(ours.result)}`;
  }
  if (MEMORY_VARIES.has(name) || native.result === -EFAULT || ours.result === -EFAULT) return null;
  const hidden = hiddenBytes(name, words);
  const at = written.find((byte) => !hidden.has(byte) && memory.native.byte(byte) !== memory.ours.byte(byte));
  return at === undefined ? null : differingMemory(at, native.changes, ours.changes);
}

function sameResult(name: string, native: number, ours: number): boolean {
  if (native === ours) return true;
  if (OTHER_RESULTS.some(({ calls, host, here }) => calls.has(name) && host(native) && here(ours))) return true;
  if (isErrno(native) || isErrno(ours)) {
    return isErrno(native) && isErrno(ours) && [native, ours].some((errno) => ORDER_OF_CHECKS.has(-errno));
  }
  const varies = RESULT_VARIES.get(name);
  return varies !== undefined && varies(native) === varies(ours);
}

/** Addresses of fields that are not compared. */
function hiddenBytes(name: string, words: readonly number[]): Set<number> {
  const { args, at } = byName.get(name)!;
  return new Set(
    args.flatMap(({ kind }, i) => (FIELDS_VARY[kind] ?? []).map((offset) => (words[at[i]] >>> 0) + offset)),
  );
}

function differingMemory(address: number, native: readonly Change[], ours: readonly Change[]): string {
  const text = (changes: readonly Change[]) =>
    changes
      .map(
        ({ address, words }) =>
          `${hex(address)}: ${words
            .slice(0, 12)
            .map((word) => hex(word))
            .join(' ')}`,
      )
      .join('; ') || 'nothing';
  return `memory at ${hex(address)}: natively ${text(native)}, here ${text(ours)}`;
}

const hex = (word: number) => `0x${(word >>> 0).toString(16)}`;
const isErrno = (value: number) => value < 0 && value > -4096;
const result = (value: number) => (isErrno(value) ? `-${errnoName(-value)}` : hex(value));
export const shown = ({ name, words }: PlannedCall) => `${name}(${words.map(hex).join(', ')})`;

/** The same difference with as few calls before it as possible: candidates are tried in one run of each kernel. */
export async function shrink(found: Difference): Promise<Difference> {
  let best = { ...found, sequence: cut(found.sequence, found.at + 1) };
  for (
    let length = Math.ceil(best.at / 2);
    length >= 1;
    length = length === 1 && best.at > 1 ? 0 : Math.floor(length / 2)
  ) {
    const candidates: Sequence[] = [];
    for (let start = 0; start < best.at; start += length) {
      const calls = best.sequence.calls.filter((_, i) => i < start || i >= Math.min(start + length, best.at));
      candidates.push({ ...best.sequence, calls });
    }
    const shorter = await firstDifferent(candidates, best);
    if (shorter === null) continue;
    best = shorter;
    length = Math.max(2, length * 2);
  }
  return best;
}

const cut = (sequence: Sequence, length: number): Sequence => ({ ...sequence, calls: sequence.calls.slice(0, length) });

async function firstDifferent(candidates: readonly Sequence[], like: Difference): Promise<Difference | null> {
  if (candidates.length === 0) return null;
  const native = askNative(candidates);
  const ours = await askTallship(candidates);
  const { name } = like.sequence.calls[like.at];
  for (const [i, sequence] of candidates.entries()) {
    const found = compare(sequence, native[i], ours[i]);
    if (found !== null && sequence.calls[found.at].name === name)
      return { ...found, sequence: cut(sequence, found.at + 1) };
  }
  return null;
}
