/** What the guest gets to see of the host: -L, -v, -w and the current directory, checked before anything starts. */
import { dirname, resolve } from 'node:path';
import type { RunValues } from './commands.ts';
import { CliError, EXIT } from './error.ts';
import type { World } from './world.ts';

/** ro: as it is; rw: written through; cow: writable, changes live in memory. */
export type Mode = 'ro' | 'rw' | 'cow';

export interface Grant {
  readonly host: string;
  /** Absolute path in the guest. */
  readonly guest: string;
  readonly mode: Mode;
}

const MODES: readonly string[] = ['ro', 'rw', 'cow'] satisfies Mode[];

/** In the order of mounting: what lies deeper comes later. */
export function grants(values: RunValues, cwd: string, facts: World['facts']): Grant[] {
  const asked = [
    ...values.volume.map((text) => parseVolume(text, cwd)),
    ...values.write.map((directory): Grant => {
      const host = resolve(cwd, directory);
      return { host, guest: host, mode: 'rw' };
    }),
  ];
  for (const grant of asked) check(grant, values.force, facts);
  // -w SYSROOT: the root itself is written through, it need not be seen twice.
  const sysroot = values.sysroot === undefined ? undefined : resolve(cwd, values.sysroot);
  const others = asked.filter(({ host, guest }) => host !== sysroot || guest !== host);
  // The current directory, unless it is / (that would be everything), granted otherwise, or the root is another machine's.
  if (cwd !== '/' && values.remote === undefined && !others.some(({ guest }) => guest === cwd))
    others.push({ host: cwd, guest: cwd, mode: 'cow' });
  return others.sort((a, b) => depth(a.guest) - depth(b.guest));
}

function depth(path: string): number {
  return path.split('/').filter((part) => part !== '').length;
}

function parseVolume(text: string, cwd: string): Grant {
  const parts = text.split(':');
  const mode = parts.length > 1 && MODES.includes(parts.at(-1)!) ? (parts.pop() as Mode) : 'rw';
  if (parts.length > 2 || parts[0] === '') {
    throw new CliError(
      EXIT.failure,
      `-v ${text}: give HOST:GUEST or HOST:GUEST:MODE; MODE is one of ${MODES.join(', ')}`,
    );
  }
  const host = resolve(cwd, parts[0]);
  const guest = parts[1] ?? host;
  if (!guest.startsWith('/')) throw new CliError(EXIT.failure, `-v ${text}: the guest's path starts with /`);
  return { host, guest: resolve(guest), mode };
}

function check({ host, mode }: Grant, force: boolean, facts: World['facts']): void {
  if (facts.place(host) === undefined) {
    throw new CliError(EXIT.failure, `${host} does not exist, so it cannot be granted`);
  }
  if (mode !== 'rw' || force) return;
  for (let above = facts.home(); ; above = dirname(above)) {
    if (host === above) throw new CliError(EXIT.failure, `writing through to all of ${host} needs --force`);
    if (above === '/') return;
  }
}
