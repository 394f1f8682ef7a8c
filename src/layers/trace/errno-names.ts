import * as errno from '../../abi/errno.ts';

/** Names of errors by number. */
export const ERRNO_NAMES: ReadonlyMap<number, string> = new Map(
  Object.keys(errno)
    .filter((name) => /^E[A-Z0-9]+$/.test(name))
    .reverse()
    .map((name) => [(errno as unknown as Record<string, number>)[name], name]),
);
