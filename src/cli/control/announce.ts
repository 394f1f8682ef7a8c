/**
 * A machine makes itself known (tallship ps). Nothing of this is loaded before a program has run for a while: short ones,
 * which nobody could have asked for, do not pay.
 */
import { basename } from 'node:path';
import { say } from '../../host/node.ts';
import type { Running } from './commands.ts';

const AFTER_MS = 100;

let remove: (() => void) | undefined;
let withdrawn = false;

/** Later; at once with a name, which someone is going to use. */
export function announce(running: Running, command: readonly string[], name: string | undefined): void {
  const started = Date.now();
  const entry = { version: 1, pid: process.pid, name: name ?? basename(command[0]), command, started } as const;
  const register = async () => {
    try {
      const { register } = await import('./server.ts');
      remove = await register(running, { ...entry, cwd: process.cwd() });
      if (withdrawn) remove?.();
      if (remove === undefined && name !== undefined)
        say('no private directory for a control socket: set XDG_RUNTIME_DIR');
    } catch (error) {
      if (name !== undefined) say(`no control socket: ${(error as Error).message}`);
    }
  };
  process.on('exit', withdraw);
  if (name === undefined) setTimeout(register, AFTER_MS).unref();
  else void register();
}

/** The machine has ended. */
export function withdraw(): void {
  withdrawn = true;
  remove?.();
  remove = undefined;
}
