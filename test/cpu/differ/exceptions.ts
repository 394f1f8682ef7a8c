/** Differences that are meant: each with its reason. Everything else that differs is a bug. */
import { CpuidFeature, Decoder, DecoderOptions } from 'iced-x86';
import { USER_CS } from '../../../src/cpu/segment/descriptor.ts';
import { CS } from '../../../src/cpu/state.ts';
import { differences } from './compare.ts';
import type { Mismatch } from './differ.ts';
import { rowName, storesPointers } from './rows.ts';
import { SLOT } from './slot.ts';
import { originOf } from './state.ts';
import { undefinedFlags } from './undefined-flags.ts';

const GENERAL_PROTECTION = 13;
const PAGE_FAULT = 14;
export const OWN_MEMORY = "the oracle's memory";
const C1 = 0x200 << 16;
const TF = 0x100;

const selectorOf = (slots: Mismatch['native'], segment: number): number => slots.u16[(SLOT.selectors >> 1) + segment];
/** Of a program of one instruction. */
export interface Context {
  readonly mismatch: Mismatch;
  /** Names of the fields that differ. */
  readonly fields: readonly string[];
  readonly name: string;
  /** Addresses of the oracle's own memory: [start, end). */
  readonly ownMemory: readonly (readonly [number, number])[];
  /** FOP and FDP change with every x87 instruction. */
  readonly keepsPointers: boolean;
  /** Whether flags that the manual leaves undefined count. */
  readonly undefinedCount: boolean;
}

interface Exception {
  readonly name: string;
  readonly reason: string;
  readonly applies: (context: Context) => boolean;
}

const trapno = (m: Mismatch): number => m.native.get(0, SLOT.trapno);

/** Steps between two extended values on the line of all of them. */
function distance(a: Mismatch, i: number): bigint {
  const place = (slots: Mismatch['native']): bigint => {
    const at = SLOT.st + 16 * i;
    const sig = (BigInt(slots.get(0, at + 4)) << 32n) | BigInt(slots.get(0, at));
    const se = slots.get(0, at + 8) & 0xffff;
    const magnitude = (BigInt(se & 0x7fff) << 63n) + (sig & ((1n << 63n) - 1n));
    return se & 0x8000 ? -magnitude : magnitude;
  };
  const by = place(a.native) - place(a.tallship);
  return by < 0n ? -by : by;
}

const TRANSCENDENTAL = /^(f2xm1|fyl2x|fyl2xp1|fptan|fpatan|fsin|fcos|fsincos)$/;

function isWithinOneStep({ mismatch }: Context): boolean {
  const found = differences(mismatch.native, 0, mismatch.tallship, 0);
  const isNear = [0, 1, 2, 3, 4, 5, 6, 7].every((i) => distance(mismatch, i) <= 1n);
  const isStack = found.every(({ field, native, tallship }) =>
    field === 'fpu control status' ? ((native ^ tallship) & ~C1) === 0 : /^st/.test(field),
  );
  return isNear && isStack;
}

/** The feature sets that Tallship announces, in iced-x86's names. */
export const ANNOUNCED =
  /^(INTEL8086|INTEL8086_ONLY|INTEL186|INTEL286|INTEL386|INTEL486|FPU\w*|MMX|SSE|SSE2|SSE3|SSSE3|SSE4_1|SSE4_2|CMOV|CX8|TSC|FXSR|CLFSH|POPCNT|MOVBE|PAUSE|MULTIBYTENOP|PREFETCHW|CPUID|RDPMC|MSR|INTEL286_ARPL_X86_ONLY|CET_IBT)$/;

function needsMore({ mismatch }: Context): boolean {
  const decoder = new Decoder(32, mismatch.program.code, DecoderOptions.None);
  const instruction = decoder.decode();
  const features = [...instruction.cpuidFeatures()].map((one) => CpuidFeature[one]);
  const isMore = !instruction.isInvalid && features.some((one) => !ANNOUNCED.test(one));
  instruction.free();
  decoder.free();
  return isMore;
}

/** Code that runs as 16-bit code has other instructions than those it was made of. */
function endsAtUmip({ native, program }: Mismatch): boolean {
  const eip = native.get(0, SLOT.eip) + originOf(selectorOf(native, CS));
  const at = (eip - program.address) >>> 0;
  const bytes = Buffer.from(program.code.subarray(at, at + 8)).toString('hex');
  return /^(66|67|f[023]|[23][6e]|6[45])*0f(0[01][048c]|01[26ae][0-7])/.test(bytes);
}

export const EXCEPTIONS: readonly Exception[] = [
  {
    name: OWN_MEMORY,
    reason: 'a random address hit the oracle program itself',
    applies: ({ mismatch: { tallship }, ownMemory }) =>
      tallship.get(0, SLOT.trapno) === PAGE_FAULT &&
      ownMemory.some(([start, end]) => tallship.get(0, SLOT.siAddr) >= start && tallship.get(0, SLOT.siAddr) < end),
  },
  {
    name: 'features',
    reason: 'the processor at hand has instructions that Tallship does not announce',
    applies: needsMore,
  },
  {
    name: 'UMIP',
    reason:
      "SLDT, STR, SMSW, SGDT and SIDT: faults, superfluous prefixes and TF are as the kernel's emulation has them",
    applies: ({ name, mismatch }) =>
      endsAtUmip(mismatch) ||
      (/^(sldt|str|smsw|sgdt|sidt) /.test(name) &&
        (mismatch.program.steps[0].memory !== undefined ||
          trapno(mismatch) === GENERAL_PROTECTION ||
          (mismatch.request.get(0, SLOT.eflags) & TF) !== 0)),
  },
  {
    name: 'transcendentals',
    reason:
      'F2XM1, FYL2X, FYL2XP1, FPTAN, FPATAN, FSIN, FCOS, FSINCOS: within one unit of the last place, and C1 with it',
    applies: (c) =>
      c.mismatch.program.steps.some(({ row }) => TRANSCENDENTAL.test(row.insn.name)) && isWithinOneStep(c),
  },
  {
    name: '64-bit code',
    reason: 'GDT entry 6 can be asked about and read; far transfers to it are #GP',
    applies: ({ mismatch }) => (selectorOf(mismatch.native, CS) | 3) === USER_CS,
  },
  {
    name: 'CPU number',
    reason: 'the limit of GDT entry 15 is the number of the first CPU, to which the oracle may not have been bound',
    applies: ({ name, mismatch: { native, tallship } }) => {
      if (!/^lsl /.test(name)) return false;
      const changed = [0, 1, 2, 3, 4, 5, 6, 7]
        .map((n) => SLOT.gpr + 4 * n)
        .filter((at) => native.get(0, at) !== tallship.get(0, at));
      return changed.length === 1 && (tallship.get(0, changed[0]) & 0xffff) === 0;
    },
  },
  {
    name: 'x87 pointers',
    reason:
      'FOP and FDP change with unmasked exceptions only, as on processors with FDP_EXCPTN_ONLY, which others have not',
    applies: ({ keepsPointers, fields, mismatch: { program } }) =>
      keepsPointers &&
      (fields.every((field) => field === 'fpu opcode' || field === 'fpu data') ||
        program.steps.some(({ row }) => storesPointers(row))),
  },
  {
    name: 'undefined flags',
    reason:
      'flags that the manual leaves undefined (undefined-flags.ts), on other processors than the one they were taken from',
    applies: ({ mismatch, fields, undefinedCount }) => {
      if (undefinedCount || fields.some((field) => field !== 'eflags')) return false;
      const changed = mismatch.native.get(0, SLOT.eflags) ^ mismatch.tallship.get(0, SLOT.eflags);
      return (changed & ~undefinedFlags(mismatch) & 0xcd5) === 0;
    },
  },
];

export function explain(
  mismatch: Mismatch,
  options: Pick<Context, 'ownMemory' | 'keepsPointers' | 'undefinedCount'>,
): string | undefined {
  const fields = differences(mismatch.native, 0, mismatch.tallship, 0).map((one) => one.field.replace(/\+.*/, ''));
  const step = mismatch.program.steps[0];
  const context = { ...options, mismatch, fields, name: step ? rowName(step.row) : '' };
  return EXCEPTIONS.find((one) => one.applies(context))?.name;
}
