/**
 * Where a machine's kernel state comes from, replaceable as the table of system calls is (DESIGN section 5):
 *
 *   new Machine({ host, kernel: local() | await remote(url) | checkpointed(image), table, layers, mounts })
 *
 * local() is here, checkpointed() in src/checkpoint/model.ts, and remote() in src/node.ts: a local kernel whose root is served
 * elsewhere. A model supplies the kernel, and may supply layers (calls that are answered elsewhere), file systems, and what
 * the machine starts with (processes of an image).
 */
import type { DevPts } from '../fs/devpts.ts';
import type { Tty } from '../fs/tty.ts';
import { Kernel, type KernelParts } from '../kernel/kernel.ts';
import type { FileSystem } from '../vfs/inode.ts';
import type { MountNamespace } from '../vfs/mounts.ts';
import type { Layer } from './layer.ts';
import type { SyscallTable } from './table.ts';

/** One file system and where it is seen. */
export interface MountRequest {
  readonly path: string;
  readonly fs: FileSystem;
  /** MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC. */
  readonly flags?: number;
  /** First column of /proc/mounts. */
  readonly source?: string;
}

/** The machine, as far as a model needs it. */
export interface ModelledMachine {
  readonly kernel: Kernel;
  readonly table: SyscallTable;
  readonly namespace: MountNamespace;
  readonly pts: DevPts;
  readonly console: Tty | null;
  /** Its /proc and /sys, mounted or not. */
  readonly proc: FileSystem;
  readonly sys: FileSystem;
  nextDevice(): number;
  mount(request: MountRequest): void;
  /** Of a machine that goes on: the process whose end is its own, and the device numbers that are taken. */
  adopt(state: { first: { pid: number; status: number | null } | null; devices: number }): void;
}

export interface KernelModel {
  readonly name: string;
  /** The processor that its programs know; absent: that of the machine's options. */
  readonly cpu?: string;
  makeKernel(parts: KernelParts): Kernel;
  /** Nearer to the table than all others: they stand for it. */
  readonly layers?: readonly Layer[];
  /** File systems that it brings, '/' first: mounted before those of the machine's options. */
  mounts?(): readonly MountRequest[];
  /**
   * Fills a machine that has a kernel, but no file system and no process yet, in place of the machine's own mounts;
   * `mounts` are those of the machine's options. For a model that brings its own tree.
   */
  populate?(machine: ModelledMachine, mounts: readonly MountRequest[]): void;
  /** Awaited by run() before anything runs: connections that have to be there. */
  ready?(machine: ModelledMachine): Promise<void>;
  /** The last process has ended. */
  finish?(): void | Promise<void>;
}

/** The kernel of src/kernel, in this process, new. */
export function local(): KernelModel {
  return { name: 'local', makeKernel: (parts) => new Kernel(parts) };
}
