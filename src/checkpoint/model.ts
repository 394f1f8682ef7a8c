/** Machines that begin as an image (DESIGN section 5): `new Machine({ host, kernel: checkpointed(image) })`. */

import { CPU_MODEL_NAMES } from '../cpu/isa/cpuid.ts';
import type { Policy } from '../fs/image/index.ts';
import { bool, integer, list, maybe, oneOf, record, text } from '../fs/image/shape.ts';
import { Kernel } from '../kernel/kernel.ts';
import type { KernelModel, ModelledMachine } from '../syscall/kernel-model.ts';
import type { FileSystem, TreeOrigin } from '../vfs/inode.ts';
import type { OpenFile } from '../vfs/open-file.ts';
import type { Plain } from '../wait/wait.ts';
import type { Ahead } from './ahead.ts';
import { IMAGE_FORMAT, IMAGE_VERSION, ImageError, type ImageSource, type Manifest } from './image.ts';
import type { Policies } from './outside.ts';
import { guarded, type OpenedImage, openImage, thaw } from './thaw.ts';

export interface ThawOptions {
  /** Opens what lies outside of the image: directories of the host, archives. Throws an ImageError where it cannot. */
  openTree(origin: TreeOrigin, device: number): FileSystem;
  /** What lies on other machines, found before. */
  readonly ahead?: Ahead;
  /** What takes the place of descriptors that were inherited; asked once the machine's terminal is there. */
  files?(machine: ModelledMachine): readonly (OpenFile | null)[];
  /** What becomes of descriptors that lead outside, other than the image says: N, PID:N or `others`, as for `restore --fd`. */
  readonly descriptors?: Policies<Policy | OpenFile>;
  /** Opens a file of the host again, for the policy `reopen`. Throws an ImageError. */
  reopen?(path: string, flags: number): OpenFile;
  /** Something could not be restored as it was; what happens instead. */
  warn?(line: string): void;
}

const MANIFEST = record({
  format: oneOf(IMAGE_FORMAT),
  version: integer(1, Number.MAX_SAFE_INTEGER),
  ...{ writer: text, created: integer(0, Number.MAX_SAFE_INTEGER) },
  cpu: oneOf(...CPU_MODEL_NAMES),
  processes: list(
    record({
      pid: integer(1, 2 ** 22),
      parent: integer(0, 2 ** 22),
      ...{ command: text, threads: integer(0, 2 ** 22), state: text, core: maybe(text) },
    }),
  ),
  trees: list(record({ path: text, type: text, source: text, readOnly: bool })),
});

/** The manifest of an image, with every member looked at. */
export function checkedManifest(source: { readonly manifest: unknown }): Manifest {
  return guarded(() => {
    const { format, version } = (source.manifest ?? {}) as { format?: unknown; version?: unknown };
    if (format !== IMAGE_FORMAT) throw new ImageError("its manifest is not Tallship's");
    if (typeof version === 'number' && version > IMAGE_VERSION) {
      throw new ImageError(`it is of version ${version}, and this Tallship reads versions up to ${IMAGE_VERSION}`);
    }
    const { files } = source.manifest as Manifest;
    return { ...MANIFEST(source.manifest, 'manifest', () => undefined), files };
  });
}

/** Layers of a restored machine get back what they kept; those that it does not have are named. */
function restoreLayers(
  machine: ModelledMachine,
  layers: readonly { name: string; state?: unknown }[],
  warn: (line: string) => void,
): void {
  const gone: string[] = [];
  for (const { name, state } of layers) {
    const found = machine.table.layers.layers.find((layer) => layer.name === name);
    if (found === undefined) gone.push(name);
    else if (state !== undefined) found.image?.load(state as Plain);
  }
  if (gone.length > 0) warn(`the machine goes on without layers that it had: ${gone.join(', ')}`);
}

/** An image that has been read and checked. */
export interface CheckedImage {
  readonly manifest: Manifest;
  readonly image: OpenedImage;
}

export function checkImage(source: ImageSource): CheckedImage {
  const manifest = checkedManifest(source);
  return { manifest, image: openImage(source, manifest) };
}

/** The processes, file systems and everything else of an image, in a new machine. */
export function checkpointed(from: ImageSource | CheckedImage, options: ThawOptions): KernelModel {
  const { manifest, image } = 'image' in from ? from : checkImage(from);
  const { cpu } = manifest;
  return {
    name: 'checkpointed',
    cpu,
    makeKernel: (parts) => new Kernel(parts),
    populate(machine) {
      const { state } = image;
      const files = options.files?.(machine) ?? [];
      const warn = (line: string) => options.warn?.(line);
      machine.adopt({ first: state.first, devices: state.devices });
      thaw(image, {
        ...{ kernel: machine.kernel, pts: machine.pts, console: machine.console, warn },
        openTree: (origin, device) => options.ahead?.tree(device) ?? options.openTree(origin, device),
        found: (fs, names) => options.ahead?.inode(fs, names),
        own(type, device) {
          const fs = type === 'proc' ? machine.proc : type === 'sysfs' ? machine.sys : machine.pts;
          return Object.assign(fs, { device });
        },
        inheritedFile: (fd) => files[fd] ?? null,
        descriptors: options.descriptors,
        reopen: options.reopen,
      });
      restoreLayers(machine, state.layers, warn);
    },
  };
}
