/**
 * The ways into compiled code (jit/). A compiled function takes a word (its place in the table, and the number of one of its
 * entries) and answers the EIP at which execution goes on; or 0, with STATE.exitReason, EIP and the rest set.
 *
 * While compiled code runs, STATE.budget is 32 times what is left of the slice, as it is for whoever reads it afterwards.
 */
import type { WasmTarget } from '../emit/wasm-emitter.ts';
import type { FunctionCode } from '../emit/wasm-writer.ts';
import { Inner } from '../inner.ts';
import {
  CODE_HASH_ENTRIES,
  HASH_ENTRIES,
  LEAVING_ENTRIES,
  VM_CODE_HASH,
  VM_DEPTH,
  VM_HASH,
  VM_LEAVINGS,
} from '../layout.ts';
import { STATE } from '../state.ts';
import { Code } from './code.ts';

/** A region's word: function in the upper bits, entry in the lower ones. */
export const ENTRY_BITS = 12;
/** A handler in a function of its own: record to outcome; compiled code: word to answer. */
export const HANDLER_TYPE = { parameters: ['i32'], results: ['i32'] } as const;
const HANDLER_TYPE_INDEX = 1;

/** Calls of compiled functions inside each other: what is deeper starts over, with the host's stack free. */
const MAX_DEPTH = 100;

/** Times that compiled code goes on at the same place in the interpreter before the compiler is asked about it. */
const MANY = 300;

/** In the order of compiledFunctions. */
export const RUN_COMPILED = 0;

/** Locals: the parameter, and two more. */
const ARGUMENT = 0;
const ENTRY = 1;
const DEPTH = 2;
const IF = [0x04, 0x40] as const;
const END = 0x0b;
const RETURN = 0x0f;

/** The entry of a hash table for the EIP in ARGUMENT, into ENTRY; is it that EIP's? */
function probe(code: Code, { vmIndex }: WasmTarget, table: number, entries: number): void {
  code
    .get(ARGUMENT)
    .const(entries - 1)
    .u8(0x71)
    .const(3)
    .u8(0x74)
    .const(vmIndex)
    .u8(0x6a);
  code.u8(0x22).u32(ENTRY).vmLoad(table).get(ARGUMENT).u8(0x46);
}

/** Calls what ENTRY says, or goes there. */
function invoke(code: Code, opcode: 0x11 | 0x13): void {
  code.get(ENTRY).vmLoad(VM_CODE_HASH + 4);
  code
    .get(ENTRY)
    .vmLoad(VM_CODE_HASH + 4)
    .const(ENTRY_BITS)
    .u8(0x76);
  code.u8(opcode).u32(HANDLER_TYPE_INDEX).u8(0);
}

/** Returns the EIP unless it is compiled and the slice is not over. */
function requireCode(code: Code, target: WasmTarget): void {
  probe(code, target, VM_CODE_HASH, CODE_HASH_ENTRIES);
  code.u8(0x45).all(IF).get(ARGUMENT).u8(RETURN).u8(END);
  code.state(STATE.budget).const(0).u8(0x4c).all(IF).get(ARGUMENT).u8(RETURN).u8(END);
}

function depthStore(code: Code, { vmIndex, vmOffset }: WasmTarget, value: () => void): void {
  code.const(vmIndex);
  value();
  code
    .u8(0x36)
    .u8(0)
    .u32(vmOffset + VM_DEPTH);
}

/** A guest's call: EIP to answer. */
function enterCode(target: WasmTarget): Code {
  const code = new Code(target);
  requireCode(code, target);
  code.const(target.vmIndex).vmLoad(VM_DEPTH).u8(0x22).u32(DEPTH).const(MAX_DEPTH).u8(0x4e);
  code.all(IF).get(ARGUMENT).u8(RETURN).u8(END);
  depthStore(code, target, () => code.get(DEPTH).const(1).u8(0x6a));
  invoke(code, 0x11);
  depthStore(code, target, () => code.get(DEPTH));
  return code;
}

/** A guest's jump: in the place of whoever jumps. */
function jumpToCode(target: WasmTarget): Code {
  const code = new Code(target);
  requireCode(code, target);
  invoke(code, 0x13);
  return code;
}

/** From the interpreter: word to the record at which it goes on, or 0. */
function runCompiled(target: WasmTarget): Code {
  const code = new Code(target);
  const stop = (reason: number): void => {
    code.setState(STATE.eip, () => code.get(ARGUMENT));
    code.setState(STATE.exitReason, () => code.const(reason));
    code.const(0).u8(RETURN);
  };
  code.setState(STATE.exitReason, () => code.const(Inner.compiled));
  code.setState(STATE.record, () => code.const(0));
  depthStore(code, target, () => code.const(0));
  code.get(ARGUMENT).get(ARGUMENT).const(ENTRY_BITS).u8(0x76);
  code.u8(0x11).u32(HANDLER_TYPE_INDEX).u8(0).set(ARGUMENT);
  code.all([0x03, 0x40]);
  code.get(ARGUMENT).u8(0x45).all(IF);
  code.state(STATE.exitReason).const(Inner.compiled).u8(0x47).all(IF).const(0).u8(RETURN).u8(END).u8(END);
  code.state(STATE.budget).const(0).u8(0x4c).all(IF);
  stop(Inner.compiledBudget);
  code.u8(END);
  probe(code, target, VM_CODE_HASH, CODE_HASH_ENTRIES);
  code.all(IF);
  invoke(code, 0x11);
  code.set(ARGUMENT).u8(0x0c).u32(1).u8(END).u8(END);
  probe(code, target, VM_HASH, HASH_ENTRIES);
  code.u8(0x45).all(IF);
  stop(Inner.lookup);
  code.u8(END);
  // ENTRY is still needed: the count's address is computed twice.
  const counter = (): void => {
    code
      .get(ARGUMENT)
      .const(LEAVING_ENTRIES - 1)
      .u8(0x71)
      .const(2)
      .u8(0x74)
      .const(target.vmIndex)
      .u8(0x6a);
  };
  const store = (value: () => void): void => {
    counter();
    value();
    code
      .u8(0x36)
      .u8(0)
      .u32(target.vmOffset + VM_LEAVINGS);
  };
  counter();
  code.vmLoad(VM_LEAVINGS).const(1).u8(0x6a).u8(0x22).u32(DEPTH).const(MANY).u8(0x4a).all(IF);
  store(() => code.const(0));
  stop(Inner.left);
  code.u8(END);
  store(() => code.get(DEPTH));
  code.get(ENTRY).vmLoad(VM_HASH + 4);
  return code;
}

const LOCALS = ['i32', 'i32'] as const;

export function compiledFunctions(target: WasmTarget): FunctionCode[] {
  const made = (code: Code, listed?: string): FunctionCode => ({
    type: HANDLER_TYPE,
    locals: LOCALS,
    code: code.bytes(),
    listed,
  });
  return [made(runCompiled(target)), made(enterCode(target), 'enterCode'), made(jumpToCode(target), 'jumpToCode')];
}
