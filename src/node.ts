/** What a Machine needs on Node.js: `import { nodeHost } from 'tallship/node'`. */
import { fstatSync, openSync, readSync } from 'node:fs';
import { makeDevice, O_ACCMODE, O_APPEND, O_NONBLOCK } from './abi/fs.ts';
import { Ahead } from './checkpoint/ahead.ts';
import { ImageError, type ImageSource } from './checkpoint/image.ts';
import { checkImage, checkpointed, type ThawOptions } from './checkpoint/model.ts';
import { HostFs, type HostFsOptions } from './fs/host.ts';
import { InheritedFiles } from './fs/inherited.ts';
import { MemFs } from './fs/memfs.ts';
import { TarFs } from './fs/tar.ts';
import { HostFiles } from './host/files.ts';
import { openSource } from './host/image/open-source.ts';
import { NodeHost } from './host/node.ts';
import { HostDescriptor } from './host/stdio.ts';
import { StoreWriter } from './host/store/store-sink.ts';
import type { TlsFiles } from './host/transport/tls.ts';
import { Machine, type MachineOptions } from './machine.ts';
import { prepareCpu } from './node-cpu.ts';
import type { IoMode, RemoteFs } from './remote/client/remote-fs.ts';
import { RequestTask } from './remote/request-task.ts';
import { parseRemoteUrl } from './remote/url.ts';
import { type KernelModel, local } from './syscall/kernel-model.ts';
import { type Credentials, makeCredentials } from './vfs/credentials.ts';
import type { FileSystem, TreeOrigin } from './vfs/inode.ts';
import type { OpenFile } from './vfs/open-file.ts';

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

export interface RestoreOptions extends Partial<MachineOptions>, Pick<ThawOptions, 'files' | 'warn' | 'descriptors'> {
  /** Where directories, archives and trees of other machines are now, by where they were when the image was made. */
  readonly trees?: Readonly<Record<string, string>>;
  /** Opens directories and archives in another way. */
  readonly openTree?: ThawOptions['openTree'];
  /**
   * Connects to a tree that another machine serves; null: it is none, and openTree() opens it. Absent: as remote() does, with
   * $TALLSHIP_TOKEN.
   */
  readonly connect?: (origin: TreeOrigin, device: number) => Promise<FileSystem> | null;
}

/** A machine that goes on where its image was made: `(await restore('image')).run()`. Rejects with an ImageError. */
export async function restore(from: string | ImageSource, options: RestoreOptions = {}): Promise<Machine> {
  const { trees = {}, openTree, connect = connectAgain, files, warn = () => {}, descriptors, ...rest } = options;
  const source = typeof from === 'string' ? await openSource(from) : from;
  const { isOwn } = source;
  let ahead: Ahead | undefined;
  try {
    const checked = checkImage(source);
    const host = rest.host ?? nodeHost();
    ahead = await Ahead.look(checked.image, {
      connect: (origin, device) => connect(treeNow(origin, trees, isOwn), device),
      ask: (look) => new Promise((resolve) => new RequestTask(host, look, (answer) => resolve(answer as never)).run()),
      warn,
    });
    const machine = new Machine({
      ...rest,
      host,
      kernel: checkpointed(checked, {
        openTree: openTree ?? ((origin, device) => openTreeOfHost(treeNow(origin, trees, isOwn), device)),
        reopen: (path, flags) => reopenOnHost(path, flags, isOwn),
        ...{ ahead, files, warn, descriptors },
      }),
    });
    await ahead.finish(machine.kernel);
    return machine;
  } catch (error) {
    ahead?.abandon();
    throw error;
  } finally {
    source.close();
  }
}

/** Where a tree of an image is now. What an image from elsewhere names is opened only when someone here has named it. */
function treeNow(origin: TreeOrigin, trees: RestoreOptions['trees'] & object, isOwn = false): TreeOrigin {
  const { source } = origin;
  const now = trees[source];
  if (now === undefined && !isOwn) {
    throw new ImageError(`it was made elsewhere and wants ${source}: say where that is here (--map ${source}=DIR)`);
  }
  if (now === undefined) return origin;
  const isRemote = typeof parseRemoteUrl(now) !== 'string';
  if (isRemote) return { ...origin, kind: 'remote', source: now };
  return { ...origin, kind: origin.kind === 'remote' ? 'host' : origin.kind, source: now };
}

function connectAgain({ kind, source, options = {} }: TreeOrigin, device: number): Promise<FileSystem> | null {
  if (kind !== 'remote') return null;
  const { io } = options as { io?: IoMode };
  return connectTo(source, { io, token: process.env.TALLSHIP_TOKEN }, device, new NodeHost());
}

function openTreeOfHost({ kind, source: path, readOnly }: TreeOrigin, device: number): FileSystem {
  if (kind === 'tar') return openArchive(path, device);
  if (kind !== 'host') throw new ImageError(`${path} is a tree of an unknown kind (${kind})`);
  const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  const fs = HostFs.open({ files: new HostFiles(), path, device, readOnly, ...owner });
  if (typeof fs === 'number') throw new ImageError(`${path} cannot be opened (errno ${-fs})`);
  return fs;
}

/** A file that a descriptor of the caller's was, for the policy `reopen`. */
function reopenOnHost(path: string, flags: number, isOwn = false): OpenFile {
  if (!isOwn) throw new ImageError(`it was made elsewhere and wants ${path}: say which file that is here (--fd)`);
  try {
    // What is created or cut by opening would not be what it was.
    const fd = openSync(path, (flags & (O_ACCMODE | O_APPEND)) | O_NONBLOCK);
    return new InheritedFiles().open(new HostDescriptor(fd));
  } catch (error) {
    throw new ImageError(`${path} cannot be opened again: ${(error as Error).message}`);
  }
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

export interface RemoteKernelOptions {
  /** What a server at tcp: or ws: has shown or written when it started. */
  readonly token?: string;
  /** Certificates, for tls: and wss:. */
  readonly tls?: TlsFiles;
  /** docs/REMOTE.md, "What is guaranteed"; absent: cached. Sessions are the command line's. */
  readonly io?: Exclude<IoMode, 'session'>;
  /** How long a lost connection is tried again, in milliseconds; absent: 40 minutes. */
  readonly retryMs?: number;
  /** Lines about the connection; absent: on stderr. */
  readonly log?: (line: string) => void;
}

export interface RemoteKernel extends KernelModel {
  /** Whose files they are: `spawn({ credentials })` for a program that is to be their owner. */
  readonly owner: Credentials;
}

const RETRY_MS = 40 * 60_000;
/** Device numbers that machines give out themselves begin at 1. */
const [SERVED, PLACES, TEMPORARY] = [0x2000, 0x2001, 0x2002].map((minor) => makeDevice(0, minor));

/**
 * A kernel whose root is a tree that `tallship serve` serves elsewhere, as in `tallship run --remote URL`:
 *
 *   const machine = new Machine({ host: nodeHost(), kernel: await remote('ssh://home/dir') });
 *
 * Files, their locks and permissions are the other side's; processes, memory, time, pipes, terminals, /dev, /proc, /sys and
 * /tmp are of this process. Mounts of the machine's options come on top. One machine for each; machine.close() ends the
 * connection. Rejects with an Error of one line where the tree cannot be had.
 */
export async function remote(url: string, options: RemoteKernelOptions = {}): Promise<RemoteKernel> {
  const { MountPoints } = await import('./remote/client/mount-points.ts');
  const host = new NodeHost(options.log);
  const fs = await connectTo(url, options, SERVED, host);
  new MountPoints(fs, PLACES);
  const { uid, gid, groups } = fs.link.welcome;
  return {
    ...local(),
    name: 'remote',
    owner: makeCredentials(uid, gid, groups),
    mounts: () => [
      { path: '/', fs, source: url },
      { path: '/tmp', fs: new MemFs({ device: TEMPORARY, now: host.realtime(), mode: 0o1777 }), source: 'tmpfs' },
    ],
  };
}

async function connectTo(
  url: string,
  { token, tls, io = 'cached', retryMs = RETRY_MS }: Omit<RemoteKernelOptions, 'io'> & { io?: IoMode },
  device: number,
  host: NodeHost,
): Promise<RemoteFs> {
  const to = parseRemoteUrl(url);
  if (typeof to === 'string') throw new Error(to);
  if (to.kind === 'chirp' || to.kind === 'condor')
    throw new Error(`${url}: a Chirp server cannot be the kernel's side`);
  const { dialer } = await import('./host/transport/dial.ts');
  const { RemoteFs } = await import('./remote/client/remote-fs.ts');
  return RemoteFs.connect({
    dial: dialer(to, { tls }),
    token: token === undefined ? undefined : new TextEncoder().encode(token.trim()),
    retry: retryMs,
    log: (line) => host.log(`${url}: ${line}`),
    // Where we start the server, the path is what it exports.
    path: to.kind === 'ssh' || to.kind === 'exec' ? '' : to.path,
    origin: { kind: 'remote', source: url, readOnly: false, options: { io } },
    ...{ device, io },
  });
}

export { NodeHost, StoreWriter };
