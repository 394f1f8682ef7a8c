/** What a Machine needs on Node.js: `import { nodeHost } from 'tallship/node'`. */
import { fstatSync, openSync, readSync } from 'node:fs';
import { ImageError, type ImageSource } from './checkpoint/image.ts';
import { checkpointed, type ThawOptions } from './checkpoint/model.ts';
import { HostFs, type HostFsOptions } from './fs/host.ts';
import { TarFs } from './fs/tar.ts';
import { HostFiles } from './host/files.ts';
import { DirectorySource } from './host/image-files.ts';
import { NodeHost } from './host/node.ts';
import { Machine, type MachineOptions } from './machine.ts';
import { prepareCpu } from './node-cpu.ts';

/** Time, chance and the event loop of Node.js, with V8 set up for the interpreter. For `new Machine({ host })`. */
export function nodeHost(log?: (line: string) => void): NodeHost {
  prepareCpu();
  return new NodeHost(log);
}

/**
 * A directory of the host as a file system, for Machine.mount(): read-only unless told. Throws where it cannot be opened.
 * @param device a number that no other file system of the machine has: machine.nextDevice()
 */
export function hostDirectory(path: string, device: number, options: Partial<HostFsOptions> = {}): HostFs {
  const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  const fs = HostFs.open({ files: new HostFiles(), path, device, readOnly: true, ...owner, ...options });
  if (typeof fs === 'number') throw new Error(`${path} cannot be opened (errno ${-fs})`);
  return fs;
}

export interface RestoreOptions extends Partial<MachineOptions>, Pick<ThawOptions, 'files' | 'warn'> {
  /** Where directories and archives are now, by where they were when the image was made. */
  readonly trees?: Readonly<Record<string, string>>;
  /** Opens them in another way. */
  readonly openTree?: ThawOptions['openTree'];
}

/** A machine that goes on where its image was made: `(await restore('image')).run()`. Throws an ImageError. */
export async function restore(from: string | ImageSource, options: RestoreOptions = {}): Promise<Machine> {
  const { trees = {}, openTree, files, warn, ...rest } = options;
  const source = typeof from === 'string' ? new DirectorySource(from) : from;
  try {
    return new Machine({
      host: nodeHost(),
      ...rest,
      kernel: checkpointed(source, { openTree: openTree ?? openTreeOfHost(trees, source.isOwn), files, warn }),
    });
  } finally {
    source.close();
  }
}

/** Directories are opened where they were, or where `trees` says that they are. */
export function openTreeOfHost(trees: Readonly<Record<string, string>>, isOwn = false): ThawOptions['openTree'] {
  const files = new HostFiles();
  const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  return ({ kind, source, readOnly }, device) => {
    if (!isOwn && trees[source] === undefined) {
      throw new ImageError(`it was made elsewhere and wants ${source}: say where that is here (--map ${source}=DIR)`);
    }
    const path = trees[source] ?? source;
    if (kind === 'tar') return openArchive(path, device);
    if (kind !== 'host') throw new ImageError(`${source} is a tree of an unknown kind (${kind})`);
    const fs = HostFs.open({ files, path, device, readOnly, ...owner });
    if (typeof fs === 'number') throw new ImageError(`${path} cannot be opened (errno ${-fs})`);
    return fs;
  };
}

function openArchive(path: string, device: number): TarFs {
  try {
    const fd = openSync(path, 'r');
    const { size } = fstatSync(fd);
    return new TarFs({ size, read: (at, into) => readSync(fd, into, 0, into.length, at) }, device, { path });
  } catch (error) {
    throw new ImageError(`${path} cannot be opened: ${(error as Error).message}`);
  }
}

export { NodeHost };
