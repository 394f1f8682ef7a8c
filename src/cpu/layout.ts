/** Where the CPU's data lies in the VM's area (memory/vm-layout.ts), in bytes from its start. */
import { VM_CPU, VM_SIZE } from '../memory/vm-layout.ts';

/** Register file of the task that runs. */
export const VM_STATE = VM_CPU;
/** Direct-mapped cache from EIP to record: pairs of u32. */
export const VM_HASH = VM_CPU + 0x1_0000;
export const HASH_ENTRIES = 0x8000;
/** How deep compiled functions have called each other. */
export const VM_DEPTH = VM_CPU + 0x1000;
/** Counts, by low bits of EIP, of how often compiled code went on in the interpreter. */
export const VM_LEAVINGS = VM_CPU + 0x2000;
export const LEAVING_ENTRIES = 0x400;
/** Direct-mapped cache from EIP to compiled code: pairs of u32, the second as in VM_COMPILED. */
export const VM_CODE_HASH = VM_HASH + HASH_ENTRIES * 8;
export const CODE_HASH_ENTRIES = 0x1_0000;
/** Decoded instructions. */
export const VM_RECORDS = VM_CODE_HASH + CODE_HASH_ENTRIES * 8;
export const VM_RECORDS_END = VM_SIZE - 0x60_0000;
/** A word for each record: function and entry of the compiled region that begins there (jit/). */
export const VM_COMPILED = VM_RECORDS_END;
