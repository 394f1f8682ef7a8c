/** Which of this process's descriptors its caller passed on (`diff <(a) <(b)`), told from those that Node opened itself. */
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, readSync } from 'node:fs';

const O_CLOEXEC = 0o2000000;
const O_ACCMODE = 3;
const O_RDWR = 2;

const SHELLS = /^-?(?:(?:ba|da|a|z|k|mk|fi|tc|c)?sh|busybox|rbash|ksh93)$/;

interface Descriptor {
  readonly fd: number;
  readonly target: string;
  readonly flags: number;
}

let inherited: readonly number[] | undefined;

/**
 * Descriptors 0..n that came from outside. The first call looks, so it belongs at the start of the program.
 *
 * libuv marks what it finds at start as close-on-exec, like its own, so the mark alone does not tell. Node's first own
 * descriptor is an epoll instance, and descriptors are given out lowest first: everything below it was there before. Above
 * it, Node's own are anonymous inodes, pipes of which both ends are here, and one /dev/null to read.
 *
 * Node opens /dev/null on those of 0 to 2 that are closed: see openedByNode().
 */
export function inheritedDescriptors(): readonly number[] {
  inherited ??= look();
  return inherited;
}

/** Closes all above the standard three: a machine in the background keeps nobody's pipe open. */
export function keepStandardOnly(): void {
  for (const fd of inheritedDescriptors()) if (fd > 2) closeSync(fd);
  inherited = inheritedDescriptors().filter((fd) => fd <= 2);
}

function look(): number[] {
  let all: Descriptor[];
  try {
    all = readdirSync('/proc/self/fd').flatMap((name) => describe(Number(name)));
  } catch {
    return [0, 1, 2]; // no /proc: the standard three
  }
  const epoll = all.filter(({ target }) => target === 'anon_inode:[eventpoll]').map(({ fd }) => fd);
  const first = epoll.length > 0 ? Math.min(...epoll) : 3;
  return all
    .filter((one) => !openedByNode(one))
    .filter((one) => one.fd < first || (one.flags & O_CLOEXEC) === 0 || !nodesOwn(one, all))
    .map(({ fd }) => fd)
    .sort((a, b) => a - b);
}

function describe(fd: number, pid: number | 'self' = 'self'): Descriptor[] {
  try {
    const target = readlinkSync(`/proc/${pid}/fd/${fd}`);
    return [{ fd, target, flags: flagsOf(`/proc/${pid}/fdinfo/${fd}`) }];
  } catch {
    return []; // the directory descriptor of this very look
  }
}

const fdinfo = Buffer.alloc(256);

/** One read of a file that is short, as a start has twenty of them. */
function flagsOf(path: string): number {
  const file = openSync(path, 'r');
  try {
    const text = fdinfo.toString('latin1', 0, readSync(file, fdinfo));
    return Number.parseInt(/^flags:\s*([0-7]+)/m.exec(text)?.[1] ?? '0', 8);
  } finally {
    closeSync(file);
  }
}

/**
 * True for a standard descriptor that was closed when Node started: Node has put /dev/null there, open for both directions.
 * A shell's `</dev/null` and `>/dev/null` are open for one, but many programs start theirs with such a /dev/null (Python's
 * DEVNULL, Node's 'ignore', daemon(3)). So it counts as closed only if our parent has that number closed as well, or is a
 * shell that has something else there. Of what a shell does, `<>/dev/null` alone is taken for closed.
 */
function openedByNode(one: Descriptor): boolean {
  if (one.fd > 2 || !isNullForBoth(one)) return false;
  const parent = `/proc/${process.ppid}`;
  try {
    if (!readdirSync(`${parent}/fd`).includes(String(one.fd))) return true;
    if (!SHELLS.test(readFileSync(`${parent}/comm`, 'latin1').trim())) return false;
    return !isNullForBoth(describe(one.fd, process.ppid)[0]);
  } catch {
    return false; // it has ended, or is another user's
  }
}

function isNullForBoth({ target, flags }: Descriptor): boolean {
  return target === '/dev/null' && (flags & O_ACCMODE) === O_RDWR;
}

function nodesOwn({ fd, target, flags }: Descriptor, all: readonly Descriptor[]): boolean {
  if (target.startsWith('anon_inode:')) return true;
  if (target === '/dev/null') return (flags & O_ACCMODE) === 0;
  if (!target.startsWith('pipe:')) return false;
  const otherEnd = (flags & O_ACCMODE) === 0 ? 1 : 0;
  return all.some(
    (one) =>
      one.fd !== fd && one.target === target && (one.flags & O_ACCMODE) === otherEnd && (one.flags & O_CLOEXEC) !== 0,
  );
}
