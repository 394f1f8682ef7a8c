import { AT } from '../loader/auxv.ts';
import { DECLARATIONS } from '../syscalls/index.ts';
import { EINTR, errnoName } from './abi/errno.ts';
import { MS_RDONLY, S_IFDIR, S_IFREG } from './abi/fs.ts';
import type { CheckReport } from './checkpoint/check.ts';
import type { CheckpointOptions, CheckpointReport } from './checkpoint/checkpoint.ts';
import { dumpCore } from './checkpoint/core-dump.ts';
import type { Freezable } from './checkpoint/freeze.ts';
import type { ImageSink } from './checkpoint/image.ts';
import { Cpu } from './cpu/cpu.ts';
import type { CpuModelName } from './cpu/isa/cpuid.ts';
import { CPU_MODELS, DEFAULT_MODEL, featureWord } from './cpu/isa/cpuid.ts';
import type { Jobs } from './fs/caller.ts';
import { installSpecialFiles, populateDev } from './fs/dev.ts';
import { DevPts } from './fs/devpts.ts';
import { MemFs, tmpfs } from './fs/memfs.ts';
import { makeProc } from './fs/proc-root.ts';
import { makeSysfs } from './fs/sysfs.ts';
import type { Tty } from './fs/tty.ts';
import type { MachineHost } from './kernel/host.ts';
import { jobsOf } from './kernel/job-control.ts';
import type { Kernel } from './kernel/kernel.ts';
import type { Limit } from './kernel/limits.ts';
import { procSourceOf } from './kernel/proc-source.ts';
import { spawn } from './kernel/spawn.ts';
import type { Task } from './kernel/task.ts';
import type { Protection } from './memory/guest-memory.ts';
import { type KernelModel, local, type ModelledMachine, type MountRequest } from './syscall/kernel-model.ts';
import type { Layer } from './syscall/layer.ts';
import type { LayerStack } from './syscall/layer-stack.ts';
import { SyscallTable } from './syscall/table.ts';
import { type Credentials, makeCredentials } from './vfs/credentials.ts';
import { addDentry } from './vfs/dentry.ts';
import { FsContext, type PathContext } from './vfs/fs-context.ts';
import type { FileSystem, Inode } from './vfs/inode.ts';
import type { Location } from './vfs/location.ts';
import { MountNamespace } from './vfs/mounts.ts';
import type { OpenFile } from './vfs/open-file.ts';
import { walk } from './vfs/walk.ts';
import { failed } from './wait/wait.ts';

export type { MountRequest } from './syscall/kernel-model.ts';

export interface MachineOptions {
  /** Time, chance and the event loop: `new NodeHost()` of src/host/node.ts. */
  readonly host: MachineHost;
  /** Where its kernel state comes from; absent: local(), a new kernel in this process. */
  readonly kernel?: KernelModel;
  /** In order, '/' first. Absent: an empty root in memory with /dev, /proc and /tmp. Missing mount points are made. */
  readonly mounts?: readonly MountRequest[];
  /** Makes /dev, /dev/pts and /dev/shm in memory (the default). */
  readonly dev?: boolean;
  /** Mounts /proc and /sys (the default). */
  readonly proc?: boolean;
  /** Makes the terminal that /dev/console is. */
  readonly console?: (jobs: Jobs) => Tty;
  /** System calls; absent: all of syscalls/. */
  readonly table?: SyscallTable;
  /** In front of the table, outermost first. */
  readonly layers?: readonly Layer[];
  /** How guest pages are protected; absent: by the host where it can. */
  readonly protection?: Protection;
  /** 32 bytes that decide every random number; absent: fresh ones from the host. */
  readonly seed?: Uint8Array;
  /** The processor that programs find; absent: nehalem, the newest. */
  readonly cpu?: CpuModelName;
  readonly hostname?: string;
  /** Counts instructions exactly: slices end, and scheduler.haltAt halts, at the same instruction in every run. */
  readonly exact?: boolean;
  /** Whether code is compiled: what is hot (absent), nothing, or all as soon as it is reached. */
  readonly jit?: boolean | 'always';
}

export interface SpawnOptions {
  /** The program's file, in the guest's name space. */
  readonly path: string;
  /** Absent: the path alone. */
  readonly argv?: readonly string[];
  readonly env?: Readonly<Record<string, string>> | readonly string[];
  readonly cwd?: string;
  /** Absent: root. */
  readonly credentials?: Credentials;
  readonly umask?: number;
  /** Descriptors by number; null: closed. Absent: none is open. */
  readonly fds?: readonly (OpenFile | null)[];
  /** Resource limits, in the order of RLIMIT_*. Absent: those of a usual login shell. */
  readonly limits?: readonly Limit[];
  /** Its controlling terminal: the process is one of a shell's jobs outside, in the foreground. Absent: a session of its own. */
  readonly terminal?: Tty;
}

/** How a process ended. */
export type ExitStatus =
  | { readonly status: number; readonly signal?: undefined }
  | { readonly status?: undefined; readonly signal: number; readonly core: boolean };

/** A program could not be started. */
export class SpawnError extends Error {
  override name = 'SpawnError';
  readonly errno: number;

  constructor(path: string, errno: number, reason: string) {
    super(reason !== '' ? reason : `cannot run ${path}: ${errnoName(errno)}`);
    this.errno = errno;
  }
}

/**
 * A virtual machine: a kernel, its file systems, and the processes that run on it.
 *
 *   const machine = new Machine({ host: new NodeHost(), mounts: [{ path: '/', fs }] });
 *   machine.spawn({ path: '/bin/echo', argv: ['echo', 'ahoy'], fds });
 *   const { status } = await machine.run();
 */
export class Machine implements ModelledMachine {
  readonly kernel: Kernel;
  /** The processor that programs find. */
  readonly cpu: CpuModelName;
  readonly namespace = new MountNamespace();
  readonly table: SyscallTable;
  readonly pts: DevPts;
  /** The terminal that Tallship was started on. */
  readonly console: Tty | null;
  readonly proc: FileSystem;
  readonly sys: FileSystem;
  /** The first program ended in its dynamic loader: a shared library is missing. */
  endedInLoader = false;
  #first: { pid: number; status: number | null } | null = null;
  #devices = 0;
  readonly #model: KernelModel;

  constructor(options: MachineOptions) {
    const model = options.kernel ?? local();
    const cpu = (model.cpu as CpuModelName | undefined) ?? options.cpu ?? DEFAULT_MODEL;
    if (CPU_MODELS[cpu] === undefined) throw new Error(`there is no processor ${cpu}`);
    this.cpu = cpu;
    this.#model = model;
    this.table = options.table ?? new SyscallTable(DECLARATIONS);
    for (const layer of [...(options.layers ?? []), ...(model.layers ?? [])]) this.layers.install(layer, 'innermost');
    this.kernel = model.makeKernel({
      host: options.host,
      table: this.table,
      namespace: this.namespace,
      makeCpu: (mm) => new Cpu(mm, { model: cpu, exact: options.exact, jit: options.jit }),
      hwcap: featureWord('edx', CPU_MODELS[cpu].features),
      seed: options.seed,
      protection: options.protection,
    });
    this.kernel.objects.assumeResident = options.exact === true;
    this.table.layers.kernel = this.kernel;
    this.kernel.watcher = this.table.layers;
    if (options.hostname !== undefined) this.kernel.uts.nodename = options.hostname;
    const { clock, random } = this.kernel;
    const jobs = jobsOf(this.kernel);
    this.console = options.console?.(jobs) ?? null;
    this.pts = new DevPts({
      device: this.nextDevice(),
      jobs,
      now: () => clock.now(),
      realtime: () => clock.realtime(),
    });
    const { fifos } = this.kernel;
    installSpecialFiles(this.namespace, { random, pts: this.pts, console: this.console, fifos });
    const source = procSourceOf(this.kernel, cpu);
    this.proc = makeProc(this.nextDevice(), source, clock.realtime());
    this.sys = makeSysfs(this.nextDevice(), source, clock.realtime());
    this.namespace.types.set('tmpfs', (mount) => tmpfs(this.nextDevice(), clock.realtime(), mount));
    this.namespace.types.set('devpts', () => this.pts);
    this.namespace.types.set('proc', () => this.proc);
    if (model.populate === undefined) this.#mountAll(options);
    else model.populate(this, options.mounts ?? []);
    this.kernel.dumpCore = dumpCore;
    this.kernel.onExit = (group, status) => {
      if (group.id !== this.#first?.pid) return;
      this.#first.status = status;
      this.endedInLoader = status === LOADER_FAILED && isInLoader(group.leader);
    };
  }

  /** The layers in front of the table: installed, removed and reordered at any time. */
  get layers(): LayerStack {
    return this.table.layers;
  }

  /** A device number for a file system: unique in this machine. */
  nextDevice(): number {
    return ++this.#devices;
  }

  /** A new file system in memory. */
  memfs(mode = 0o755): MemFs {
    return new MemFs({ device: this.nextDevice(), now: this.kernel.clock.realtime(), mode });
  }

  /** Mounts a file system; makes the mount point where it is missing and can be made. */
  mount({ path, fs, flags, source }: MountRequest): void {
    const ctx = this.context();
    const at = path === '/' && this.namespace.mounts.length === 0 ? null : this.#makePlace(ctx, path, fs.root.type);
    if (typeof at === 'number') throw new Error(`cannot mount on ${path}: ${errnoName(at)}`);
    const mounted = this.namespace.mount(fs, at, flags, source);
    if (typeof mounted === 'number') throw new Error(`cannot mount on ${path}: ${errnoName(mounted)}`);
  }

  /** Starts a program. The first one's end decides what run() answers. */
  spawn(options: SpawnOptions): number {
    const { env = [] } = options;
    const group = spawn(this.kernel, {
      path: options.path,
      argv: options.argv ?? [options.path],
      envp: isList(env) ? env : Object.entries(env).map(([name, value]) => `${name}=${value}`),
      cwd: options.cwd ?? '/',
      credentials: options.credentials ?? makeCredentials(0, 0),
      umask: options.umask ?? 0o022,
      fds: options.fds ?? [],
      limits: options.limits,
      terminal: options.terminal,
    });
    if (typeof group === 'number') throw new SpawnError(options.path, -group, this.kernel.takeExecFailure());
    this.#first ??= { pid: group.id, status: null };
    return group.id;
  }

  adopt({ first, devices }: Parameters<ModelledMachine['adopt']>[0]): void {
    this.#first = first && { ...first };
    this.#devices = Math.max(this.#devices, devices);
  }

  /** The process whose end is the machine's; 0 while there is none. */
  get first(): number {
    return this.#first?.pid ?? 0;
  }

  /**
   * Writes an image of the machine, which goes on afterwards: a directory at this path (docs/IMAGE.md), or whatever a sink
   * of the caller's makes of it. May be called while the machine runs. Throws an ImageError.
   */
  async checkpoint(to: string | ImageSink, options: CheckpointOptions = {}): Promise<CheckpointReport> {
    const { checkpoint } = await import('./checkpoint/checkpoint.ts');
    const sink = typeof to === 'string' ? new (await import('./host/image/directory-sink.ts')).DirectorySink(to) : to;
    return checkpoint(this.#freezable, sink, options);
  }

  /** What checkpoint() would save, and what not: a verdict for each descriptor. Nothing is written. */
  async check(options: Pick<CheckpointOptions, 'descriptors'> = {}): Promise<CheckReport> {
    const { check } = await import('./checkpoint/check.ts');
    return check(this.#freezable, options.descriptors);
  }

  get #freezable(): Freezable {
    const { kernel, cpu, layers } = this;
    const machine = { kernel, cpu, first: this.#first, devices: this.#devices, layers: layers.layers };
    return { ...machine, terminals: () => this.pts.inodes.values() };
  }

  /** Runs until the last process has ended; answers how the first one did. */
  async run(): Promise<ExitStatus> {
    await this.#model.ready?.(this);
    await this.kernel.scheduler.run();
    if (this.kernel.groups.size === 0) {
      await this.#finishFiles();
      for (const layer of this.layers.layers) layer.finish?.();
      await this.#model.finish?.();
    }
    const status = this.#first?.status ?? 0;
    const signal = status & 0x7f;
    return signal === 0 ? { status: (status >> 8) & 0xff } : { signal, core: (status & 0x80) !== 0 };
  }

  /** Connections of its file systems end. Nothing can be run any more. */
  close(): void {
    for (const fs of new Set(this.namespace.mounts.map((mount) => mount.fs))) fs.close?.();
  }

  async #finishFiles(): Promise<void> {
    for (const fs of new Set(this.namespace.mounts.map((mount) => mount.fs))) await fs.finish?.();
  }

  /** Who looks at files from outside: root, at the root of the name space. Cannot sleep. */
  context(): PathContext {
    const { clock } = this.kernel;
    const [top] = this.namespace.mounts;
    const root = top && this.namespace.cover({ mount: top, dentry: top.root });
    return {
      credentials: makeCredentials(0, 0),
      fs: new FsContext(root),
      namespace: this.namespace,
      serial: 0,
      progress: 0,
      block: () => -EINTR,
      once: (step) => step(),
      now: () => clock.now(),
      realtime: () => clock.realtime(),
    };
  }

  /** Where to mount: missing directories are made, and for a file an empty one. */
  #makePlace(ctx: PathContext, path: string, type: number): Location | number {
    const names = path.split('/').filter((part) => part !== '');
    let at = ctx.fs.root;
    for (const [i, name] of names.entries()) {
      if (at.dentry.inode!.fs.sleeps === true) {
        at = this.#pin(at, name, i === names.length - 1 ? type : null);
        continue;
      }
      let next = walk(ctx, at, name);
      if (failed(next)) {
        const directory = at.dentry.inode!;
        const file = i === names.length - 1 && type !== S_IFDIR;
        const how = { mode: file ? S_IFREG | 0o644 : S_IFDIR | 0o755, uid: 0, gid: 0 };
        const made = file ? directory.create(ctx, name, how) : directory.mkdir(ctx, name, how);
        if (failed(made)) return made;
        next = walk(ctx, at, name);
        if (failed(next)) return next;
      }
      at = next;
    }
    return at;
  }

  /** A file system that sleeps cannot be asked here: a name that nobody has looked up is made up, to be covered. */
  #pin(at: Location, name: string, last: number | null): Location {
    let dentry = at.dentry.children?.get(name);
    if (dentry === undefined) {
      const ctx = this.context();
      const { root } = this.memfs();
      const file = last !== null && last !== S_IFDIR;
      const made = file ? root.create(ctx, name, { mode: S_IFREG | 0o644, uid: 0, gid: 0 }) : root;
      dentry = addDentry(at.dentry, name, made as Inode);
      dentry.pinned = true;
    }
    if (last !== null) dentry.pinned = true;
    return this.namespace.cover({ mount: at.mount, dentry });
  }

  #mountAll({ mounts, dev, proc }: MachineOptions): void {
    const first = this.#model.mounts?.() ?? (mounts === undefined ? [{ path: '/', fs: this.memfs() }] : []);
    for (const request of [...first, ...(mounts ?? [])]) this.mount(request);
    if (dev !== false) this.#mountDev();
    if (proc === false) return;
    this.mount({ path: '/proc', fs: this.proc, source: 'proc' });
    this.mount({ path: '/sys', fs: this.sys, flags: MS_RDONLY, source: 'sysfs' });
  }

  #mountDev(): void {
    const dev = new MemFs({ device: this.nextDevice(), now: this.kernel.clock.realtime(), type: 'devtmpfs' });
    const failure = populateDev(this.context(), dev.root);
    if (failure !== 0) throw new Error(`cannot make /dev: ${errnoName(failure)}`);
    this.mount({ path: '/dev', fs: dev, source: 'udev' });
    this.mount({ path: '/dev/pts', fs: this.pts, source: 'devpts' });
    this.mount({ path: '/dev/shm', fs: this.memfs(0o1777), source: 'tmpfs' });
  }
}

/** ld.so ends with 127 where it cannot load what the program needs. */
const LOADER_FAILED = 127 << 8;

/** A dynamic program whose C library has not started: that begins with a TLS segment for the main thread. */
function isInLoader({ mm, tls }: Task): boolean {
  const base = mm.auxv.findIndex((word, i) => i % 2 === 0 && word === AT.BASE);
  return base >= 0 && mm.auxv[base + 1] !== 0 && tls.every((entry) => entry === null);
}

function isList(env: SpawnOptions['env']): env is readonly string[] {
  return Array.isArray(env);
}
