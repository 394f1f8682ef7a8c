/** What fixtures/guest/caller.c reads and writes: sequences of calls, and what came of each. */

export interface PlannedCall {
  nr: number;
  name: string;
  words: number[];
}
export interface Sequence {
  /** What the memory holds before the first call: ARENA_BYTES. */
  arena: Uint8Array;
  calls: PlannedCall[];
}

/** Words of memory that a call has changed. */
export interface Change {
  address: number;
  words: number[];
}
export interface Answer {
  result: number;
  changes: Change[];
}
export interface Outcome {
  /** Of the child: a wait status, or SLEPT. */
  status: number;
  answers: Answer[];
}

export const ARENA = 0x20000000;
/** Filled from the sequence; as many bytes again are zero, for outputs that nothing reads. */
export const ARENA_BYTES = 4096;
export const SCRATCH = ARENA + ARENA_BYTES;
export const READ_ONLY = 0x20004000;
/** A word that stands for the child's own pid. */
export const SELF = 0xc0de0000;
/** The child slept when it was ended. */
export const SLEPT = 0x10000;

export function encodePlan(sequences: readonly Sequence[]): Uint8Array {
  const words = sequences.reduce((sum, { calls }) => sum + 1 + ARENA_BYTES / 4 + calls.length * 7, 1);
  const view = new DataView(new ArrayBuffer(words * 4));
  let at = 0;
  const put = (word: number) => {
    view.setInt32(at, word | 0, true);
    at += 4;
  };
  put(sequences.length);
  for (const { arena, calls } of sequences) {
    put(calls.length);
    new Uint8Array(view.buffer, at, ARENA_BYTES).set(arena);
    at += ARENA_BYTES;
    for (const { nr, words } of calls) for (const word of [nr, ...words]) put(word);
  }
  return new Uint8Array(view.buffer);
}

export function decodeAnswers(bytes: Uint8Array): Outcome[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const outcomes: Outcome[] = [];
  for (let at = 0; at < bytes.length; ) {
    const [status, calls, used] = [0, 4, 8].map((i) => view.getUint32(at + i, true));
    let next = at + 12;
    at = next + used * 4;
    const take = () => {
      next += 4;
      return view.getInt32(next - 4, true);
    };
    const answers = Array.from({ length: calls }, () => {
      const result = take();
      const changes = Array.from({ length: take() }, () => {
        const head = take();
        return { address: ARENA + (head >>> 16) * 4, words: Array.from({ length: head & 0xffff }, take) };
      });
      return { result, changes };
    });
    outcomes.push({ status, answers });
  }
  return outcomes;
}
