/**
 * Descriptors that lead outside of the machine: what an image says of them, and what takes their place in a restored one.
 * They are named as their users know them: N is the caller's descriptor, PID:N one of a process, `others` the rest.
 */
import { O_ACCMODE, O_RDONLY, SEEK_CUR, SEEK_SET } from '../abi/fs.ts';
import type { NodeImage, Policy } from '../fs/image/index.ts';
import { InheritedFile } from '../fs/inherited.ts';
import { LostFile } from '../fs/lost.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { OpenFile } from '../vfs/open-file.ts';
import { ImageError } from './image.ts';
import type { FreezeWriter } from './world.ts';

export const OTHERS = 'others';

/** A policy, or for a restored machine what takes the place. */
export type Policies<T = Policy> = Readonly<Record<string, T>>;

/** Paths can be opened again; what /proc/self/fd shows of pipes and sockets is none. */
const isPath = (name: string) => name.startsWith('/') && !name.endsWith(' (deleted)');

/** The file of a descriptor that a policy is for. */
export function fileOf(kernel: Kernel, key: string): OpenFile | undefined {
  const [pid, fd] = key.split(':').map(Number);
  const [task] = kernel.groups.get(pid)?.tasks ?? [];
  return task?.files.get(fd);
}

/** What was asked for a file: by its own name before the caller's number, and that before the rest. */
export function policyOf<T>(file: OpenFile, policies: Policies<T>, own: ReadonlyMap<OpenFile, T>): T | undefined {
  return own.get(file) ?? (file.inherited >= 0 ? policies[file.inherited] : undefined) ?? policies[OTHERS];
}

/** Policies for single descriptors of processes, by their files. */
export function ownPolicies<T>(kernel: Kernel, policies: Policies<T>): Map<OpenFile, T> {
  const own = new Map<OpenFile, T>();
  for (const [key, policy] of Object.entries(policies)) {
    if (!key.includes(':')) continue;
    const file = fileOf(kernel, key);
    if (file === undefined) throw new ImageError(`there is no descriptor ${key}`);
    if (file.outside === null) throw new ImageError(`descriptor ${key} (${file.describe()}) leads nowhere outside`);
    own.set(file, policy);
  }
  return own;
}

/** Why an image cannot be made with this policy, if so. */
export function objection(file: OpenFile, policy: Policy | undefined): string | undefined {
  const name = file.outside;
  if (policy === 'fail') return `${name} must not be lost`;
  return policy === 'reopen' && !isPath(name!) ? `${name} cannot be opened again` : undefined;
}

/** Enters the policies into what was saved of the files that lead outside. */
export function enterPolicies(kernel: Kernel, writer: FreezeWriter, policies: Policies): void {
  const own = ownPolicies(kernel, policies);
  for (const file of writer.objects) {
    if (!(file instanceof OpenFile) || file.outside === null) continue;
    const policy = policyOf(file, policies, own);
    const reason = objection(file, policy);
    if (reason !== undefined) throw new ImageError(reason);
    if (policy !== undefined) writer.nodes[writer.id(file)].policy = policy;
  }
}

export interface OutsideWorld {
  readonly kernel: Kernel;
  /** What the restoring side has for a descriptor of the caller's. */
  inheritedFile(fd: number): OpenFile | null;
  /** Opens a file of the host by its path; throws an ImageError where that is not possible or not allowed. */
  reopen?(path: string, flags: number): OpenFile;
  readonly descriptors?: Policies<Policy | OpenFile>;
  warn(line: string): void;
}

/** Kinds whose place another file can take: nothing else refers to what they are. */
const REPLACEABLE = ['inherited', 'terminal', 'regular', 'directory', 'device', 'lost'];

/** What takes the place of the files of an image in a restored machine. */
export class Substitutes {
  readonly #world: OutsideWorld;
  readonly #own: ReadonlyMap<number, Policy | OpenFile>;

  /** @param fileIdOf the object that PID:N was, if there is one. */
  constructor(world: OutsideWorld, fileIdOf: (pid: number, fd: number) => number | undefined) {
    this.#world = world;
    const own = new Map<number, Policy | OpenFile>();
    for (const [key, asked] of Object.entries(world.descriptors ?? {})) {
      if (!key.includes(':')) continue;
      const [pid, fd] = key.split(':').map(Number);
      const id = fileIdOf(pid, fd);
      if (id === undefined) throw new ImageError(`it has no descriptor ${key}`);
      own.set(id, asked);
    }
    this.#own = own;
  }

  /** null: the file is made as its kind is. */
  of(node: NodeImage, id: number): OpenFile | null {
    const fd = node.file?.inherited ?? -1;
    const own = this.#own.get(id);
    if (own !== undefined && !REPLACEABLE.includes(node.kind)) {
      throw new ImageError(`another file cannot take the place of a ${node.kind}`);
    }
    if (own === undefined && fd < 0 && node.policy === undefined) return null;
    const { descriptors = {} } = this.#world;
    const asked = own ?? descriptors[fd] ?? descriptors[OTHERS] ?? node.policy ?? 'caller';
    return typeof asked === 'string' ? this.#byPolicy(asked, node, fd) : asked;
  }

  #byPolicy(policy: Policy, node: NodeImage, fd: number): OpenFile | null {
    const { kernel } = this.#world;
    const { flags } = node.file!;
    const name = String(node.fields.name ?? node.kind);
    switch (policy) {
      case 'caller':
        return goOnReading(this.#world.inheritedFile(fd), node);
      case 'reopen':
        return this.#reopened(name, node);
      case 'eof':
      case 'error':
        return new LostFile(kernel.anonymous.anonInode, flags, name, policy);
      case 'fail':
        throw new ImageError(`descriptor ${fd} was ${name}, and must not be lost: give it one by --fd ${fd}=...`);
    }
  }

  #reopened(name: string, { file, fields }: NodeImage): OpenFile {
    const { reopen, warn } = this.#world;
    if (!isPath(name)) throw new ImageError(`${name} cannot be opened again`);
    if (reopen === undefined) throw new ImageError(`${name} is not opened again here`);
    const opened = reopen(name, file!.flags);
    const { position = 0 } = fields as { position?: number };
    if (opened instanceof InheritedFile && position !== 0) {
      if (sizeOf(opened) < position) warn(`${name} is shorter than it was`);
      opened.seek(NOBODY, position, SEEK_SET);
    }
    return opened;
  }
}

/** Files of the host do not sleep. */
const NOBODY = null as never;

/** Input from a file that was started anew is read from where it was; another file from its start. */
function goOnReading(file: OpenFile | null, { fields }: NodeImage): OpenFile | null {
  const { position = 0, name } = fields as { position?: number; name?: string };
  if (!(file instanceof InheritedFile) || position === 0 || (file.flags & O_ACCMODE) !== O_RDONLY) return file;
  const isSame = baseOf(file.describe()) === baseOf(name ?? '') && sizeOf(file) >= position;
  if (isSame && file.seek(NOBODY, 0, SEEK_CUR) === 0) file.seek(NOBODY, position, SEEK_SET);
  return file;
}

function sizeOf(file: OpenFile): number {
  const attributes = file.inode.attributes(NOBODY);
  return typeof attributes === 'number' ? 0 : attributes.size;
}

const baseOf = (path: string) => path.slice(path.lastIndexOf('/') + 1);
