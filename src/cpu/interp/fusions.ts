/**
 * Pairs of instructions that one handler runs: it saves the second dispatch, and a condition right after its comparison needs
 * no flags. Chosen by counting what Python, Perl, bash, gzip, sqlite, sort and sha256sum execute: these cover about half.
 * The second record stays what it is, so that a branch to it finds it.
 */
import { emitInsn } from '../emit/evaluate.ts';
import type { RoutineTable, WasmTarget } from '../emit/wasm-emitter.ts';
import type { Handler } from './handlers.ts';
import { formsText } from './handlers.ts';
import { InterpEmitter } from './interp-emitter.ts';
import { buildFusionTable, type FusionTable } from './run-fusion.ts';

/** First instruction, then everything that may follow it. */
const FUSIONS: Record<string, readonly string[]> = {
  'mov r4 m4': [
    ...[
      'mov r4 m4',
      'mov m4 r4',
      'mov r4 r4',
      'mov r4 i4',
      'mov r4 x4',
      'mov m4 i4',
      'add r4 r4',
      'add r4 i4',
      'sub r4 i4',
      'sub r4 r4',
    ],
    ...[
      'test r4 r4',
      'cmp r4 r4',
      'cmp m4 i4',
      'cmp r4 i4',
      'cmp r4 m4',
      'cmp m4 r4',
      'lea r4 x4',
      'lea r4 m4',
      'xor r4 r4',
      'xor r4 m4',
    ],
    ...[
      'and r4 r4',
      'and r4 i4',
      'or r4 r4',
      'shl r4 i1',
      'shr r4 i1',
      'push r4',
      'movzx r4 m1',
      'call j4',
      'ret ',
      'add m4 i4',
    ],
  ],
  'mov m4 r4': [
    ...[
      'mov r4 m4',
      'mov m4 r4',
      'mov r4 r4',
      'mov r4 i4',
      'mov m4 i4',
      'add r4 i4',
      'sub r4 i4',
      'lea r4 m4',
      'test r4 r4',
    ],
    ...['xor r4 r4', 'movzx r4 m1', 'movzx r4 m2', 'jmp j4', 'call j4', 'cmp r4 r4', 'cmp r4 i4'],
  ],
  'mov r4 r4': [
    ...[
      'mov r4 r4',
      'mov r4 m4',
      'mov m4 r4',
      'push r4',
      'pop r4',
      'xor r4 r4',
      'sub r4 i4',
      'add r4 r4',
      'add r4 i4',
      'and r4 i4',
    ],
    ...[
      'and r4 r4',
      'or r4 r4',
      'shr r4 i1',
      'shl r4 i1',
      'rol r4 i1',
      'ror r4 i1',
      'lea r4 m4',
      'call j4',
      'jmp j4',
      'test r4 r4',
    ],
  ],
  'mov r4 x4': ['mov r4 m4', 'mov r4 r4', 'mov m4 r4', 'test r4 r4', 'jmp r4', 'add r4 r4', 'cmp r4 r4'],
  'mov r4 i4': ['mov r4 m4', 'mov m4 r4', 'mov r4 r4', 'test r4 r4', 'push r4', 'call j4', 'jmp j4', 'pop r4'],
  'mov m4 i4': ['mov m4 i4', 'mov r4 m4', 'mov m4 r4', 'jmp j4', 'call j4'],
  'mov m1 i1': ['cmp m4 i4', 'mov r4 m4'],
  'mov m1 r1': ['add r4 i4', 'cmp r4 r4'],
  'push r4': [
    'push r4',
    'push m4',
    'push i4',
    'mov r4 r4',
    'mov r4 m4',
    'sub r4 i4',
    'call j4',
    'call r4',
    'call m4',
    'xor r4 r4',
    'lea r4 m4',
  ],
  'push m4': ['push r4', 'push m4', 'call j4'],
  'push i4': ['push r4', 'push i4', 'push m4', 'call j4'],
  'pop r4': ['pop r4', 'ret ', 'mov r4 r4'],
  'add r4 i4': [
    'add r4 i4',
    'add r4 r4',
    'mov r4 m4',
    'mov m4 r4',
    'mov r4 r4',
    'mov m1 r1',
    'pop r4',
    'push r4',
    'sub r4 i4',
    'cmp r4 r4',
    'cmp r4 i4',
    'test r4 r4',
    'movzx r4 m1',
    'jmp j4',
    'ret ',
  ],
  'add r4 r4': ['add r4 r4', 'mov r4 r4', 'mov r4 m4', 'mov m4 r4', 'add r4 m4', 'cmp r4 r4'],
  'add r4 m4': ['mov r4 m4', 'mov m4 r4', 'add r4 m4'],
  'add r4 x4': ['jmp r4'],
  'sub r4 i4': ['mov r4 m4', 'mov m4 r4', 'mov r4 r4', 'push r4', 'push m4', 'call j4', 'add r4 i4', 'cmp r4 i4', 'j'],
  'sub r4 r4': ['mov r4 m4', 'mov m4 r4', 'sar r4 i1', 'cmp r4 i4', 'j'],
  'and r4 i4': ['movzx r4 x2', 'mov r4 m4', 'mov m4 r4', 'cmp r4 i4', 'or r4 r4', 'j'],
  'and r4 r4': ['or r4 r4', 'xor r4 r4', 'mov r4 r4', 'j'],
  'or r4 r4': ['mov r4 m4', 'mov r4 r4', 'mov m4 r4', 'j'],
  'xor r4 r4': ['mov r4 r4', 'mov r4 m4', 'xor r4 r4', 'add r4 r4', 'shr r4 i1', 'mov m4 r4'],
  'shr r4 i1': ['xor r4 r4', 'and r4 i4', 'mov r4 r4', 'add r4 r4'],
  'shl r4 i1': ['add r4 r4', 'or r4 r4', 'mov r4 r4'],
  'rol r4 i1': ['xor r4 r4', 'rol r4 i1', 'add r4 r4'],
  'ror r4 i1': ['xor r4 r4', 'mov r4 r4', 'add r4 r4'],
  'lea r4 m4': ['mov m4 r4', 'mov r4 m4', 'mov r4 r4', 'push r4', 'sub r4 i4', 'cmp r4 i4', 'lea r4 m4'],
  'lea r4 x4': ['movzx r4 m1', 'movzx r4 m2', 'mov r4 m4', 'mov r4 r4', 'mov m4 r4', 'add r4 r4', 'lea r4 x4'],
  'movzx r4 m1': [
    'test r1 r1',
    'cmp r1 i1',
    'cmp x1 r1',
    'cmp m1 r1',
    'add r4 i4',
    'mov r4 m4',
    'mov m1 r1',
    'movzx r4 m1',
  ],
  'movzx r4 r1': ['mov r4 x4', 'mov r4 m4', 'cmp r4 i4', 'add r4 r4'],
  'movzx r4 x2': ['cmp m4 r4'],
  'movzx r4 m2': ['mov r4 m4', 'cmp r4 i4'],
  'cmp r4 r4': ['j', 'cmov r4 r4'],
  'cmp r4 i4': ['j', 'cmov r4 r4'],
  'cmp m4 i4': ['j'],
  'cmp m4 r4': ['j'],
  'cmp r4 m4': ['j'],
  'cmp r1 i1': ['j'],
  'cmp r1 r1': ['j'],
  'cmp m1 i1': ['j'],
  'cmp m1 r1': ['j'],
  'cmp x1 r1': ['j'],
  'cmp x4 r4': ['j'],
  'test r4 r4': ['j', 'cmov r4 r4', 'set r1'],
  'test r1 r1': ['j', 'set r1'],
  'test r1 i1': ['j'],
  'test r4 i4': ['j'],
  'test m1 i1': ['j'],
  'dec r4': ['j'],
};
/** Overflow and parity are asked for too rarely. */
const RARE_CONDITIONS = new Set(['70', '71', '7A', '7B', '40', '41', '4A', '4B', '90', '91', '9A', '9B']);

function nameOf({ content }: Handler): string | undefined {
  if (content?.mode.operandSize !== 4 || content.mode.addressSize !== 4 || content.mode.repeat) return undefined;
  const opcode = content.insn.rows[0].split(' ').find((word) => word !== '0F')!;
  if (RARE_CONDITIONS.has(opcode)) return undefined;
  return content.insn.name === 'j' ? 'j' : `${content.insn.name} ${formsText(content.operands)}`;
}

/** A handler for each fused pair; its key is the keys of the two. */
export function fusedHandlers(handlers: readonly Handler[], target: WasmTarget, routines: RoutineTable): Handler[] {
  const byName = new Map<string, Handler[]>();
  for (const handler of handlers) {
    const name = nameOf(handler);
    if (name !== undefined) byName.set(name, [...(byName.get(name) ?? []), handler]);
  }
  const fused: Handler[] = [];
  for (const [firstName, seconds] of Object.entries(FUSIONS)) {
    for (const first of byName.get(firstName) ?? []) {
      for (const second of seconds.flatMap((name) => byName.get(name) ?? []))
        fused.push(fuse(first, second, target, routines));
    }
  }
  return fused;
}

function fuse(first: Handler, second: Handler, target: WasmTarget, routines: RoutineTable): Handler {
  const one = first.content!;
  const two = second.content!;
  return {
    key: `${first.key}+${second.key}`,
    isFrequent: true,
    emit() {
      const e = new InterpEmitter(target, routines, one.mode, one.operands);
      emitInsn(e, one.insn, one.operands);
      e.modified = undefined;
      e.advance(two.mode, two.operands);
      emitInsn(e, two.insn, two.operands);
      e.next();
      return e;
    },
  };
}

/** For pairs of handler indices the index of their fused handler. */
export function fusionTable(keys: ReadonlyMap<string, number>): FusionTable {
  const pairs: [number, number, number][] = [];
  for (const [key, index] of keys) {
    const [first, second] = key.split('+');
    if (second !== undefined) pairs.push([keys.get(first)!, keys.get(second)!, index]);
  }
  return buildFusionTable(Math.max(...keys.values()) + 1, pairs);
}
