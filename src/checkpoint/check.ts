/** What an image of a machine would hold, and what not: told before anything is saved. */
import type { Policy } from '../fs/image/index.ts';
import { OverlayInode } from '../fs/overlay-inode.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { ThreadGroup } from '../kernel/thread-group.ts';
import type { Inode } from '../vfs/inode.ts';
import { OpenFile } from '../vfs/open-file.ts';
import { commandOf } from './core-notes.ts';
import { type Freezable, rootOf, treesOf, writerParts } from './freeze.ts';
import type { Manifest } from './image.ts';
import { objection, ownPolicies, type Policies, policyOf } from './outside.ts';
import { underWay } from './under-way.ts';
import { FreezeWriter } from './world.ts';

export interface Verdict {
  readonly pid: number;
  readonly fd: number;
  /** A path, or what its kind tells. */
  readonly name: string;
  /** kept: in the image. by-name: found again by its path, on the host or another machine. The others are policies. */
  readonly verdict: 'kept' | 'by-name' | Policy;
  /** What that means here. */
  readonly detail: string;
}

export interface CheckReport {
  /** An image can be made. */
  readonly possible: boolean;
  readonly processes: readonly { readonly pid: number; readonly command: string }[];
  readonly descriptors: readonly Verdict[];
  /** What a restore has to find again. */
  readonly trees: Manifest['trees'];
  /** A restore goes on without those that it does not have. */
  readonly layers: readonly string[];
  /** What is under way now, and a checkpoint waits for. */
  readonly waits: readonly string[];
  /** Why no image can be made. */
  readonly problems: readonly string[];
}

/** Goes on where an image could not be written, and remembers what for. */
class CheckWriter extends FreezeWriter {
  readonly #path: object[] = [];
  /** By the open files that need what cannot be saved. */
  readonly failed = new Map<OpenFile, string>();
  readonly problems: string[] = [];

  override id(object: object | null): number {
    if (object === null) return -1;
    this.#path.push(object);
    try {
      return super.id(object);
    } catch (error) {
      const file = this.#path.findLast((above) => above instanceof OpenFile);
      const { message } = error as Error;
      if (file instanceof OpenFile) this.failed.set(file, message);
      else this.problems.push(message);
      return -1;
    } finally {
      this.#path.pop();
    }
  }
}

/** Looks between two slices; may be called while the machine runs. */
export async function check(machine: Freezable, policies: Policies = {}): Promise<CheckReport> {
  const { kernel, layers } = machine;
  do await kernel.host.yield();
  while (kernel.scheduler.current !== null);
  for (const { processor } of kernel.tasks.values()) processor.detach();
  const writer: CheckWriter = new CheckWriter(
    ...writerParts(
      kernel,
      (inode) => writer.id(inode),
      () => 0,
    ),
  );
  rootOf(machine, writer);
  const own = ownPolicies(kernel, policies);
  const groups = [...kernel.groups.values()];
  const descriptors = groups.flatMap((group) =>
    filesOf(group).map(([fd, file]): Verdict => {
      const judged = judge(kernel, file, policyOf(file, policies, own), writer.failed.get(file));
      return { pid: group.id, fd, name: nameOf(kernel, file), ...judged };
    }),
  );
  const shown = new Set(groups.flatMap((group) => filesOf(group).map(([, file]) => file)));
  const problems = [
    ...descriptors.flatMap(({ pid, fd, name, verdict, detail }) =>
      verdict === 'fail' ? [`descriptor ${pid}:${fd} (${name}): ${detail}`] : [],
    ),
    ...[...writer.failed].flatMap(([file, reason]) => (shown.has(file) ? [] : [`${file.describe()}: ${reason}`])),
    ...writer.problems,
  ];
  return {
    possible: problems.length === 0,
    processes: groups.map((group) => ({ pid: group.id, command: commandOf(group) })),
    descriptors,
    trees: treesOf(kernel),
    layers: layers.map(({ name }) => name),
    waits: underWay(kernel),
    problems,
  };
}

/** Threads may have tables of their own. */
function filesOf({ tasks }: ThreadGroup): [number, OpenFile][] {
  return [...new Set([...tasks].map(({ files }) => files))].flatMap((table) => [...table.entries()]);
}

function nameOf({ namespace }: Kernel, file: OpenFile): string {
  const { location } = file;
  if (location === undefined || location.mount.id === 0) return file.outside ?? file.describe();
  return namespace.path(location, namespace.root).text;
}

type Judgement = Pick<Verdict, 'verdict' | 'detail'>;

function judge(kernel: Kernel, file: OpenFile, asked: Policy | undefined, failure: string | undefined): Judgement {
  if (failure !== undefined) return { verdict: 'fail', detail: failure };
  if (file.outside === null) return whereKept(file.inode);
  const reason = objection(file, asked);
  if (reason !== undefined) return { verdict: 'fail', detail: reason };
  const policy = asked ?? (file.inherited >= 0 ? 'caller' : 'error');
  return { verdict: policy, detail: MEANING[policy](file) };
}

const MEANING: Readonly<Record<Policy, (file: OpenFile) => string>> = {
  caller: ({ inherited }) => `descriptor ${inherited} of whoever restores; /dev/null where there is none`,
  reopen: ({ outside }) => `${outside} is opened again`,
  eof: () => 'at its end; what is written goes nowhere',
  error: () => 'a broken connection: ECONNRESET',
  fail: () => 'must not be lost',
};

/** Of files that have names on the host or another machine, an image has the names. */
function whereKept(inode: Inode): Judgement {
  const below = inode instanceof OverlayInode ? (inode.upper ?? inode.lower!) : inode;
  const { origin } = below.fs;
  const names = origin === undefined ? undefined : below.path?.();
  if (names === undefined || names === null) return { verdict: 'kept', detail: 'in the image' };
  return { verdict: 'by-name', detail: [origin!.source.replace(/\/$/, ''), ...names].join('/') };
}
