/** What a loaded layer says, checked before it is installed: a hook or a scope that means nothing would do nothing. */

import { DECLARATIONS } from '../../syscalls/index.ts';
import type { Calls } from '../layers/inject.ts';
import { compileSelection } from '../syscall/classes.ts';
import type { Layer } from '../syscall/layer.ts';
import { byName } from '../syscall/multiplexer.ts';
import { SCOPE_KEYS } from '../syscall/scope.ts';
import { nearest } from './suggest.ts';

/** System calls that are there without layers. */
export const knownCalls: Calls = byName(DECLARATIONS);

/** Throws for a hook of a call that neither is known nor defined by one of these layers, and for a scope that says nothing. */
export function checkLayers(layers: readonly Layer[], calls = knownCalls): void {
  const known = new Set(calls.keys());
  for (const { defines = [] } of layers) for (const { name } of defines) known.add(name);
  for (const { name, calls, scope } of layers) {
    for (const call of Object.keys(calls)) {
      if (!known.has(call)) throw new Error(`layer ${name}: there is no system call ${call}${meant(call, [...known])}`);
    }
    for (const one of scope === undefined ? [] : [scope].flat()) {
      for (const key of Object.keys(one)) {
        if (SCOPE_KEYS.includes(key)) continue;
        const hint = meant(key, SCOPE_KEYS) || `; there are ${SCOPE_KEYS.join(', ')}`;
        throw new Error(`layer ${name}: its scope says ${key}, which is nothing${hint}`);
      }
      if (one.calls !== undefined) compileSelection(one.calls, known);
    }
  }
}

function meant(word: string, candidates: readonly string[]): string {
  const found = nearest(word, candidates);
  return found === undefined ? '' : `: did you mean ${found}?`;
}
