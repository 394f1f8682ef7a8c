/**
 * The handlers that the interpreter is made of. Each row gives one per operand size and kind of operand; rows with the same
 * operands share theirs (01 /r, 03 /r and 81 /0 need no code of their own).
 */

import type { Decoded, DecodedOperand } from '../decode/decoded.ts';
import { operandForms } from '../decode/operands.ts';
import type { Row } from '../decode/rows.ts';
import { parseRow } from '../decode/rows.ts';
import type { Operand } from '../emit/emitter.ts';
import { emitInsn } from '../emit/evaluate.ts';
import type { RoutineTable, WasmTarget } from '../emit/wasm-emitter.ts';
import type { Insn } from '../isa/insn.ts';
import { STATE } from '../state.ts';
import type { Mode, SlotOperand } from './interp-emitter.ts';
import { InterpEmitter } from './interp-emitter.ts';
import type { MemoryShape } from './record.ts';
import { RECORD } from './record.ts';
import { SPECIAL_NAMES, SPECIALS } from './specials.ts';

export interface Handler {
  readonly key: string;
  /** Integer code with 32-bit operands or bytes: what most programs run most of the time. */
  readonly isFrequent: boolean;
  /** Statements are consumed when assembled: each assembly emits anew. */
  readonly emit: () => InterpEmitter;
  /** What it is made of, but for the special ones. */
  readonly content?: HandlerContent;
}

export interface HandlerContent {
  readonly insn: Insn;
  readonly mode: Mode;
  readonly operands: readonly SlotOperand[];
}

/** Instructions frequent enough for handlers of their own for indexed and TLS operands. */
const INDEXED = new Set([
  'mov',
  'movzx',
  'movsx',
  'lea',
  'add',
  'sub',
  'cmp',
  'test',
  'and',
  'or',
  'xor',
  'inc',
  'dec',
  'jmp',
  'call',
  'push',
]);
const SEGMENTED = new Set(['mov', 'add', 'sub', 'cmp', 'xor']);

/** LEA has no use for a segment. */
export function memoryShape(decoded: Decoded, operand: DecodedOperand): MemoryShape | 'special' {
  const { index, segment, narrow } = operand.address!;
  const { name } = decoded.insn;
  if (narrow) return 'special';
  if (segment !== STATE.zero && name !== 'lea') return SEGMENTED.has(name) ? 's' : 'special';
  if (index === STATE.zero) return 'm';
  return INDEXED.has(name) ? 'x' : 'special';
}

const KIND_LETTER: Record<Operand['kind'], string> = {
  register: 'r',
  segment: 'g',
  mmx: 'q',
  xmm: 'v',
  x87: 't',
  immediate: 'i',
  relative: 'j',
  far: 'p',
  memory: 'm',
};

/** Places for register operands and for immediates in the record, in order. */
const REGISTER_SLOTS = [RECORD.a, RECORD.b, RECORD.base];
const IMMEDIATE_SLOTS = [RECORD.immediate, RECORD.displacement];

export function slots(operands: readonly Pick<Operand, 'kind'>[]): number[] {
  let registers = 0;
  let immediates = 0;
  return operands.map(({ kind }) => {
    if (kind === 'memory') return RECORD.base;
    return 'ijp'.includes(KIND_LETTER[kind]) ? IMMEDIATE_SLOTS[immediates++] : REGISTER_SLOTS[registers++];
  });
}

type Form = Pick<Operand, 'kind' | 'size'> & { shape?: MemoryShape };

/** `r4 m4` and the like: kind or shape and size of each operand. */
export function formsText(forms: readonly Form[]): string {
  return forms.map((f) => `${f.shape ?? KIND_LETTER[f.kind]}${f.size}`).join(' ');
}

export function handlerKey(insn: number, mode: Mode, forms: readonly Form[]): string {
  return `${insn}/${mode.operandSize}${mode.addressSize}/${mode.repeat}/${formsText(forms)}`;
}

function withShapes(name: string, form: Form): Form[] {
  if (form.kind !== 'memory') return [form];
  const shapes: MemoryShape[] = ['m'];
  if (INDEXED.has(name)) shapes.push('x');
  if (SEGMENTED.has(name)) shapes.push('s');
  return shapes.map((shape) => ({ ...form, shape }));
}

function combinations<T>(lists: readonly T[][]): T[][] {
  return lists.reduce<T[][]>((all, list) => all.flatMap((head) => list.map((one) => [...head, one])), [[]]);
}

function rowForms(row: Row, operandSize: 2 | 4): Form[][] {
  const lists = row.operands.map((spec) =>
    operandForms(row, spec, operandSize).flatMap(({ kind, size }) => withShapes(row.insn.name, { kind, size })),
  );
  return combinations(lists);
}

const MODES: readonly Mode[] = ([0, 0xf2, 0xf3] as const).flatMap((repeat) =>
  ([4, 2] as const).flatMap((operandSize) =>
    ([4, 2] as const).map((addressSize) => ({ operandSize, addressSize, repeat })),
  ),
);

/** All handlers, the special ones first; `key` finds the index of an instruction's. */
export function allHandlers(insns: readonly Insn[], target: WasmTarget, routines: RoutineTable): Handler[] {
  const handlers: Handler[] = SPECIAL_NAMES.map((name) => ({
    key: name,
    isFrequent: true,
    emit() {
      const e = new InterpEmitter(target, routines, MODES[0], []);
      SPECIALS[name](e);
      return e;
    },
  }));
  const known = new Set<string>();
  insns.forEach((insn, number) => {
    if (insn.options.evaluated) return;
    for (const text of insn.rows) {
      for (const made of rowHandlers(parseRow(insn, text), number, target, routines)) {
        if (known.has(made.key)) continue;
        known.add(made.key);
        handlers.push(made);
      }
    }
  });
  return handlers;
}

const isSame = (a: Form[][], b: Form[][]): boolean => JSON.stringify(a) === JSON.stringify(b);

/** Sizes that make no difference to an instruction have no handlers of their own: `findHandler` falls back on 4. */
export function findHandler(
  keys: ReadonlyMap<string, number>,
  insn: number,
  mode: Mode,
  forms: readonly Form[],
): number | undefined {
  for (const operandSize of [mode.operandSize, 4] as const) {
    for (const addressSize of [mode.addressSize, 4] as const) {
      const found = keys.get(handlerKey(insn, { ...mode, operandSize, addressSize }, forms));
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function rowHandlers(row: Row, number: number, target: WasmTarget, routines: RoutineTable): Handler[] {
  const { insn } = row;
  const made: Handler[] = [];
  const isBase = ['base', 'cmov'].includes(insn.options.feature ?? 'base');
  const asked = { operandSize: false, addressSize: false };
  for (const mode of MODES) {
    if (mode.repeat && !insn.options.rep) continue;
    if (mode.operandSize === 2 && row.prefix === 0x66) continue;
    if (mode.addressSize === 2 && !asked.addressSize) continue;
    const rowOperands = rowForms(row, mode.operandSize);
    if (mode.operandSize === 2 && !asked.operandSize && isSame(rowOperands, rowForms(row, 4))) continue;
    for (const forms of rowOperands) {
      const places = slots(forms);
      const operands = forms.map((form, i): SlotOperand => ({ ...form, slot: places[i] }));
      const emit = (): InterpEmitter => {
        const e = new InterpEmitter(target, routines, mode, operands);
        emitInsn(e, insn, operands);
        e.next();
        asked.addressSize ||= e.asked.addressSize;
        asked.operandSize ||= e.asked.operandSize;
        return e;
      };
      if (made.length === 0) emit();
      const isFrequent = isBase && mode.operandSize === 4;
      made.push({ key: handlerKey(number, mode, forms), isFrequent, emit, content: { insn, mode, operands } });
    }
  }
  return made;
}
