/** Signals of the host, passed on to the guest; and the guest's end, shown to our caller as the kernel would. */
import { constants } from 'node:os';
import { libc } from './libc.ts';

/** What is passed on. SIGCHLD, and what a fault of Node itself raises, is ours; SIGKILL and SIGSTOP cannot be caught. */
export const PASSED_ON = [
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGTERM',
  'SIGUSR1',
  'SIGUSR2',
  'SIGALRM',
  'SIGVTALRM',
  'SIGTSTP',
  'SIGCONT',
  'SIGWINCH',
  'SIGURG',
  'SIGIO',
] as const;

export type PassedOn = (typeof PASSED_ON)[number];

const RLIMIT_CORE = 4;

let listeners: [PassedOn, () => void][] = [];

/** From now on signals for this process go to `receive`. */
export function receiveSignals(receive: (name: PassedOn) => void): void {
  ignoreSignals();
  listeners = PASSED_ON.map((name) => [name, () => receive(name)]);
  for (const [name, listener] of listeners) process.on(name, listener);
}

/** Back to the default actions. */
export function ignoreSignals(): void {
  for (const [name, listener] of listeners) process.off(name, listener);
  listeners = [];
}

/** Ends this process by a signal, so that the shell sees what ended the guest. */
export function dieOf(signal: number): never {
  ignoreSignals();
  dropCore();
  const name = Object.entries(constants.signals).find(([, number]) => number === signal)?.[0];
  if (name !== undefined && signal !== constants.signals.SIGKILL && signal !== constants.signals.SIGSTOP) {
    // Node ignores SIGPIPE; a listener that comes and goes brings the default action back.
    const nothing = () => {};
    try {
      process.on(name, nothing).off(name, nothing);
    } catch {} // SIGSEGV and its like take no listener and have the default action
  }
  process.kill(process.pid, signal);
  // The signal is on its way: nothing of ours should run any more.
  const clock = new Int32Array(new SharedArrayBuffer(4));
  Atomics.wait(clock, 0, 0, 1000);
  return process.exit(128 + signal);
}

/**
 * Ends this process. V8 would first finish optimising the interpreter, in a program too short to profit from it: 100 ms. All
 * that we write is written by then, so there is nothing to wait for. Node's own exit is for whoever asked Node for profiles.
 */
export function exitAtOnce(status: number): never {
  const asked = process.execArgv.length > 0 || process.env.NODE_OPTIONS || process.env.NODE_V8_COVERAGE;
  if (!asked) {
    process.emit('exit', status);
    libc()?._exit(status);
  }
  return process.exit(status);
}

/** A core of Node would be gigabytes that say nothing about the guest. */
function dropCore(): void {
  libc()?.setrlimit(RLIMIT_CORE, new BigUint64Array(2));
}

/** Stops this process as the guest was stopped (Ctrl-Z); returns when someone continues it. */
export function stopLike(name: 'SIGTSTP' | 'SIGSTOP' | 'SIGTTIN' | 'SIGTTOU'): void {
  const mine = listeners.filter(([listened]) => listened === name);
  for (const [listened, listener] of mine) process.off(listened, listener);
  process.kill(process.pid, name);
  for (const [listened, listener] of mine) process.on(listened, listener);
}
