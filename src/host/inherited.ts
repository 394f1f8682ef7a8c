/** Which of this process's descriptors its caller passed on (`diff <(a) <(b)`), told from those that Node opened itself. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

const O_CLOEXEC = 0o2000000;
const O_ACCMODE = 3;

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
 */
export function inheritedDescriptors(): readonly number[] {
  inherited ??= look();
  return inherited;
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
    .filter((one) => one.fd < first || (one.flags & O_CLOEXEC) === 0 || !nodesOwn(one, all))
    .map(({ fd }) => fd)
    .sort((a, b) => a - b);
}

function describe(fd: number): Descriptor[] {
  try {
    const target = readlinkSync(`/proc/self/fd/${fd}`);
    const flags = /^flags:\s*([0-7]+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'));
    return [{ fd, target, flags: Number.parseInt(flags?.[1] ?? '0', 8) }];
  } catch {
    return []; // the directory descriptor of this very look
  }
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
