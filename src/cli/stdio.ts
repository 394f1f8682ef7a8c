/** The descriptors that our caller passed on, as the guest's. */
import { makeDevice } from '../abi/fs.ts';
import type { Jobs } from '../fs/caller.ts';
import { HostTty } from '../fs/host-tty.ts';
import { InheritedFiles } from '../fs/inherited.ts';
import { TtyFile } from '../fs/tty.ts';
import type { Descriptor } from '../host/stdio.ts';
import type { Terminal } from '../host/tty.ts';
import type { Machine } from '../machine.ts';
import type { OpenFile } from '../vfs/open-file.ts';
import type { World } from './world.ts';

/** st_rdev of /dev/pts/0, the name that the terminal has in the guest. */
const PTS_0 = makeDevice(136, 0);

export interface Stdio {
  /** In the order of the numbers that they have in the guest. */
  readonly descriptors: readonly { readonly fd: number; readonly host: Descriptor }[];
  /** The terminal among them, if there is one. */
  readonly terminal: Terminal | null;
  readonly makeConsole: ((jobs: Jobs) => HostTty) | undefined;
}

/** @param given descriptors of ours by the number that they are to have, in place of those that came with it. */
export function openStdio(world: World, given: ReadonlyMap<number, number> = new Map()): Stdio {
  const came = world.facts.descriptors().filter((fd) => !given.has(fd));
  const descriptors = [...came.map((fd) => [fd, fd]), ...given]
    .map(([fd, ours]) => ({ fd, host: world.descriptor(ours) }))
    .sort((a, b) => a.fd - b.fd);
  const first = descriptors.find(({ host }) => host.kind === 'terminal')?.host;
  if (first === undefined) return { descriptors, terminal: null, makeConsole: undefined };
  const terminal = world.terminal(first.fd);
  return { descriptors, terminal, makeConsole: (jobs) => new HostTty(first, terminal, PTS_0, '/dev/pts/0', jobs) };
}

/** The guest's descriptor table. All descriptors of one terminal are that terminal; another one is a plain device. */
export function guestFiles(stdio: Stdio, machine: Machine, uid: number, ordered: boolean): (OpenFile | null)[] {
  const inherited = new InheritedFiles(ordered);
  const files: (OpenFile | null)[] = [];
  const tty = machine.console;
  const node = tty === null ? null : machine.pts.adopt(0, tty, uid);
  const device = stdio.descriptors.find(({ host }) => host.kind === 'terminal')?.host.stat().rdev;
  for (const { fd, host } of stdio.descriptors) {
    while (files.length < fd) files.push(null);
    const ours = tty !== null && host.kind === 'terminal' && host.stat().rdev === device;
    const file = ours ? new TtyFile(tty, node!, host.flags) : inherited.open(host);
    file.inherited = fd;
    files.push(file);
  }
  return files;
}
