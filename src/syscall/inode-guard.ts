/** Layers that want to be asked at inode operations, as the guard of the machine's name space. */
import { S_IFREG } from '../abi/fs.ts';
import { Task } from '../kernel/task.ts';
import type { PathContext } from '../vfs/fs-context.ts';
import type { Guard } from '../vfs/guard.ts';
import type { Location, Mount } from '../vfs/location.ts';
import type { MountNamespace } from '../vfs/mounts.ts';
import { Walk } from '../vfs/walk.ts';
import { BLOCKED, failed } from '../wait/wait.ts';
import type { InodeHooks, InodeUse, Layer } from './layer.ts';
import { directDeclaration } from './multiplexer.ts';
import type { Declaration } from './syscall.ts';

type Asked = ReturnType<NonNullable<InodeHooks['use']>>;

export class InodeGuard implements Guard {
  readonly #hooks: readonly InodeHooks[];
  readonly #declarations: ReadonlyMap<number, Declaration>;
  readonly #names: readonly string[];

  constructor(hooks: readonly InodeHooks[], declarations: ReadonlyMap<number, Declaration>) {
    this.#hooks = hooks;
    this.#declarations = declarations;
    this.#names = hooks.flatMap(({ names = [] }) => names);
  }

  use(ctx: PathContext, place: Location, name?: string): number {
    const made = this.#useOf(ctx, place, name);
    return made === undefined ? 0 : typeof made === 'number' ? made : this.#ask((hooks) => hooks.use?.(made));
  }

  rename(ctx: PathContext, place: Location, directory: Location, name: string): number {
    const made = this.#useOf(ctx, place);
    const to = pathOf(ctx.namespace, directory, name);
    if (made === undefined || to === undefined) return 0;
    return typeof made === 'number' ? made : this.#ask((hooks) => hooks.rename?.(made, to));
  }

  #ask(hook: (hooks: InodeHooks) => Asked): number {
    for (const hooks of this.#hooks) {
      const answer = hook(hooks);
      if (typeof answer === 'number' && answer !== 0) return answer;
    }
    return 0;
  }

  /** Undefined: nobody's call, or a file without a place in the tree, such as one that our caller passed on. */
  #useOf(ctx: PathContext, place: Location, name?: string): InodeUse | undefined | number {
    if (!(ctx instanceof Task) || ctx.startup !== null) return undefined;
    const called = this.#declarations.get(ctx.call.nr);
    const declaration = called?.multiplexer === undefined ? called : directDeclaration(ctx, called.multiplexer);
    const path = declaration && pathOf(ctx.namespace, place, name);
    if (declaration === undefined || path === undefined) return undefined;
    const others = name === undefined ? this.#otherNames(ctx, place) : [];
    if (typeof others === 'number') return others;
    return { task: ctx, declaration, declarations: this.#declarations, paths: [path, ...others] };
  }

  /** Those of the names asked for that lead to the same file: hard links. */
  #otherNames(ctx: Task, { dentry }: Location): string[] | number {
    const inode = dentry.inode!;
    if (this.#names.length === 0 || inode.type !== S_IFREG) return [];
    const attributes = inode.attributes(ctx);
    if (failed(attributes)) return attributes;
    if (attributes.nlink < 2) return [];
    const same: string[] = [];
    for (const name of this.#names) {
      const at = new Walk(ctx, ctx.namespace.root);
      const walked = at.toParent(name.replace(/^\/+/, '')) || at.finish(true);
      if (walked === BLOCKED) return BLOCKED;
      if (walked < 0) continue;
      const found = at.dentry.inode!;
      const other = found === inode || found.fs !== inode.fs ? undefined : found.attributes(ctx);
      if (other === BLOCKED) return BLOCKED;
      if (found === inode || (other !== undefined && !failed(other) && other.ino === attributes.ino)) same.push(name);
    }
    return same;
  }
}

/** The guard that layers make together; null where none of them asks. */
export function guardOf(layers: readonly Layer[], declarations: ReadonlyMap<number, Declaration>): Guard | null {
  const hooks = layers.flatMap(({ inodes }) => (inodes === undefined ? [] : [inodes]));
  return hooks.length === 0 ? null : new InodeGuard(hooks, declarations);
}

/** From the machine's root, whatever root the task has, and by the machine's own mounts, whatever a guest has bound where. */
function pathOf(namespace: MountNamespace, place: Location, name?: string): string | undefined {
  const { mount, dentry } = place;
  if (!namespace.mounts.includes(mount)) return undefined;
  const seen = { mount: mount.byGuest ? originalOf(namespace, place) : mount, dentry };
  const { text } = namespace.path(seen, namespace.root);
  return name === undefined ? text : `${text === '/' ? '' : text}/${name}`;
}

/** The machine's mount that shows the same dentries as a bind of it. */
function originalOf(namespace: MountNamespace, { mount, dentry }: Location): Mount {
  const shows = (other: Mount) => {
    for (let at: typeof dentry | null = dentry; at !== null; at = at.parent) if (at === other.root) return true;
    return false;
  };
  return namespace.mounts.find((other) => !other.byGuest && other.fs === mount.fs && shows(other)) ?? mount;
}
