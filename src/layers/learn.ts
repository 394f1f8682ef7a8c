/** The policy layer's learning mode: writes the policy that a program needs, by what it did. */
import { type InodeUse, type Layer, type LayeredCall, layer } from '../syscall/layer.ts';
import type { Plain } from '../wait/wait.ts';
import { items, members } from './kept.ts';
import type { Outside } from './outside.ts';
import { peerAddress } from './peer-address.ts';
import { type Policy, type PolicyRule, targetsOf } from './policy.ts';

/** More than this in one directory: the directory itself is allowed. */
const MANY = 8;

export function learn(outside: Outside, file: string): Layer {
  const paths = new Map<string, Set<string>>();
  const addresses = new Map<string, Set<string>>();
  const plain = new Set<string>();
  const every = {
    enter(call: LayeredCall) {
      const address = peerAddress(call);
      const takesPath = call.declaration.args.some(({ role }) => role === 'path');
      if (address !== null) add(addresses, call.callName, address);
      else if (takesPath) for (const path of targetsOf(call)) add(paths, call.callName, path);
      else plain.add(call.callName);
    },
  };
  // Interpreters, and where links lead.
  const use = ({ declaration, paths: [path] }: InodeUse) => add(paths, declaration.name, path);
  const finish = () => outside.writeText(file, `${JSON.stringify(learned(paths, addresses, plain), null, 2)}\n`);
  const image = {
    save: () => ({ paths: saved(paths), addresses: saved(addresses), plain: [...plain] }),
    load(state: Plain) {
      load(paths, members(state).paths);
      load(addresses, members(state).addresses);
      for (const name of items(members(state).plain)) plain.add(String(name));
    },
  };
  return layer('learn', {}, { every, inodes: { use }, finish, image, resolves: true });
}

function add(map: Map<string, Set<string>>, name: string, value: string): void {
  const values = map.get(name) ?? new Set();
  values.add(value);
  map.set(name, values);
}

function saved(map: ReadonlyMap<string, ReadonlySet<string>>): Plain {
  return [...map].map(([name, values]) => [name, [...values]]);
}

function load(map: Map<string, Set<string>>, state: Plain | undefined): void {
  for (const item of items(state)) {
    const [name, values] = items(item);
    for (const value of items(values)) add(map, String(name), String(value));
  }
}

function learned(paths: Map<string, Set<string>>, addresses: Map<string, Set<string>>, plain: Set<string>): Policy {
  const rules: PolicyRule[] = [];
  if (plain.size > 0) rules.push({ calls: [...plain].sort().join(','), action: 'allow' });
  for (const [calls, values] of [...paths].sort()) rules.push({ calls, path: gathered(values), action: 'allow' });
  for (const [calls, values] of [...addresses].sort())
    rules.push({ calls, address: [...values].sort(), action: 'allow' });
  return { default: 'deny', rules };
}

function gathered(paths: ReadonlySet<string>): string[] {
  const byDirectory = new Map<string, string[]>();
  for (const path of paths) {
    const directory = path.slice(0, path.lastIndexOf('/'));
    byDirectory.set(directory, [...(byDirectory.get(directory) ?? []), path]);
  }
  return [...byDirectory]
    .flatMap(([directory, names]) => (names.length > MANY && directory !== '' ? [directory] : names))
    .sort();
}
