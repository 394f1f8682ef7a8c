/** Events in words, and as JSON. */
import type { Value } from './codec.ts';
import type { Event } from './events.ts';

/** What a system call's number is called. */
export type CallName = (nr: number) => string;

const LONG = 60;

function show(value: Value): string {
  if (typeof value === 'string') return JSON.stringify(value.length > LONG ? `${value.slice(0, LONG)}...` : value);
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (Array.isArray(value)) return value.length > 8 ? `${value.length} values` : `[${value.map(show).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return String(value);
  const record = value as { readonly [key: string]: Value };
  if (typeof record.crc === 'number') return `${record.bytes} bytes (${record.crc.toString(16)})`;
  const parts = Object.entries(record).map(([key, part]) => `${key} ${show(part)}`);
  return parts.length > 4 ? `{${parts.slice(0, 4).join(', ')}, ...}` : `{${parts.join(', ')}}`;
}

export function showCall(port: string, method: string, args: readonly Value[]): string {
  return `${port}.${method}(${args.map(show).join(', ')})`;
}

export function showEvent(event: Event | undefined, name: CallName): string {
  switch (event?.kind) {
    case undefined:
      return 'its end';
    case 'now':
    case 'realtime':
      return 'a look at the clock';
    case 'call':
      return `${showCall(event.port, event.method, event.args)} = ${show(event.answer)}`;
    case 'syscall':
      return `${name(event.nr)} of thread ${event.tid} = ${event.answer} after ${event.instructions} instructions`;
    case 'ready':
      return `${event.port} becoming ready`;
    case 'signal':
      return `signal ${(event.info as { signo: number }).signo} from outside to ${event.target} ${event.id}`;
    case 'resume':
      return `a pause after ${event.instructions} instructions`;
    case 'end':
      return `the end after ${event.instructions} instructions`;
  }
}

/** One line of JSON: bytes by their length, 64-bit numbers as text. */
export function eventJson(event: Event, name: CallName): string {
  const shown = event.kind === 'syscall' ? { ...event, name: name(event.nr) } : event;
  return JSON.stringify(shown, (_key, value: unknown) => {
    if (typeof value === 'bigint') return value.toString();
    return value instanceof Uint8Array ? { bytes: value.length } : value;
  });
}
