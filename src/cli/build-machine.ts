/** A machine with the file systems that were granted (DESIGN section 8). */
import { resolve } from 'node:path';
import { EINTR, errnoName } from '../abi/errno.ts';
import { makeDevice, S_IFDIR } from '../abi/fs.ts';
import { HostFs } from '../fs/host.ts';
import { MemFs } from '../fs/memfs.ts';
import { OverlayFs, UPPER_INODES } from '../fs/overlay.ts';
import { TarFs } from '../fs/tar.ts';
import { TarError } from '../fs/tar-format.ts';
import { Machine } from '../machine.ts';
import { prepareCpu } from '../node-cpu.ts';
import type { FileSystem } from '../vfs/inode.ts';
import type { Sleeper } from '../wait/wait.ts';
import type { RunValues } from './commands.ts';
import { CliError, EXIT } from './error.ts';
import type { Grant, Mode } from './grants.ts';
import type { Stdio } from './stdio.ts';
import type { View } from './views.ts';
import type { World } from './world.ts';

/** Devices of the file systems made here; those that the machine makes start at 1. */
const FIRST_DEVICE = 0x40;

/** The smallest tar file is one header. */
const TAR_BLOCK = 512;

export class MachineBuilder {
  readonly machine: Machine;
  readonly #world: World;
  readonly #owner: { uid: number; gid: number };
  /** Copy-on-write trees, by where the guest sees them. */
  readonly overlays = new Map<string, OverlayFs>();
  /** The option that keeps their changes. A tar file has none. */
  readonly keeping = new Map<string, string>();
  /** What of the host was granted, as it is: in the order of mounting. */
  readonly trees: { readonly guest: string; readonly fs: FileSystem; readonly mode: Mode; readonly source: string }[] =
    [];
  /** --io session: what goes home at the end. */
  readonly views: View[] = [];
  #devices = FIRST_DEVICE;
  /** Nothing that is asked here can sleep. */
  readonly #sleeper: Sleeper = {
    serial: 0,
    progress: 0,
    block: () => -EINTR,
    once: (step) => step(),
    now: () => this.#world.host.now(),
    realtime: () => this.#world.host.realtime(),
  };

  constructor(
    values: RunValues,
    world: World,
    stdio: Stdio,
    owner: { readonly uid: number; readonly gid: number },
    root?: FileSystem,
  ) {
    this.#world = world;
    this.#owner = owner;
    const { protection, cpu, seed } = values;
    const cwd = world.facts.cwd();
    const sysroot = values.sysroot === undefined ? undefined : resolve(cwd, values.sysroot);
    const written = values.write.some((directory) => resolve(cwd, directory) === sysroot);
    prepareCpu();
    const exact = world.exact || values['max-insns'] !== undefined || values['checkpoint-at'] !== undefined;
    this.machine = new Machine({
      host: world.host,
      mounts: [
        {
          path: '/',
          fs: root ?? (sysroot === undefined ? this.#memory(0o755) : this.#sysroot(values.sysroot!, sysroot, written)),
        },
      ],
      console: stdio.makeConsole,
      protection,
      cpu,
      exact,
      // Compiled code has been seen to end a slice two instructions late.
      jit: exact ? false : values.jit === 'always' ? 'always' : values.jit !== 'off',
      seed: seed === undefined ? undefined : seedBytes(seed),
    });
    this.machine.mount({ path: '/tmp', fs: this.#memory(0o1777), source: 'tmpfs' });
  }

  grant({ host, guest, mode }: Grant): void {
    const fs = this.#open(host, mode !== 'rw');
    if (typeof fs === 'number') throw new CliError(EXIT.failure, `${host} cannot be opened (${errnoName(fs)})`);
    this.trees.push({ guest, fs, mode, source: host });
    this.keeping.set(guest, host === guest ? `-w ${host}` : `-v ${host}:${guest}`);
    const shown = mode === 'cow' && fs.root.type === S_IFDIR ? this.#overlay(fs, guest) : fs;
    this.machine.mount({ path: guest, fs: shown, source: host });
  }

  #open(path: string, readOnly: boolean): HostFs | number {
    const { files, exact } = this.#world;
    return HostFs.open({ files, path, device: this.#device(), ...this.#owner, readOnly, ordered: exact });
  }

  #sysroot(named: string, path: string, written: boolean): FileSystem {
    const place = this.#world.facts.place(path);
    if (place === undefined) throw new CliError(EXIT.failure, `-L ${path}: there is no such directory or tar file`);
    if (place.type !== 'directory') {
      if (written)
        throw new CliError(
          EXIT.failure,
          `-w ${named}: nothing can be written into a tar file; unpack it and give -L the directory`,
        );
      const archive = this.#archive(path, place.size);
      this.trees.push({ guest: '/', fs: archive, mode: 'cow', source: path });
      return this.#overlay(archive, '/');
    }
    this.keeping.set('/', `-w ${named}`);
    const directory = this.#directory(path, !written);
    this.trees.push({ guest: '/', fs: directory, mode: written ? 'rw' : 'cow', source: path });
    return written ? directory : this.#overlay(directory, '/');
  }

  #directory(path: string, readOnly: boolean): FileSystem {
    const fs = this.#open(path, readOnly);
    if (typeof fs === 'number') throw new CliError(EXIT.failure, `-L ${path}: cannot be opened (${errnoName(fs)})`);
    return fs;
  }

  #archive(path: string, size: number): FileSystem {
    const { facts } = this.#world;
    const fd = facts.openArchive(path);
    try {
      if (size < TAR_BLOCK) throw new TarError('it is too short');
      const read = (position: number, into: Uint8Array) => facts.readArchive(fd, position, into);
      return new TarFs({ size, read }, this.#device(), { path, ordered: this.#world.exact });
    } catch (error) {
      if (!(error instanceof TarError)) throw error;
      throw new CliError(EXIT.failure, `-L ${path} is no tar file that can be used: ${error.message}`);
    }
  }

  #overlay(lower: FileSystem, guest: string): OverlayFs {
    const device = this.#device();
    const fs = new OverlayFs({ device, upper: this.#likeness(lower), lower });
    this.overlays.set(guest, fs);
    return fs;
  }

  /** An empty tree for changes: its root stands for the lower one, so it looks like it. */
  #likeness(lower: FileSystem): MemFs {
    const looked = lower.root.attributes(this.#sleeper);
    if (typeof looked === 'number') return this.#memory(0o755, UPPER_INODES);
    const { mode, uid, gid, atime, mtime } = looked;
    const now = this.#world.host.realtime();
    const firstInode = UPPER_INODES;
    const fs = new MemFs({ device: this.#device(), firstInode, now, mode: mode & 0o7777, uid, gid });
    fs.root.change(this.#sleeper, { atime, mtime });
    return fs;
  }

  #memory(mode: number, firstInode = 1): MemFs {
    return new MemFs({ device: this.#device(), firstInode, now: this.#world.host.realtime(), mode });
  }

  #device(): number {
    return makeDevice(0, this.#devices++);
  }
}

/** The seed's digits, in 32 bytes. */
export function seedBytes(seed: number): Uint8Array {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setFloat64(0, seed, true);
  return bytes;
}
