/** Where the directories of an image are now: --map, -v, -M and --remote of restore. */
import { resolve } from 'node:path';
import type { Manifest } from '../checkpoint/image.ts';
import { parseRemoteUrl } from '../remote/url.ts';
import type { RestoreValues } from './commands.ts';
import { CliError, EXIT } from './error.ts';

type TreeValues = Partial<Pick<RestoreValues, 'map' | 'volume' | 'mount' | 'remote'>>;

/** By where they were. */
export function treesNow(values: TreeValues, trees: Manifest['trees']): Record<string, string> {
  const now: Record<string, string> = {};
  const seenAt = (guest: string, option: string, source: string) => {
    const tree = trees.find(({ path }) => path === guest);
    if (tree === undefined) throw new CliError(EXIT.failure, `${option}: the image has nothing at ${guest}`);
    now[tree.source] = place(source);
  };
  for (const map of values.map ?? []) {
    const [old, source] = halves('--map', map, '=', 'OLD=NEW, two paths of the host or URLs');
    const known = trees.find((tree) => tree.source === old || tree.source === resolve(old));
    now[known?.source ?? place(old)] = place(source);
  }
  for (const volume of values.volume ?? []) {
    const [source, guest] = halves('-v', volume, ':', 'HOST:GUEST');
    seenAt(guest, `-v ${volume}`, source);
  }
  for (const mount of values.mount ?? []) {
    const [guest, source] = halves('-M', mount, '=', 'GUEST=URL');
    seenAt(guest, `-M ${mount}`, source);
  }
  if (values.remote !== undefined) seenAt('/', '--remote', values.remote);
  return now;
}

function halves(option: string, text: string, between: string, wanted: string): [string, string] {
  const at = text.indexOf(between);
  if (at <= 0 || at === text.length - 1) throw new CliError(EXIT.failure, `${option} ${text}: give ${wanted}`);
  return [text.slice(0, at), text.slice(at + 1)];
}

const place = (text: string) => (typeof parseRemoteUrl(text) === 'string' ? resolve(text) : text);
