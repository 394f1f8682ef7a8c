/**
 * Starts Tallship on the other side: a shell there is told to, on its standard input, so that nothing has to be quoted for
 * whatever lies between. Where there is none, --install copies ours.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { say } from '../../host/node.ts';
import { overProcess, sshArguments } from '../../host/transport/process.ts';
import type { StreamTransport } from '../../host/transport/streams.ts';
import type { Transport } from '../../remote/transport.ts';
import { parseRemoteUrl, type RemoteUrl } from '../../remote/url.ts';
import { CliError, EXIT } from '../error.ts';
import { version } from '../version.ts';
import { GREETING } from './messages.ts';

/** What is said before the greeting, by a shell's start-up files: looked through, up to here. */
const MOST_NOISE = 1 << 16;

const MISSING = 'tallship-missing';
const READY = 'tallship-ready';
const DONE = 'tallship-done';

type Reachable = RemoteUrl & { kind: 'ssh' | 'exec' };

export interface There {
  readonly transport: Transport;
  /** What came behind the greeting. */
  readonly early: Uint8Array;
}

/** @param command what runs there: tallship COMMAND. */
export async function startThere(
  text: string,
  install: boolean,
  command: 'crew' | 'berth' = 'crew',
  option = '--on',
): Promise<There> {
  const url = parseRemoteUrl(text);
  if (typeof url === 'string') throw new CliError(EXIT.failure, `${option}: ${url}`);
  if (url.kind !== 'ssh' && url.kind !== 'exec') {
    throw new CliError(EXIT.failure, `${option} ${text}: give ssh://[USER@]HOST[:PORT] or exec:COMMAND`);
  }
  try {
    const first = await start(url, install, command);
    if ('transport' in first) return first;
    if (!install || first.missing === 'node') throw new Error(whatIsMissing(first, url, install));
    await copyThere(url, first);
    const second = await start(url, install, command);
    if ('transport' in second) return second;
    throw new Error(whatIsMissing(second, url, install));
  } catch (error) {
    throw error instanceof CliError
      ? error
      : new CliError(EXIT.failure, `${option} ${text}: ${(error as Error).message}`);
  }
}

interface Missing {
  readonly missing: 'node' | 'tallship';
  /** Of the machine there, as Node names it: linux-x64. */
  readonly platform: string;
}

function whatIsMissing({ missing }: Missing, url: Reachable, install: boolean): string {
  if (missing === 'node') return `there is no Node.js at ${nameOf(url)}, which Tallship needs`;
  return install
    ? 'the copy that was made does not start'
    : `there is no tallship at ${nameOf(url)}; --install copies it there`;
}

function nameOf(url: Reachable): string {
  return url.kind === 'ssh' ? url.host : `the other side of ${url.command}`;
}

/** Where our copy is there: another version has another place. */
function place(): string {
  const hash = createHash('sha256')
    .update(readFileSync(join(HERE, 'main.cjs')))
    .digest('hex');
  return `.cache/tallship/crew-${hash.slice(0, 16)}`;
}

/** The directory of the bundle. */
const HERE = dirname(fileURLToPath(import.meta.url));
const PACKAGE = join(HERE, '../../..');

async function open(url: Reachable, script: string): Promise<StreamTransport> {
  const transport =
    url.kind === 'ssh'
      ? await overProcess('ssh', [...sshArguments(url), 'sh'], url.host)
      : await overProcess('/bin/sh', ['-c', `${url.command} sh`], url.command);
  transport.send(new TextEncoder().encode(script));
  return transport;
}

async function start(url: Reachable, install: boolean, command: string): Promise<There | Missing> {
  const own = `[ -f "$d/dist/src/bin/tallship.js" ] && command -v node >/dev/null 2>&1 && exec node "$d/dist/src/bin/tallship.js" ${command}`;
  const found = `command -v tallship >/dev/null 2>&1 && exec tallship ${command}`;
  const transport = await open(
    url,
    `{ d="$HOME/${place()}"
${install ? own : found}
${install ? found : own}
if command -v node >/dev/null 2>&1; then echo "${MISSING} tallship $(node -p 'process.platform + "-" + process.arch')"
else echo "${MISSING} node"; fi; exit 0; }\n`,
  );
  const { line, rest } = await readLine(transport, [GREETING, MISSING]);
  const [word, ...words] = line.split(' ');
  if (word === MISSING) {
    transport.close();
    return { missing: words[0] as Missing['missing'], platform: words[1] ?? '' };
  }
  const theirs = words.join(' ');
  if (theirs === version()) return { transport, early: rest };
  transport.close();
  throw new Error(
    `${nameOf(url)} has ${theirs}, this is ${version()}${install ? '' : '; --install copies this one there'}`,
  );
}

/** Sends the package, as far as running programs needs it, in a tar stream. */
async function copyThere(url: Reachable, { platform }: Missing): Promise<void> {
  say(`copying Tallship to ${nameOf(url)}`);
  const transport = await open(
    url,
    `{ d="$HOME/${place()}"; rm -rf "$d.new"; mkdir -p "$d.new" && cd "$d.new" && echo ${READY} && tar xzf - && cd .. && rm -rf "$d" && mv "$d.new" "$d" && echo ${DONE}; exit; }\n`,
  );
  await readLine(transport, [READY]);
  const { spawn } = await import('node:child_process');
  // V8's cache is of use to the very same Node.js alone.
  const parts = ['--exclude=*.cache', 'package.json', 'dist/src/bin', 'dist/src/interp'];
  const tar = spawn('tar', ['czhf', '-', '-C', PACKAGE, ...parts, ...nativeParts(platform)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const done = readLine(transport, [DONE]);
  for await (const bytes of tar.stdout) transport.send(bytes);
  transport.finish();
  await done;
  transport.close();
}

/** koffi has a file for each kind of machine: ours is of use on the same kind only; without it all works, slower. */
function nativeParts(platform: string): string[] {
  if (platform !== `${process.platform}-${process.arch}`) return [];
  try {
    const koffi = dirname(createRequire(import.meta.url).resolve('koffi'));
    const parts = [koffi, join(koffi, '../@koromix')].filter(existsSync).map((path) => relative(PACKAGE, path));
    return parts.some((path) => path.startsWith('..')) ? [] : parts;
  } catch {
    return [];
  }
}

/** The first line that begins with one of the words. */
export function readLine(transport: Transport, words: readonly string[]): Promise<{ line: string; rest: Uint8Array }> {
  return new Promise((resolve, reject) => {
    let seen = Buffer.alloc(0);
    let found = false;
    transport.receive({
      data: (bytes) => {
        if (found) return;
        seen = Buffer.concat([seen, bytes]);
        for (let from = 0, end = seen.indexOf(10); end >= 0; from = end + 1, end = seen.indexOf(10, from)) {
          const line = seen.toString('utf8', from, end).trimEnd();
          if (!words.includes(line.split(' ')[0])) continue;
          found = true;
          return resolve({ line, rest: Uint8Array.from(seen.subarray(end + 1)) });
        }
        if (seen.length > MOST_NOISE) reject(new Error('what comes from there is not Tallship'));
      },
      closed: (error) => reject(new Error(error ?? 'the connection ended before Tallship started there')),
    });
  });
}
