/**
 * The interpreter: one function that runs records in a loop, with a br_table over all handlers.
 *
 *   block exits...           one label for each way out, its code after the block
 *     loop next              fetches the handler of `record`
 *       block land           a branch was taken: accounts for it, ends the slice when it is used up
 *         block outcome      a handler in a function of its own answered
 *           block handler n-1 ... block handler 0
 *
 * Instructions are counted at taken branches only, as records lie in a row: `credit` is 32 times what is left of the
 * slice, plus the record at which the current row was entered. STATE.budget holds it while the interpreter runs.
 */
import type { WasmTarget } from '../emit/wasm-emitter.ts';
import type { FunctionCode } from '../emit/wasm-writer.ts';
import { writeModule } from '../emit/wasm-writer.ts';
import { Exit } from '../exit.ts';
import { Inner } from '../inner.ts';
import type { Insn } from '../isa/insn.ts';
import { VM_COMPILED, VM_RECORDS } from '../layout.ts';
import { STATE } from '../state.ts';
import type { InlineCode, Label } from './assembly.ts';
import { assembleFunction, assembleInline, bigFunctionLocals, LOCAL, OUTCOME } from './assembly.ts';
import { Code } from './code.ts';
import { compiledFunctions, HANDLER_TYPE, RUN_COMPILED } from './compiled.ts';
import { fusedHandlers } from './fusions.ts';
import type { Handler } from './handlers.ts';
import { allHandlers } from './handlers.ts';
import { RECORD, RECORD_SIZE } from './record.ts';
import { Routines } from './routines.ts';
import { specialIndex } from './specials.ts';

export interface InterpModule {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** From handler keys (handlers.ts) to indices. */
  readonly keys: ReadonlyMap<string, number>;
}

/**
 * Handlers longer than this become functions of their own. V8 optimises the big function in the background while the guest
 * crawls: with only the frequent ones in it, that takes a third of the time (measured: 63 to 230 ms instead of 280 to 650).
 */
function inlineLimit(handler: Handler): number {
  // A pair moves the big function's record pointer to its second record: no other function can.
  if (handler.key.includes('+')) return Infinity;
  return handler.isFrequent ? 420 : 60;
}
const RUN_TYPE = { parameters: ['i32'], results: [] } as const;

/** Ways out, innermost first. */
const EXITS = ['budget', 'lookup', 'link', 'pageFault', 'trap', 'fault'] as const;
type ExitLabel = (typeof EXITS)[number];
/** Absolute block depths: `fault` is the outermost block. */
const depthOfExit = (label: ExitLabel): number => EXITS.length - EXITS.indexOf(label);
const NEXT = EXITS.length + 1;
const LAND = NEXT + 1;
const OUTCOME_BLOCK = LAND + 1;
const HANDLERS = OUTCOME_BLOCK;

const depthOf = (label: Label): number => (label === 'next' ? NEXT : label === 'land' ? LAND : depthOfExit(label));

interface Placed {
  readonly inline: InlineCode | undefined;
  /** Index of the function it became. */
  readonly outlined: number;
}

/** Function 0 is the big one, then come the routines, and the outlined handlers last. */
export function buildInterpreter(insns: readonly Insn[], target: WasmTarget): InterpModule {
  const routines = new Routines(target, 1);
  const single = allHandlers(insns, target, routines);
  const handlers = [...single, ...fusedHandlers(single, target, routines)];
  const locals = bigFunctionLocals();
  const keys = new Map<string, number>();
  const known = new Map<string, number>();
  const inlined: { code: InlineCode; handler: Handler }[] = [];
  for (const handler of handlers) {
    const code = assembleInline(handler.emit(), locals);
    const content = `${code.bytes}|${JSON.stringify(code.fixups)}`;
    const index = known.get(content) ?? inlined.push({ code, handler }) - 1;
    known.set(content, index);
    keys.set(handler.key, index);
  }
  const functions: FunctionCode[] = [...routines.functions];
  const placed = inlined.map(({ code, handler }): Placed => {
    if (code.bytes.length <= inlineLimit(handler)) return { inline: code, outlined: 0 };
    return { inline: undefined, outlined: functions.push(outline(handler)) };
  });
  const first = functions.length + 1;
  functions.push(...compiledFunctions(target));
  const run: FunctionCode = {
    type: RUN_TYPE,
    locals: locals.types,
    code: bigFunction(target, placed, first + RUN_COMPILED),
    exported: 'run',
  };
  const bytes = writeModule({
    types: [RUN_TYPE, HANDLER_TYPE],
    hasTable: true,
    functions: [run, ...functions],
    isFirstAlone: true,
    memory: { minimum: 1, maximum: 65536, shared: true },
  });
  return { bytes, keys };
}

function outline(handler: Handler): FunctionCode {
  const { code, locals } = assembleFunction(handler.emit());
  return { type: HANDLER_TYPE, locals: locals.types, code };
}

function bigFunction(target: WasmTarget, placed: readonly Placed[], runCompiled: number): Uint8Array {
  const code = new Code(target);
  code.state(STATE.budget).set(LOCAL.credit);
  for (let i = 0; i < EXITS.length; i++) code.all([0x02, 0x40]);
  code.all([0x03, 0x40, 0x02, 0x40, 0x02, 0x40]);
  for (let i = 0; i < placed.length; i++) code.all([0x02, 0x40]);
  code
    .field(LOCAL.record, RECORD.handler, 0x2f)
    .u8(0x0e)
    .u32(placed.length - 1);
  for (let i = 0; i < placed.length; i++) code.u32(i);
  placed.forEach((one, i) => {
    code.u8(0x0b);
    const depth = HANDLERS + placed.length - 1 - i;
    if (i === specialIndex('compiled')) compiledCode(code, target, depth, runCompiled);
    else placeHandler(code, one, depth);
  });
  code.u8(0x0b);
  outcomeCode(code);
  code.u8(0x0b);
  landCode(code);
  code.all([0x0b, 0x00]);
  for (const label of EXITS) {
    code.u8(0x0b);
    exitCode(code, label);
  }
  return code.bytes();
}

function placeHandler(code: Code, { inline, outlined }: Placed, depth: number): void {
  if (!inline) {
    code.get(LOCAL.record).u8(0x10).u32(outlined);
    // The usual outcome, `next`, without a detour.
    code
      .u8(0x22)
      .u32(LOCAL.target)
      .const(OUTCOME.next)
      .u8(0x47)
      .u8(0x0d)
      .u32(depth - OUTCOME_BLOCK);
    code.get(LOCAL.record).const(RECORD_SIZE).u8(0x6a).set(LOCAL.record).br(depth, NEXT);
    return;
  }
  const start = code.length;
  code.all(inline.bytes);
  for (const { at, depth: inner, label } of inline.fixups) code.patch(start + at, depth + inner - depthOf(label));
}

/** Enters compiled code, which answers the record where the interpreter is to go on, or 0 when all has been said. */
function compiledCode(code: Code, { vmIndex }: WasmTarget, depth: number, runCompiled: number): void {
  code.setState(STATE.budget, () => code.get(LOCAL.credit).get(LOCAL.record).u8(0x6b));
  code
    .get(LOCAL.record)
    .const(vmIndex + VM_RECORDS)
    .u8(0x6b)
    .const(3)
    .u8(0x76)
    .const(vmIndex)
    .u8(0x6a);
  code.vmLoad(VM_COMPILED).u8(0x10).u32(runCompiled).u8(0x22).u32(LOCAL.record);
  code.u8(0x45).all([0x04, 0x40, 0x0f, 0x0b]);
  code.state(STATE.budget).get(LOCAL.record).u8(0x6a).set(LOCAL.credit);
  code.setState(STATE.budget, () => code.get(LOCAL.credit));
  code.br(depth, NEXT);
}

/** After the block `outcome`: LOCAL.target is what the handler's function answered. */
function outcomeCode(code: Code): void {
  // A record, mostly.
  code
    .get(LOCAL.target)
    .const(RECORD_SIZE)
    .u8(0x4b)
    .u8(0x0d)
    .u32(LAND - LAND);
  const ways = ['fault', 'trap', 'pageFault', 'lookup', 'link'] as const;
  for (const way of ways) {
    code
      .get(LOCAL.target)
      .const(OUTCOME[way])
      .u8(0x46)
      .u8(0x0d)
      .u32(LAND - depthOfExit(way));
  }
  code.get(LOCAL.target).const(OUTCOME.restart).u8(0x46).all([0x04, 0x40]);
  code.get(LOCAL.record).set(LOCAL.target).u8(0x0b);
}

/** After the block `land`: credit := credit - record - 32 is what is left; then the new row's start is added. */
function landCode(code: Code): void {
  code.get(LOCAL.credit).get(LOCAL.record).u8(0x6b).const(RECORD_SIZE).u8(0x6b).set(LOCAL.credit);
  code.get(LOCAL.target).set(LOCAL.record);
  code
    .get(LOCAL.credit)
    .const(0)
    .u8(0x4c)
    .u8(0x0d)
    .u32(NEXT - depthOfExit('budget'));
  code.get(LOCAL.credit).get(LOCAL.record).u8(0x6a).set(LOCAL.credit);
  code.setState(STATE.budget, () => code.get(LOCAL.credit));
  code.br(NEXT, NEXT);
}

/** After each exit's block: what is left, EIP and the reason into the register file. */
function exitCode(code: Code, label: ExitLabel): void {
  const isAfter = label === 'lookup' || label === 'link' || label === 'trap';
  code.setState(STATE.budget, () => {
    code.get(LOCAL.credit);
    if (label === 'budget') return;
    code.get(LOCAL.record).u8(0x6b);
    if (isAfter) code.const(RECORD_SIZE).u8(0x6b);
  });
  if (label !== 'pageFault') code.setState(STATE.record, () => code.get(LOCAL.record));
  if (label !== 'lookup') {
    code.setState(STATE.eip, () => {
      code.field(LOCAL.record, label === 'link' ? RECORD.displacement : RECORD.eip);
      if (label === 'trap') code.field(LOCAL.record, RECORD.length, 0x2d).u8(0x6a);
    });
  }
  if (label === 'pageFault') code.setState(STATE.exitDetail, () => code.const(0));
  const reasons: Partial<Record<ExitLabel, number>> = {
    budget: Exit.budget,
    lookup: Inner.lookup,
    link: Inner.link,
    pageFault: Exit.pageFault,
  };
  const reason = reasons[label];
  if (reason !== undefined) code.setState(STATE.exitReason, () => code.const(reason));
  code.u8(0x0f);
}
