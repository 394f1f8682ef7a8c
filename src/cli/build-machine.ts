/** A machine with the file systems that were granted (DESIGN section 8). */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { makeDevice } from '../abi/fs.ts';
import { HostFs } from '../fs/host.ts';
import { MemFs } from '../fs/memfs.ts';
import { HostFiles } from '../host/files.ts';
import { NodeHost } from '../host/node.ts';
import { Machine } from '../machine.ts';
import { prepareCpu } from '../node-cpu.ts';
import type { FileSystem } from '../vfs/inode.ts';
import type { RunValues } from './commands.ts';
import { CliError, EXIT } from './error.ts';
import type { Grant } from './grants.ts';
import type { Stdio } from './stdio.ts';

/** Devices of the file systems made here; those that the machine makes start at 1. */
const FIRST_DEVICE = 0x40;

export class MachineBuilder {
  readonly machine: Machine;
  readonly #files = new HostFiles();
  readonly #host = new NodeHost();
  readonly #owner: { uid: number; gid: number };
  #devices = FIRST_DEVICE;

  constructor(values: RunValues, stdio: Stdio, owner: { uid: number; gid: number }) {
    this.#owner = owner;
    const { sysroot, protection, seed } = values;
    prepareCpu();
    this.machine = new Machine({
      host: this.#host,
      mounts: [{ path: '/', fs: sysroot === undefined ? this.#memory(0o755) : this.#sysroot(resolve(sysroot)) }],
      console: stdio.makeConsole,
      protection,
      seed: seed === undefined ? undefined : seedBytes(seed),
    });
    this.machine.mount({ path: '/tmp', fs: this.#memory(0o1777), source: 'tmpfs' });
  }

  grant({ host, guest, mode }: Grant): void {
    this.machine.mount({ path: guest, fs: this.#tree(host, mode), source: host });
  }

  #sysroot(path: string): FileSystem {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) throw new CliError(EXIT.failure, `-L ${path}: there is no such directory or tar file`);
    return this.#tree(path, 'cow');
  }

  #tree(host: string, mode: Grant['mode']): FileSystem {
    const options = { files: this.#files, path: host, device: this.#device(), ...this.#owner };
    const fs = HostFs.open({ ...options, readOnly: mode !== 'rw' });
    if (typeof fs === 'number') throw new CliError(EXIT.failure, `${host} cannot be opened (errno ${-fs})`);
    return fs;
  }

  #memory(mode: number): MemFs {
    return new MemFs({ device: this.#device(), now: this.#host.realtime(), mode });
  }

  #device(): number {
    return makeDevice(0, this.#devices++);
  }
}

/** The seed's digits, in 32 bytes. */
function seedBytes(seed: number): Uint8Array {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setFloat64(0, seed, true);
  return bytes;
}
