/** Files of other machines: --remote, -M. Whatever keeps us from them is one line, and status 125. */
import { readFileSync, unlinkSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { makeDevice } from '../abi/fs.ts';
import type { OverlayFs } from '../fs/overlay.ts';
import { NodeHost, say } from '../host/node.ts';
import { dialer } from '../host/transport/dial.ts';
import type { TlsFiles } from '../host/transport/tls.ts';
import type { Machine } from '../machine.ts';
import type { Link } from '../remote/client/link.ts';
import type { RemoteFs } from '../remote/client/remote-fs.ts';
import { parseRemoteUrl, type RemoteUrl } from '../remote/url.ts';
import type { FileSystem, TreeOrigin } from '../vfs/inode.ts';
import { walk } from '../vfs/walk.ts';
import { askFiles } from './ask-files.ts';
import type { RunValues } from './commands.ts';
import { milliseconds } from './duration.ts';
import { CliError, EXIT } from './error.ts';
import type { View } from './views.ts';

/** Devices of what is mounted here; build-machine.ts has those below. */
let devices = 0x1000;

const RETRY = '40m';

/** What opening a tree of another machine needs of the command line. */
export type RemoteValues = Pick<RunValues, 'io' | 'retry' | 'token' | 'tls-cert' | 'tls-key' | 'tls-ca'> &
  Partial<Pick<RunValues, 'forward'>>;

export interface Opened {
  readonly fs: FileSystem;
  /** Sees to it that something can be mounted at a path, without making it there. */
  readonly reserve?: (path: string) => Promise<void>;
  /** --io session: changes are kept in front of what is served. */
  readonly view?: OverlayFs;
  /** Where calls can be forwarded, too. */
  readonly link?: Link;
  /** Whose files they are, where that is known. */
  readonly owner?: { readonly uid: number; readonly gid: number; readonly groups: readonly number[] };
}

/** Connects to what a URL names; `option` is what the user wrote, for messages. */
export async function openRemote(text: string, values: RemoteValues, option: string): Promise<Opened> {
  const url = parseRemoteUrl(text);
  if (typeof url === 'string') throw new CliError(EXIT.failure, `${option}: ${url}`);
  try {
    if (url.kind === 'chirp' || url.kind === 'condor')
      return { fs: await connectChirp(url, text, values, nextDevice()) };
    return await openShadow(url, text, values);
  } catch (error) {
    throw error instanceof CliError ? error : new CliError(EXIT.failure, `${option}: ${(error as Error).message}`);
  }
}

/** --remote: the root, with places for what the machine itself mounts. */
export async function openRoot(text: string, values: RunValues): Promise<Opened> {
  const opened = await openRemote(text, values, `--remote ${text}`);
  const { RemoteFs } = await import('../remote/client/remote-fs.ts');
  const served = opened.view?.lower ?? opened.fs;
  if (!(served instanceof RemoteFs)) return opened;
  const { MountPoints } = await import('../remote/client/mount-points.ts');
  const points = new MountPoints(served, nextDevice());
  return { ...opened, reserve: (path) => points.reserve(path) };
}

/** -M: mounts all of them; answers the views among them, and the first connection that calls can go over. */
export async function mountRemotes(machine: Machine, values: RunValues, root?: Opened) {
  const views: View[] = [];
  let first: Link | undefined;
  const mounts = values.mount.map((text) => {
    const equals = text.indexOf('=');
    const guest = text.slice(0, equals);
    if (equals <= 0 || !guest.startsWith('/')) throw new CliError(EXIT.failure, `-M ${text}: give GUEST=URL`);
    return { guest, url: text.slice(equals + 1), option: `-M ${text}` };
  });
  mounts.sort((a, b) => a.guest.split('/').length - b.guest.split('/').length);
  for (const { guest, url, option } of mounts) {
    const { fs, view, link } = await openRemote(url, values, option);
    first ??= link;
    await lookUpParents(machine, guest, root);
    machine.mount({ path: guest, fs, source: url });
    if (view !== undefined) views.push({ overlay: view, source: url });
  }
  return { views, link: first };
}

/** What a mount point's parents are is known to the machine when it mounts, which cannot wait then. */
export async function lookUpParents(machine: Machine, path: string, root?: Opened): Promise<void> {
  if (root?.reserve !== undefined) return root.reserve(path);
  await askFiles(machine, (ctx) => walk(ctx, ctx.fs.root, dirname(path)));
}

/** A tree that tallship serve serves. */
async function openShadow(url: ServedUrl, text: string, values: RemoteValues): Promise<Opened> {
  const fs = await connectShadow(url, text, values, nextDevice());
  const { link } = fs;
  const owner = link.welcome;
  if (values.io !== 'session') return { fs, owner, link };
  const { viewOf } = await import('./views.ts');
  const view = await viewOf(fs, new NodeHost(), nextDevice, new Map());
  return { fs: view, view, owner, link };
}

/** A tree of an image: connected to again, with what keeps us out given anew. */
export async function openTreeAgain(origin: TreeOrigin, values: RemoteValues, device: number): Promise<FileSystem> {
  const url = parseRemoteUrl(origin.source);
  if (typeof url === 'string') throw new CliError(EXIT.failure, `${origin.source}: ${url}`);
  const { io = 'cached' } = (origin.options ?? {}) as { io?: RunValues['io'] };
  try {
    if (url.kind === 'chirp' || url.kind === 'condor') return await connectChirp(url, origin.source, values, device);
    return await connectShadow(url, origin.source, { ...values, io: values.io ?? io }, device);
  } catch (error) {
    throw new CliError(EXIT.failure, `${origin.source}: ${(error as Error).message}`);
  }
}

async function connectShadow(url: ServedUrl, text: string, values: RemoteValues, device: number): Promise<RemoteFs> {
  const { RemoteFs } = await import('../remote/client/remote-fs.ts');
  const { io = 'cached' } = values;
  return RemoteFs.connect({
    dial: dialer(url, { tls: tlsFiles(values), allow: values.forward }),
    token: tokenOf(values),
    retry: retryOf(values),
    log: (line) => say(`${text}: ${line}`),
    // Where we start the server, the path is what it exports.
    path: url.kind === 'ssh' || url.kind === 'exec' ? '' : url.path,
    origin: { kind: 'remote', source: text, readOnly: false, options: { io } },
    ...{ device, io },
  });
}

type ServedUrl = Exclude<RemoteUrl, { kind: 'chirp' | 'condor' }>;

/** What tallship serve has shown or written. */
function tokenOf(values: RemoteValues): Uint8Array | undefined {
  const text = values.token === undefined ? process.env.TALLSHIP_TOKEN : readFileSync(values.token, 'utf8');
  return text === undefined ? undefined : new TextEncoder().encode(text.trim());
}

type ChirpUrl = RemoteUrl & { kind: 'chirp' | 'condor' };

async function connectChirp(url: ChirpUrl, text: string, values: RemoteValues, device: number): Promise<FileSystem> {
  if (values.io === 'session') throw new Error('--io session needs a tallship that serves');
  const { ChirpFs } = await import('../remote/chirp/chirp-fs.ts');
  const proxy = url.kind === 'condor' ? readCondorConfig() : url;
  const where = `${proxy.host}:${proxy.port}`;
  return ChirpFs.open({
    dial: dialer({ kind: 'chirp', host: proxy.host, port: proxy.port, path: '' }),
    credentials:
      'cookie' in proxy ? { kind: 'cookie', cookie: proxy.cookie } : { kind: 'unix', challenge: answerChallenge },
    where,
    path: url.path,
    device,
    origin: { kind: 'remote', source: text, readOnly: false },
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    retryMs: retryOf(values),
    log: say,
  });
}

/** HTCondor's starter writes where its I/O proxy listens, and the cookie that it wants, beside the job. */
function readCondorConfig(): { host: string; port: number; cookie: string } {
  const directories = [process.env._CONDOR_SCRATCH_DIR, process.cwd()].filter((one) => one !== undefined);
  for (const file of [process.env._CONDOR_CHIRP_CONFIG, ...directories.map((one) => join(one, '.chirp.config'))]) {
    if (file === undefined) continue;
    let text: string;
    try {
      text = readFileSync(file, 'utf8');
    } catch {
      continue;
    }
    const [host, port, cookie] = text.trim().split(/\s+/);
    if (cookie === undefined || !(Number(port) > 0)) throw new Error(`${file} is no .chirp.config`);
    return { host: host.replace(/^<|>$/g, ''), port: Number(port), cookie };
  }
  throw new Error('no .chirp.config here: not in an HTCondor job, or one without +WantIOProxy = true');
}

/**
 * The server names a file, and takes its owner for who we are. It may name any: so it must be a new one, with a name that such
 * files have, and it goes again.
 */
async function answerChallenge(path: string, answered: () => Promise<void>): Promise<void> {
  if (!basename(path).startsWith('challenge.'))
    throw new Error(`the server asks for a file ${path}, which no challenge is`);
  const file = await open(path, 'wx').catch((error) => {
    throw new Error(
      `the server's challenge cannot be met: ${(error as Error).message} (unix authentication works on one machine or a shared file system)`,
    );
  });
  await file.close();
  try {
    await answered();
  } finally {
    try {
      unlinkSync(path);
    } catch {} // the server has removed it
  }
}

export function tlsFiles(values: Pick<RunValues, 'tls-cert' | 'tls-key' | 'tls-ca'>): TlsFiles {
  return { certificate: values['tls-cert'], key: values['tls-key'], authority: values['tls-ca'] };
}

export function retryOf({ retry = RETRY }: { retry?: string }): number {
  return milliseconds('--retry', retry);
}

function nextDevice(): number {
  return makeDevice(0, devices++);
}
