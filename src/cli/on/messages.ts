/** What home and the machine on the other side tell each other, beside files and the bytes of descriptors: lines of JSON. */
import type { PassedOn } from '../../host/signals.ts';
import type { Channel } from '../../remote/mux.ts';
import type { RunValues } from '../commands.ts';
import { TRACE_OPTIONS } from '../run-options.ts';

/** Both sides must be of one version: the channel carries what they have in common. */
export const GREETING = 'tallship-crew';

/** A directory or file of home. */
export interface Tree {
  readonly guest: string;
  readonly mode: 'ro' | 'rw' | 'cow';
  /** First column of /proc/mounts. */
  readonly source: string;
  /** The option that would keep changes. */
  readonly keep?: string;
}

/** Descriptors of the program that are one stream, or one terminal, at home. */
export interface StreamPlan {
  readonly fds: readonly number[];
  /** The program reads it; otherwise it writes it. */
  readonly reads: boolean;
  readonly terminal: boolean;
}

export interface StartMessage {
  readonly kind: 'start';
  readonly path: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly user: { readonly uid: number; readonly gid: number; readonly groups: readonly number[] };
  readonly umask: number;
  readonly trees: readonly Tree[];
  /** In the order of the channels that follow. */
  readonly streams: readonly StreamPlan[];
  /** struct termios2 and the window's size, where there is a terminal. */
  readonly terminal?: { readonly modes: readonly number[]; readonly size: WindowSize };
  /** In the name of the directory there that keeps changes of --io session, if they cannot come home. */
  readonly mark: string;
  readonly options: SentOptions;
  /** Of layers, by the names that the options give them. */
  readonly files: Readonly<Record<string, string>>;
}

/** Options of the machine: it is there. */
export const SENT = [
  ...([
    'protection',
    'cpu',
    'seed',
    'jit',
    'quiet',
    'io',
    'forward',
    'stats',
    'json',
    'max-insns',
    'layer',
    'inject',
  ] as const),
  ...(Object.keys(TRACE_OPTIONS) as (keyof typeof TRACE_OPTIONS)[]),
];
export type SentOptions = Pick<RunValues, (typeof SENT)[number]>;

export interface WindowSize {
  readonly row: number;
  readonly col: number;
  readonly xpixel: number;
  readonly ypixel: number;
}

export type FromHome =
  | StartMessage
  | { readonly kind: 'signal'; readonly name: PassedOn }
  /** All processes end. */
  | { readonly kind: 'kill' }
  | { readonly kind: 'size'; readonly size: WindowSize };

export type FromCrew =
  | { readonly kind: 'exit'; readonly status?: number; readonly signal?: number }
  /** The program could not be started, or Tallship failed there: a line, and the exit status. */
  | { readonly kind: 'failure'; readonly status: number; readonly message: string }
  | { readonly kind: 'say'; readonly line: string }
  /** Of layers and --stats: as it is to standard error, or into a file that the options name. */
  | { readonly kind: 'error'; readonly text: string }
  | { readonly kind: 'output'; readonly path: string; readonly text: string }
  | { readonly kind: 'stopped'; readonly signal: number };

/** Messages over a channel. */
export function talk<Out, In>(channel: Channel, receive: (message: In) => void): (message: Out) => void {
  let rest = '';
  const decoder = new TextDecoder();
  channel.receive({
    data: (bytes) => {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n');
      rest = lines.pop()!;
      for (const line of lines) receive(JSON.parse(line) as In);
    },
    closed: () => {},
  });
  const encoder = new TextEncoder();
  return (message) => channel.send(encoder.encode(`${JSON.stringify(message)}\n`));
}
