/** Which programs to run: each row in each form first, then random sequences. */
import type { Row } from '../../../src/cpu/decode/rows.ts';
import type { Form } from './encode.ts';
import { encode } from './encode.ts';
import type { Program } from './program.ts';
import { Builder } from './program.ts';
import type { Random } from './random.ts';
import { isEmulated, storesPointers, takesOperandSize } from './rows.ts';
import { CODE, CODE_SIZE, ENTRY } from './slot.ts';

const hasModrmOperand = (row: Row): boolean => row.hasModrm && !row.fixedModrm;
const mayBeMemory = (row: Row): boolean =>
  hasModrmOperand(row) && row.form !== 'register' && !row.operands.some((o) => 'RNU'.includes(o.letter));
const mayBeRegister = (row: Row): boolean =>
  hasModrmOperand(row) && row.form !== 'memory' && !row.operands.some((o) => o.letter === 'M');

/** Addressing: every ModRM of 32 and 16 bits, every prefix. */
function memoryForms(): Form[] {
  const forms: Form[] = [];
  for (const isNarrowAddress of [false, true])
    for (const mod of [0, 1, 2])
      for (let rm = 0; rm < 8; rm++) {
        forms.push({
          isRegister: false,
          isNarrowAddress,
          mod,
          rm,
          ...(isNarrowAddress ? { segment: 4 + (rm & 1) } : {}),
        });
        // SIB has many more.
        if (!isNarrowAddress && rm === 4)
          for (let i = 0; i < 6; i++) forms.push({ isRegister: false, isNarrowAddress, mod, rm });
      }
  for (let segment = 0; segment < 6; segment++) forms.push({ isRegister: false, isNarrowAddress: false, segment });
  return forms;
}
const MEMORY_FORMS = memoryForms();

export function formsOf(row: Row): Form[] {
  const forms: Form[] = [];
  if (mayBeMemory(row)) forms.push(...MEMORY_FORMS);
  if (mayBeRegister(row)) for (let rm = 0; rm < 8; rm++) forms.push({ isRegister: true, rm });
  if (!hasModrmOperand(row)) for (let i = 0; i < (row.plusRegister || row.fixedModrm ? 10 : 4); i++) forms.push({});
  const sized = takesOperandSize(row)
    ? forms.flatMap((form) => [
        { ...form, isNarrow: false },
        { ...form, isNarrow: true },
      ])
    : forms;
  const { rep, lock } = row.insn.options;
  if (rep) return sized.flatMap((form) => ([0, 0xf2, 0xf3] as const).map((repeat) => ({ ...form, repeat })));
  if (!lock) return [...sized, { lock: true }];
  return sized.flatMap((form) => [
    { ...form, lock: false },
    { ...form, lock: true },
  ]);
}

function finish(builder: Builder, random: Random): Program {
  // At times the code ends with its page, or before its end, or goes on in the next.
  const kind = random.below(100);
  const length = builder.bytes.length;
  if (kind < 3) {
    const kept = random.chance(50) ? length : 1 + random.below(length);
    const program = builder.finish(CODE + CODE_SIZE - kept);
    return { ...program, code: program.code.subarray(0, kept) };
  }
  if (kind < 6) return builder.finish(CODE + 0x1000 - random.below(length + 1));
  return builder.finish(kind < 50 ? ENTRY : ENTRY + random.below(64));
}

/** A row in one form. */
export function programOf(row: Row, form: Form | undefined, random: Random): Program {
  const builder = new Builder(random);
  encode(builder, row, form);
  return finish(builder, random);
}

function shuffled<T>(list: readonly T[], random: Random): T[] {
  const out = [...list];
  for (let i = out.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [out[i], out[j]] = [out[j], out[i]];
  }
  return out;
}

/** Every row in every form, once: first one form of each row, then another of each, so that a short run says much. */
export function* systematic(rows: readonly Row[], random: Random): Generator<Program> {
  let open = rows.map((row) => ({ row, forms: shuffled(formsOf(row), random) }));
  while (open.length > 0) {
    for (const { row, forms } of open) {
      yield programOf(row, forms.pop(), random);
    }
    open = open.filter(({ forms }) => forms.length > 0);
  }
}

/** What may unmask x87 exceptions before the pointers are stored: see state.ts. */
const unmasks = /^(fldcw|fldenv|frstor|fxrstor)$/;

const EXTRA_PREFIXES = [0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];

/** Sequences of a few instructions, and single ones with prefixes that have no business there. */
export function randomProgram(rows: readonly Row[], random: Random): Program {
  const builder = new Builder(random);
  if (random.chance(12)) {
    const count = random.chance(90) ? 1 + random.below(4) : 8 + random.below(8);
    const extra = Array.from({ length: count }, () => random.pick(EXTRA_PREFIXES));
    encode(builder, random.pick(rows), { extra });
    return finish(builder, random);
  }
  const count = random.chance(25) ? 1 : 2 + random.below(5);
  for (let i = 0; i < count; i++) {
    // Nothing follows where control does not go on.
    const row = random.pick(rows);
    if (i + 1 < count && row.insn.options.ends && random.chance(80)) continue;
    if (count > 1 && isEmulated(row)) continue;
    if (builder.steps.some((step) => storesPointers(step.row)) && unmasks.test(row.insn.name)) continue;
    if (!encode(builder, row)) break;
  }
  if (builder.steps.length === 0) encode(builder, random.pick(rows));
  return finish(builder, random);
}
