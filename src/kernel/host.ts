/** Thrown by a host, ends the whole machine: run() throws it too. Any other error ends the process that it comes from. */
export class HaltError extends Error {
  override name = 'HaltError';
}

/**
 * What the machine needs of whoever embeds it: time, chance and the event loop. src/host/node.ts implements it for
 * Node.js; nothing in the kernel names `node:*`.
 */
export interface MachineHost {
  /** A monotonic clock in nanoseconds. */
  now(): number;
  /** Wall clock, nanoseconds since 1970. */
  realtime(): bigint;
  randomBytes(count: number): Uint8Array;
  /** Lets the host's events (timers, I/O, Ctrl-C) have their turn; resolves soon after. */
  yield(): Promise<void>;
  /** Sleeps until wake() is called or `nanoseconds` have passed; without a number, until wake(). */
  idle(nanoseconds: number | undefined): Promise<void>;
  /** Ends an idle() early: something became runnable. */
  wake(): void;
  /** A line for whoever operates the machine (stderr). */
  log(line: string): void;
}
