/** Differences that are meant: each with its reason. Everything else that differs is a bug. */
import { CpuidFeature, Decoder, DecoderOptions } from 'iced-x86';
import { USER_CS } from '../../../src/cpu/emit/segments.ts';
import { CS, DS, ES, FS, GS, SS } from '../../../src/cpu/state.ts';
import { differences, EFLAGS } from './compare.ts';
import type { Mismatch } from './differ.ts';
import { rowName } from './rows.ts';
import { SLOT, TLS_BASES } from './slot.ts';
import { undefinedFlags } from './undefined-flags.ts';

const GENERAL_PROTECTION = 13;
const STACK_FAULT = 12;
const PAGE_FAULT = 14;
const ALIGNMENT_CHECK = 17;
/** FXSAVE's. */
const LARGEST_OPERAND = 512;
export const OWN_MEMORY = "the oracle's memory";
const C1 = 0x200 << 16;
const TF = 0x100;
const RF = 0x1_0000;
const FLAT = [ES, SS, DS];
const CPU_NUMBER = 0x7b;

const selectorOf = (slots: Mismatch['native'], segment: number): number => slots.u16[(SLOT.selectors >> 1) + segment];
const isBased = (slots: Mismatch['native'], segment: number): boolean =>
  [0x63, 0x6b].includes(selectorOf(slots, segment) | 3);
const isFlat = (slots: Mismatch['native'], segment: number): boolean =>
  [0x2b, 0x73].includes(selectorOf(slots, segment) | 3);

/** Of a program of one instruction. */
export interface Context {
  readonly mismatch: Mismatch;
  /** Names of the fields that differ. */
  readonly fields: readonly string[];
  readonly name: string;
  /** Addresses of the oracle's own memory: [start, end). */
  readonly ownMemory: readonly (readonly [number, number])[];
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
      /^(sldt|str|smsw|sgdt|sidt) /.test(name) &&
      (mismatch.program.steps[0].memory !== undefined ||
        trapno(mismatch) === GENERAL_PROTECTION ||
        (mismatch.request.get(0, SLOT.eflags) & TF) !== 0),
  },
  {
    name: 'transcendentals',
    reason:
      'F2XM1, FYL2X, FYL2XP1, FPTAN, FPATAN, FSIN, FCOS, FSINCOS: within one unit of the last place, and C1 with it',
    applies: (c) => /^(f2xm1|fyl2x|fyl2xp1|fptan|fpatan|fsin|fcos|fsincos) /.test(c.name) && isWithinOneStep(c),
  },
  {
    name: 'flat segments',
    reason:
      'es, ss and ds have no base and are not checked: TLS segments with a base cannot be loaded, null and code be used',
    applies: ({ mismatch }) =>
      FLAT.some((i) => isBased(mismatch.native, i)) ||
      [mismatch.request, mismatch.native].some((slots) => [ES, DS].some((i) => !isFlat(slots, i))),
  },
  {
    name: '64-bit code',
    reason: 'GDT entry 6 can be asked about and read; far transfers to it are #GP',
    applies: ({ mismatch }) => (selectorOf(mismatch.native, CS) | 3) === USER_CS,
  },
  {
    name: 'ARPL of code',
    reason: 'ARPL writes only where it changes something; it is #GP in a segment of code anyway',
    applies: ({ name, mismatch }) =>
      /^arpl /.test(name) && mismatch.tallship.get(0, SLOT.trapno) === GENERAL_PROTECTION,
  },
  {
    name: 'segment limit',
    reason: 'an operand across offset 4 GiB of its segment is #GP or #SS, not #PF',
    applies: ({ mismatch }) =>
      [STACK_FAULT, GENERAL_PROTECTION].includes(trapno(mismatch)) &&
      TLS_BASES.some((base) => (mismatch.tallship.get(0, SLOT.siAddr) - base) >>> 0 > 2 ** 32 - LARGEST_OPERAND),
  },
  {
    name: 'alignment check',
    reason: 'AC can be set and read; unaligned accesses are not refused',
    applies: ({ mismatch }) => trapno(mismatch) === ALIGNMENT_CHECK,
  },
  {
    name: 'MASKMOVQ to code',
    reason: 'it is #GP for its segment before it does anything else',
    applies: ({ name, mismatch }) =>
      /^maskmovq /.test(name) && mismatch.tallship.get(0, SLOT.trapno) === GENERAL_PROTECTION,
  },
  {
    name: 'RF of IRET',
    reason: 'a single step that ends with IRET does not show the RF that it loaded',
    applies: ({ name, fields, mismatch: { native, tallship } }) =>
      /^iret /.test(name) &&
      fields.join() === 'eflags' &&
      ((native.get(0, SLOT.eflags) ^ tallship.get(0, SLOT.eflags)) & EFLAGS) === RF,
  },
  {
    name: 'strings in a null segment',
    reason: 'they are #GP at once, even where nothing is left to do or the other operand comes first',
    applies: ({ name, mismatch }) =>
      /^(lods|movs|cmps|xlat)/.test(name) &&
      mismatch.tallship.get(0, SLOT.trapno) === GENERAL_PROTECTION &&
      [FS, GS].some((segment) => selectorOf(mismatch.request, segment) < 4),
  },
  {
    name: 'CPU number',
    reason: "GDT entry 15, whose limit is the CPU's number, is not there",
    applies: ({ name, mismatch }) =>
      (/^(lar|lsl|verr|verw) /.test(name) &&
        mismatch.native.get(0, SLOT.eflags) !== mismatch.tallship.get(0, SLOT.eflags)) ||
      [ES, DS, FS, GS].some((segment) => (selectorOf(mismatch.native, segment) | 3) === CPU_NUMBER),
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
  options: Pick<Context, 'ownMemory' | 'undefinedCount'>,
): string | undefined {
  const fields = differences(mismatch.native, 0, mismatch.tallship, 0).map((one) => one.field.replace(/\+.*/, ''));
  const step = mismatch.program.steps[0];
  const context = { ...options, mismatch, fields, name: step ? rowName(step.row) : '' };
  return EXCEPTIONS.find((one) => one.applies(context))?.name;
}
