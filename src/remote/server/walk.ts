/** A walk in one go: what path_resolution(7) would ask for, name by name, as far as it stays in the exported tree. */
import { ENFILE, ENOENT } from '../../abi/errno.ts';
import { MAXSYMLINKS, S_IFDIR } from '../../abi/fs.ts';
import { NAME_MAX, pathLength } from '../../abi/path.ts';
import { failed, type Sleeper } from '../../wait/wait.ts';
import type { Step } from '../operations.ts';
import { HIDDEN } from './hidden.ts';
import type { Node } from './nodes.ts';
import { stepOf } from './perform.ts';
import type { Session } from './session.ts';

const LONGEST_WALK = 256;

export function walkFrom(session: Session, s: Sleeper, start: Node, path: string, contents: number): Step[] {
  const steps: Step[] = [];
  let at = start;
  let links = 0;
  const names = split(path);
  while (names.length > 0 && steps.length < LONGEST_WALK) {
    const name = names.shift()!;
    if (name === '..') {
      if (at.parent === null) return steps;
      at = at.parent;
      continue;
    }
    if (pathLength(name) > NAME_MAX || name.includes('\0')) return steps;
    const inode = name === HIDDEN ? -ENOENT : at.inode.lookup(s, name);
    if (inode === -ENOENT) steps.push({ parent: at.id, name, found: null, target: null, contents: null });
    if (failed(inode)) return steps;
    const step = stepOf(session, s, at, name, inode, names.length === 0 ? contents : -1);
    if (step === null) return steps;
    steps.push(step);
    if (step.target !== null) {
      if (++links > MAXSYMLINKS) return steps;
      // A link in the last place may be what is meant: where it leads is told all the same.
      names.unshift(...split(step.target));
      if (step.target.startsWith('/')) at = session.rootOf(at);
      continue;
    }
    const child = session.nodes.get(step.found!.node)!;
    if (child.inode.type !== S_IFDIR) return steps;
    at = child;
  }
  return steps;
}

/** The node at a path of plain names, told to the client; symlinks are not followed. */
export function descend(session: Session, s: Sleeper, start: Node, path: string): Node | number {
  let at = start;
  for (const name of split(path)) {
    if (name === '..' || pathLength(name) > NAME_MAX || name.includes('\0') || name === HIDDEN) return -ENOENT;
    const inode = at.inode.lookup(s, name);
    if (failed(inode)) return inode;
    if (session.nodes.full) return -ENFILE;
    at = session.nodes.tell(inode, at.root, at, name);
  }
  return at;
}

function split(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}
