/** System V semaphores, message queues and shared memory. */
import { plainFields } from '../../fs/image/image.ts';
import type { Kind } from '../../fs/image/index.ts';
import { bytes, int, integer, list, pair, pick, record, ref, size, word } from '../../fs/image/shape.ts';
import { MessageQueue } from '../../kernel/message-queues.ts';
import { SemaphoreSet } from '../../kernel/semaphores.ts';
import { Segment } from '../../kernel/shared-memory.ts';
import type { SharedObject } from '../../memory/shared-object.ts';
import { ImageError } from '../image.ts';
import { worldOf } from '../world.ts';

const PERM = record({ key: int, uid: word, gid: word, cuid: word, cgid: word, mode: word, seq: word });
const TIME = record({ low: int, high: int });
const pid = integer(0, 2 ** 22);
type Stamp = { low: number; high: number };
type Perm = SemaphoreSet['perm'];

export const SEMAPHORE_STATE = record({ id: size, perm: PERM, otime: TIME, ctime: TIME });
export const SEMAPHORE_DERIVED = {
  values: 'values',
  pids: 'pids',
  undo: 'undo',
  changed: 'a sleeper looks again at what it waits for',
  waiting: 'a sleeper looks again at what it waits for',
} as const;

const semaphores: Kind<SemaphoreSet> = {
  name: 'semaphores',
  shape: record({
    ...SEMAPHORE_STATE.members,
    ...{ values: list(int, 32000), pids: list(pid, 32000), undo: list(pair(pid, list(int, 32000))) },
  }),
  is: (object): object is SemaphoreSet => object instanceof SemaphoreSet,
  save: (set) => ({
    ...plainFields(structuredClone(pick(set, SEMAPHORE_STATE))),
    ...{ values: [...set.values], pids: [...set.pids] },
    undo: [...set.undo].map(([{ id }, adjustments]) => [id, [...adjustments]]),
  }),
  create(fields) {
    const values = fields.values as number[];
    const set = new SemaphoreSet(
      fields.id as number,
      fields.perm as unknown as Perm,
      values.length,
      fields.ctime as Stamp,
    );
    if ((fields.pids as number[]).length !== values.length) throw new ImageError('a semaphore set is incomplete');
    set.otime = fields.otime as Stamp;
    set.values.set(values);
    set.pids.set(fields.pids as number[]);
    return set;
  },
  link(set, fields, reader) {
    for (const [id, adjustments] of fields.undo as [number, number[]][]) {
      const group = worldOf(reader).kernel.groups.get(id);
      if (group === undefined || adjustments.length !== set.values.length)
        throw new ImageError('semaphores to be undone by nobody');
      set.undo.set(group, Int32Array.from(adjustments));
    }
  },
};

export const QUEUE_STATE = record({
  ...{ id: size, perm: PERM, ctime: TIME, limit: size, bytes: size, lastSender: pid, lastReceiver: pid },
  ...{ stime: TIME, rtime: TIME, messages: list(record({ type: int, data: bytes })) },
});
export const QUEUE_DERIVED = {
  arrived: 'a sleeper looks again at what it waits for',
  left: 'a sleeper looks again at what it waits for',
} as const;

const messages: Kind<MessageQueue> = {
  name: 'messages',
  shape: QUEUE_STATE,
  is: (object): object is MessageQueue => object instanceof MessageQueue,
  save: (queue) => plainFields(structuredClone(pick(queue, QUEUE_STATE))),
  create(fields) {
    const queue = new MessageQueue(fields.id as number, fields.perm as unknown as Perm, fields.ctime as Stamp);
    return Object.assign(queue, fields);
  },
};

export const SEGMENT_STATE = record({
  ...{ id: size, perm: PERM, size, creator: pid, lastPid: pid, atime: TIME, dtime: TIME, ctime: TIME },
});
export const SEGMENT_DERIVED = { object: 'object' } as const;

const segment: Kind<Segment> = {
  name: 'segment',
  shape: record({ ...SEGMENT_STATE.members, object: ref('shared-object') }),
  is: (object): object is Segment => object instanceof Segment,
  save: (one, writer) => ({ ...plainFields(structuredClone(pick(one, SEGMENT_STATE))), object: writer.id(one.object) }),
  create(fields, reader) {
    const { object, ...state } = fields;
    const made = state as unknown as Segment;
    return Object.assign(new Segment(made, reader.object<SharedObject>(object)), state);
  },
};

export const IPC_KINDS = [semaphores, messages, segment] as readonly Kind<object>[];
