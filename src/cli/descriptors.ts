/** --fd of checkpoint, restore and migrate: what becomes of descriptors that lead outside. */
import { openSync } from 'node:fs';
import { POLICIES, type Policy } from '../fs/image/index.ts';
import { CliError, EXIT } from './error.ts';

export interface AskedDescriptors {
  readonly policies: Readonly<Record<string, Policy>>;
  /** Files that take their place. */
  readonly paths: ReadonlyMap<string, string>;
}

const isPolicy = (word: string): word is Policy => (POLICIES as readonly string[]).includes(word);

/** N, PID:N or `others`; what follows the first = is a policy, or a path. */
export function parseDescriptors(texts: readonly string[]): AskedDescriptors {
  const policies: Record<string, Policy> = {};
  const paths = new Map<string, string>();
  for (const text of texts) {
    const [, key, what] = /^((?:\d+:)?\d+|others)=(.+)$/s.exec(text) ?? [];
    if (key === undefined) throw new CliError(EXIT.failure, `--fd ${text}: give N=WHAT, PID:N=WHAT or others=WHAT`);
    if (isPolicy(what)) policies[key] = what;
    else paths.set(key, what);
  }
  return { policies, paths };
}

/** The same where there can be no files yet. */
export function parsePolicies(texts: readonly string[]): AskedDescriptors['policies'] {
  const { policies, paths } = parseDescriptors(texts);
  for (const [key, what] of paths) {
    throw new CliError(EXIT.failure, `--fd ${key}=${what}: give one of ${POLICIES.join(', ')}`);
  }
  return policies;
}

/** For reading and writing where it may be written. */
export function openAny(path: string): number {
  for (const flags of ['r+', 'a+', 'r']) {
    try {
      return openSync(path, flags);
    } catch {} // the next way
  }
  throw new CliError(EXIT.failure, `--fd: ${path} cannot be opened`);
}
