/** From a program that differs to the one instruction that does, and a state with nothing in it that does not matter. */
import { CS } from '../../../src/cpu/state.ts';
import { isEqual } from './compare.ts';
import type { Differ, Mismatch } from './differ.ts';
import type { Program } from './program.ts';
import { INT3, SLOT, SLOT_SIZE, Slots } from './slot.ts';
import { originOf } from './state.ts';

const SIGTRAP = 5;
const BREAKPOINT = 3;
const STEPS = 40;

function copyOf(slots: Slots): Slots {
  const copy = new Slots(1);
  copy.copy(0, slots, 0);
  return copy;
}

async function rerun(
  differ: Differ,
  program: Program,
  request: Slots,
  subject: Mismatch['subject'],
): Promise<Mismatch> {
  const native = await differ.oracle.runOne(copyOf(request));
  const tallship = new Slots(1);
  differ.answer(subject, request, native, 0, tallship);
  return { program, request, native, tallship, subject };
}

const differs = (m: Mismatch): boolean => !isEqual(m.native, 0, m.tallship, 0);

/** The part of the program at an address, as a program. */
function singleAt(program: Program, eip: number): Program | undefined {
  const step = program.steps.find((one) => program.address + one.at === eip);
  if (!step) return undefined;
  const code = program.code.slice(step.at, step.at + step.length);
  return { steps: [{ ...step, at: 0 }], code, address: eip, pins: [] };
}

const codeOrigin = (state: Slots): number => originOf(state.u16[(SLOT.selectors >> 1) + CS]);

/** The request for a program from the state that an answer shows. */
function requestFor(program: Program, state: Slots): Slots {
  const request = copyOf(state);
  // Linux's sigreturn gives selectors privilege level 3.
  for (let n = 0; n < 6; n++) {
    const at = (SLOT.selectors >> 1) + n;
    request.u16[at] = request.u16[at] > 3 ? request.u16[at] | 3 : 0;
  }
  request.set(0, SLOT.eip, program.address - codeOrigin(request));
  request.set(0, SLOT.codeAddress, program.address);
  request.set(0, SLOT.codeLength, program.code.length);
  request.set(0, SLOT.isSameCode, 0);
  request.bytes(0, SLOT.code, 64).fill(INT3);
  request.u8.set(program.code, SLOT.code);
  return request;
}

/** Goes through the program as the real CPU does, comparing instruction by instruction. */
export async function isolate(differ: Differ, mismatch: Mismatch): Promise<Mismatch> {
  const { program, subject } = mismatch;
  if (program.steps.length === 1) return mismatch;
  let state = mismatch.request;
  for (let n = 0; n < STEPS; n++) {
    const single = singleAt(program, (state.get(0, SLOT.eip) + codeOrigin(state)) >>> 0);
    if (!single) return mismatch;
    const one = await rerun(differ, single, requestFor(single, state), subject);
    if (differs(one)) return one;
    const { native } = one;
    const goesOn = native.get(0, SLOT.signo) === SIGTRAP && native.get(0, SLOT.trapno) === BREAKPOINT;
    if (!goesOn) return mismatch;
    state = copyOf(native);
    state.set(0, SLOT.eip, native.get(0, SLOT.eip) - 1);
  }
  return mismatch;
}

/** Does it differ when the case runs again by itself? If not, another case has disturbed the oracle's memory. */
export async function isConfirmed(differ: Differ, { program, request, subject }: Mismatch): Promise<boolean> {
  return differs(await rerun(differ, program, request, subject));
}

/** Ranges of a request that may be cleared, and what to. */
const CLEARABLE: readonly { offset: number; length: number; word?: number }[] = [
  { offset: SLOT.xmm, length: 128 },
  { offset: SLOT.st, length: 128 },
  { offset: SLOT.windows, length: 512 },
  ...Array.from({ length: 8 }, (_, i) => ({ offset: SLOT.windows + 64 * i, length: 64 })),
  ...Array.from({ length: 8 }, (_, i) => ({ offset: SLOT.xmm + 16 * i, length: 16 })),
  ...Array.from({ length: 8 }, (_, i) => ({ offset: SLOT.st + 16 * i, length: 16 })),
  ...Array.from({ length: 8 }, (_, i) => ({ offset: SLOT.gpr + 4 * i, length: 4 })),
  { offset: SLOT.eflags, length: 4, word: 0x202 },
  { offset: SLOT.fx + 24, length: 4, word: 0x1f80 },
  { offset: SLOT.fx, length: 4, word: 0x37f },
];

/** Clears what can be cleared without the difference going away; `isSame` says whether it is still the same one. */
export async function simplify(
  differ: Differ,
  mismatch: Mismatch,
  isSame: (m: Mismatch) => boolean,
): Promise<Mismatch> {
  let best = mismatch;
  for (const { offset, length, word } of CLEARABLE) {
    const request = copyOf(best.request);
    const part = request.u8.subarray(offset, offset + length);
    part.fill(0);
    if (word !== undefined) request.set(0, offset, word);
    if (Buffer.compare(request.u8.subarray(0, SLOT_SIZE), best.request.u8.subarray(0, SLOT_SIZE)) === 0) continue;
    const one = await rerun(differ, best.program, request, best.subject);
    if (differs(one) && isSame(one)) best = one;
  }
  return best;
}
