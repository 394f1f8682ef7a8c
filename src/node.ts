/** What a Machine needs on Node.js: `import { nodeHost } from 'tallship/node'`. */
import { HostFs, type HostFsOptions } from './fs/host.ts';
import { HostFiles } from './host/files.ts';
import { NodeHost } from './host/node.ts';
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

export { NodeHost };
