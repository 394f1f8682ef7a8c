/** What an image holds, for people and scripts: read and checked as a restore does, and nothing of it made. */
import type { NodeImage } from '../fs/image/index.ts';
import { PAGE_SIZE } from '../memory/page.ts';
import type { Manifest } from './image.ts';
import type { CheckedImage } from './model.ts';
import { guarded, type OpenedImage } from './thaw.ts';

export interface ProcessView {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
  readonly state: string;
  readonly threads: number;
  /** Bytes of memory in the image. */
  readonly saved: number;
  readonly descriptors: readonly DescriptorView[];
  readonly mappings: readonly MappingView[];
}

export interface DescriptorView {
  readonly fd: number;
  /** regular, pipe, socket ... */
  readonly kind: string;
  /** A path, or what the kind tells. */
  readonly name: string;
  /** F_GETFL. */
  readonly flags: number;
  readonly position: number;
  readonly cloexec: boolean;
}

export interface MappingView {
  readonly start: number;
  readonly end: number;
  /** As in /proc/PID/maps: rwxp. */
  readonly access: string;
  readonly offset: number;
  readonly name: string;
}

export interface ImageView {
  readonly manifest: Manifest;
  readonly processes: readonly ProcessView[];
}

type Fields = Readonly<Record<string, unknown>>;

export function inspect({ manifest, image }: CheckedImage): ImageView {
  return guarded(() => {
    const inspector = new Inspector(image);
    return { manifest, processes: manifest.processes.map((one) => ({ ...one, ...inspector.process(one.pid) })) };
  });
}

class Inspector {
  readonly #image: OpenedImage;

  constructor(image: OpenedImage) {
    this.#image = image;
  }

  process(pid: number): Pick<ProcessView, 'saved' | 'descriptors' | 'mappings'> {
    const group = this.#image.state.groups.map((id) => this.#fields(id)).find(({ id }) => id === pid);
    const leader = this.#fields(group?.leader);
    const segments = this.#image.cores.get(pid)?.core.segments ?? [];
    return {
      saved: segments.reduce((sum, { start, end }) => sum + end - start, 0),
      descriptors: this.#descriptors(leader.files),
      mappings: leader.mm === -1 ? [] : this.#mappings(leader.mm),
    };
  }

  #node(id: unknown): NodeImage {
    const node = this.#image.nodes[id as number];
    if (node === undefined) throw new Error(`there is no object ${id}`);
    return node;
  }

  #fields(id: unknown): Fields {
    return this.#node(id).fields;
  }

  #descriptors(table: unknown): DescriptorView[] {
    const files = this.#fields(table).files as { fd: number; file: number; cloexec: boolean }[];
    return files.map(({ fd, file, cloexec }) => {
      const { kind, file: state, place, fields } = this.#node(file);
      const at = fields.at ?? place;
      const name = Array.isArray(at) ? this.#path(at[0], at[1]) : String(fields.name ?? '');
      const flags = (state?.flags ?? fields.flags ?? 0) as number;
      return { fd, kind, name, flags, position: state?.position ?? 0, cloexec };
    });
  }

  #mappings(memory: unknown): MappingView[] {
    const { vmas } = this.#fields(memory);
    return (vmas as (MappingView & { prot: number; shared: boolean; object: number })[]).map((vma) => {
      const { start, end, offset, prot, shared, object } = vma;
      const file = object === -1 ? null : (this.#fields(object).file as { path: string } | null);
      return { start, end, offset, access: accessOf(prot, shared), name: file?.path ?? '' };
    });
  }

  /** Up to the root of its mount, and on from where that is mounted. */
  #path(mount: unknown, dentry: unknown): string {
    const names: string[] = [];
    let [at, name] = [mount, dentry] as [number, number];
    for (let steps = 0; steps < 4096; steps++) {
      const { root, parent, mountpoint } = this.#fields(at) as Record<string, number>;
      if (name === root) {
        if (parent === -1 || mountpoint === -1) return `/${names.reverse().join('/')}`;
        [at, name] = [parent, mountpoint];
        continue;
      }
      const fields = this.#fields(name);
      if (fields.parent === -1) return names.length === 0 ? String(fields.name) : `/${names.reverse().join('/')}`;
      names.push(`${fields.name}${fields.deleted === true && names.length === 0 ? ' (deleted)' : ''}`);
      name = fields.parent as number;
    }
    throw new Error('a name has no end');
  }
}

function accessOf(prot: number, shared: boolean): string {
  return `${prot & 1 ? 'r' : '-'}${prot & 2 ? 'w' : '-'}${prot & 4 ? 'x' : '-'}${shared ? 's' : 'p'}`;
}

export interface PagesDiff {
  readonly pid: number;
  /** Pages in the image of the one, the other, and in both with other contents. */
  readonly removed: number;
  readonly added: number;
  readonly changed: number;
}

/** What differs in the memory of processes that are in both. */
export function diffPages(
  { image: { cores: old } }: CheckedImage,
  { image: { cores: now } }: CheckedImage,
): PagesDiff[] {
  return [...now.keys()]
    .filter((pid) => old.has(pid))
    .map((pid) => ({ pid, ...diffCores(old.get(pid)!, now.get(pid)!) }));
}

type OpenCore = OpenedImage['cores'] extends ReadonlyMap<number, infer C> ? C : never;

function diffCores(old: OpenCore, now: OpenCore): Omit<PagesDiff, 'pid'> {
  const [a, b] = [new Uint8Array(PAGE_SIZE), new Uint8Array(PAGE_SIZE)];
  const before = pagesOf(old);
  let [added, changed] = [0, 0];
  for (const [address, offset] of pagesOf(now)) {
    const was = before.get(address);
    before.delete(address);
    if (was === undefined) {
      added++;
      continue;
    }
    old.input.read(was, a);
    now.input.read(offset, b);
    if (a.some((byte, i) => byte !== b[i])) changed++;
  }
  return { removed: before.size, added, changed };
}

function pagesOf({ core }: OpenCore): Map<number, number> {
  const pages = new Map<number, number>();
  for (const { start, end, offset } of core.segments) {
    for (let at = start; at < end; at += PAGE_SIZE) pages.set(at, offset + at - start);
  }
  return pages;
}
