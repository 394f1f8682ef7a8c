/** The line at exit about changes that live in memory only. */
import type { Machine } from '../machine.ts';
import type { MachineBuilder } from './build-machine.ts';

const SHOWN = 3;

/** How a machine's trees were made. */
export type Trees = Pick<MachineBuilder, 'machine' | 'overlays' | 'keeping'>;

/** What was changed in copy-on-write trees, and how to keep it the next time; nothing when there is nothing to say. */
export function droppedChanges({ machine, overlays, keeping }: Trees): string | undefined {
  const ctx = machine.context();
  const places = mountPoints(machine);
  const kept = [...overlays].flatMap(([guest, fs]) => {
    const changes = fs.changes(ctx);
    const all = typeof changes === 'number' ? [] : changes;
    const base = guest === '/' ? '' : guest;
    return all.map(({ path }) => ({ guest, path: `${base}/${path}` })).filter(({ path }) => !places.has(path));
  });
  if (kept.length === 0) return undefined;
  const names = kept.slice(0, SHOWN).map(({ path }) => path);
  const more = kept.length > SHOWN ? ', ...' : '';
  const trees = [...new Set(kept.map(({ guest }) => guest))];
  const keep = trees.flatMap((guest) => keeping.get(guest) ?? []).join(' ');
  const files = kept.length === 1 ? 'changed file is' : 'changed files are';
  return `${kept.length} ${files} dropped (${names.join(', ')}${more})${keep === '' ? '' : `; ${keep} keeps them`}`;
}

/** Directories that were made to mount something on them are not the guest's doing. */
function mountPoints(machine: Machine): Set<string> {
  const points = new Set<string>();
  const { namespace } = machine;
  for (const mount of namespace.mounts) {
    const { text } = namespace.path({ mount, dentry: mount.root }, namespace.root);
    for (let path = text; path.length > 1; path = path.slice(0, path.lastIndexOf('/'))) points.add(path);
  }
  return points;
}
