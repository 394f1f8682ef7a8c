/** What a machine is beside the objects that its processes hold: the root of an image. */
import {
  anything,
  bool,
  int,
  integer,
  list,
  maybe,
  noneOr,
  optional,
  pair,
  real,
  record,
  ref,
  size,
  text,
  wide,
  word,
} from '../fs/image/shape.ts';

const pid = integer(0, 2 ** 22);
const owner = ref();

export const MACHINE_STATE = record({
  version: integer(1, 1),
  cpu: text,
  clock: record({ monotonic: real, offset: wide }),
  uts: record({ sysname: text, nodename: text, release: text, version: text, machine: text, domainname: text }),
  ...{ nextPid: pid, forks: size, devices: size },
  first: maybe(record({ pid, status: maybe(word) })),
  tasks: list(ref('task')),
  groups: list(ref('group')),
  /** Thread ids: sleepers that look again first, then who is to run. */
  queue: list(pid),
  mounts: list(ref('mount')),
  nextMount: size,
  futexes: list(record({ tid: pid, mm: ref('mm'), address: integer(0, 2 ** 32), bitset: word, woken: bool })),
  fifos: list(pair(ref(), ref('pipe'))),
  locks: list(
    record({
      inode: ref(),
      records: list(record({ type: int, start: real, end: real, pid: int, owner })),
      shared: list(owner),
      exclusive: noneOr(owner),
    }),
  ),
  semaphores: record({ next: size, objects: list(ref('semaphores')) }),
  messages: record({ next: size, objects: list(ref('messages')) }),
  segments: record({ next: size, objects: list(ref('segment')) }),
  queues: list(ref('message-queue')),
  terminals: list(ref('pts-inode')),
  /** Names of the layers, outermost first, and what they keep themselves. */
  layers: list(record({ name: text, state: optional(anything) })),
});

/** Members of Kernel, and where an image has them. A test keeps this complete. */
export const KERNEL_DERIVED = {
  host: 'the restoring side has its own',
  table: 'the restoring side has its own; calls in layers: in the tasks',
  namespace: 'mounts',
  clock: 'clock',
  random: 'never the same keys twice: seeded anew',
  timers: 'armed by what waits for them',
  signals: 'in tasks and groups',
  scheduler: 'queue',
  futexes: 'futexes',
  shares: 'counted again',
  semaphores: 'semaphores',
  messages: 'messages',
  segments: 'segments',
  anonymous: 'anonymous-fs',
  socketNames: 'sockets enter their names',
  queues: 'queues',
  fifos: 'fifos',
  signalArrived: 'sleepers look again',
  uts: 'uts',
  protection: 'the restoring side has its own',
  hwcap: 'follows from cpu',
  objects: 'shared-object',
  tasks: 'tasks',
  groups: 'groups',
  nextPid: 'nextPid',
  forks: 'forks',
} as const;
