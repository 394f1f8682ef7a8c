/**
 * Ports: objects through which a machine asks its host. What they answer is recorded, and given again in a replay. Their
 * calls take plain values and buffers, and answer plain values.
 */
import type { Value } from './codec.ts';
import { crc32 } from './crc.ts';

export interface PortShape {
  /** Methods, and for those that fill a buffer: which argument it is; `whole`: all of it, whatever they answer. */
  readonly methods: Readonly<Record<string, { readonly fills?: number; readonly whole?: boolean }>>;
  /** Properties that never change. */
  readonly properties: readonly string[];
}

/** Whatever a port is: methods and properties by name. */
type Members = Record<string, unknown>;
type Method = (...args: unknown[]) => Value;

/** What a recorder or a replayer does with a call: `run` asks the host, where there is one. */
export interface PortLog {
  call(port: string, method: string, args: readonly Value[], fills: Fills | undefined, run: () => Value): Value;
}

/** The caller's buffer, which a call fills. */
export interface Fills {
  readonly buffer: Uint8Array;
  readonly whole: boolean;
}

/** What an answer leaves in the buffer. */
export function filledPart({ buffer, whole }: Fills, answer: Value): Uint8Array | undefined {
  if (whole) return buffer;
  return typeof answer === 'number' && answer > 0 ? buffer.subarray(0, answer) : undefined;
}

/** An argument as it is kept: of bytes only what tells others from them. */
function keep(argument: unknown): Value {
  if (argument instanceof Uint8Array) return { bytes: argument.length, crc: crc32(argument) };
  return argument as Value;
}

/** An object like `real`, whose calls go through `log`; without `real`, one that only the log answers for. */
export function port<T extends object>(name: string, shape: PortShape, log: PortLog, real?: T): T {
  const target = real as Members | undefined;
  const made: Members = {};
  for (const property of shape.properties)
    made[property] = log.call(name, property, [], undefined, () => target![property] as Value);
  for (const [method, { fills, whole = false }] of Object.entries(shape.methods)) {
    made[method] = (...args: unknown[]): Value => {
      const kept = args.map((argument, i) =>
        i === fills && !whole ? (argument as Uint8Array).length : keep(argument),
      );
      const into = fills === undefined ? undefined : { buffer: args[fills] as Uint8Array, whole };
      return log.call(name, method, kept, into, () => (target![method] as Method)(...args));
    };
  }
  return made as T;
}

const named = (names: string): PortShape['methods'] => Object.fromEntries(names.split(' ').map((name) => [name, {}]));

/** src/host/files.ts. */
export const FILES: PortShape = {
  properties: ['birthTimes', 'lasting'],
  methods: {
    ...named('openRoot openDirectory closeDirectory stat statDirectory statOpen list readlink open create close write'),
    ...named(
      'truncate sync allocate mkdir symlink fifo socket link unlink rmdir rename chmod chmodOpen chown chownOpen',
    ),
    ...named('setTimes setTimesOpen getxattr setxattr listxattr removexattr status'),
    read: { fills: 2 },
  },
};

/** src/host/stdio.ts; whenReady is the recorder's and replayer's own. */
export const DESCRIPTOR: PortShape = {
  properties: ['fd', 'kind', 'flags', 'name'],
  methods: {
    ...named('write writeAt seek truncate sync stat poll close'),
    read: { fills: 0 },
    readAt: { fills: 1 },
  },
};

/** src/host/tty.ts. */
export const TERMINAL: PortShape = {
  properties: [],
  methods: { ioctl: { fills: 1, whole: true }, ...named('control remember restore') },
};
