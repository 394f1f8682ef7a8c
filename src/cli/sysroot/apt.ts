/** apt-get with a state of its own: resolves and downloads i386 packages without root and without touching the host's. */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CliError } from '../error.ts';
import type { Progress } from '../progress.ts';

export interface Apt {
  /** Private directory: lists, downloaded packages, configuration. */
  readonly directory: string;
  /** The sysroot's own dpkg status: what is installed there already is not fetched again. */
  readonly status: string;
  /** A sources.list to use in place of the host's. */
  readonly sources?: string;
  readonly recommends: boolean;
}

/** Package lists older than this are fetched again. */
const LISTS_MAX_AGE_MS = 24 * 3600 * 1000;

export function aptConfiguration(apt: Apt): string {
  const { directory } = apt;
  mkdirSync(join(directory, 'lists/partial'), { recursive: true });
  mkdirSync(join(directory, 'archives/partial'), { recursive: true });
  mkdirSync(join(directory, 'empty'), { recursive: true });
  const settings: [string, string][] = [
    ['Dir::State', directory],
    ['Dir::State::lists', join(directory, 'lists')],
    ['Dir::State::status', apt.status],
    ['Dir::State::extended_states', join(directory, 'extended_states')],
    ['Dir::Cache', directory],
    ['Dir::Cache::archives', join(directory, 'archives')],
    ['Dir::Log', directory],
    ['Dir::Etc::main', '/dev/null'],
    ['Dir::Etc::parts', join(directory, 'empty')],
    ['Dir::Etc::preferencesparts', join(directory, 'empty')],
    ['APT::Architecture', 'i386'],
    ['APT::Install-Recommends', String(apt.recommends)],
    ['APT::Get::List-Cleanup', 'false'],
    ['APT::Sandbox::User', 'root'],
    ['Acquire::Languages', 'none'],
  ];
  if (apt.sources !== undefined) {
    settings.push(['Dir::Etc::sourcelist', apt.sources], ['Dir::Etc::sourceparts', join(directory, 'empty')]);
  }
  const lines = settings.map(([name, value]) => `${name} "${value}";`);
  // The host's own hooks (docker-clean empties caches) stay out; its proxies, mirrors' options and retries count.
  const text = [...hostAcquireSettings(), 'APT::Architectures { "i386"; };', ...lines].join('\n');
  const path = join(directory, 'apt.conf');
  writeFileSync(path, `${text}\n`);
  return path;
}

function hostAcquireSettings(): string[] {
  const dump = execFileSync('apt-config', ['dump'], { encoding: 'utf8' });
  return dump.split('\n').filter((line) => line.startsWith('Acquire::') && !/Languages|DefaultEnabled/.test(line));
}

/** Fetches the package lists when there are none, or they are old. A source that fails only costs its own packages. */
export async function update(apt: Apt, configuration: string, progress: Progress): Promise<void> {
  const stamp = join(apt.directory, 'updated');
  const key = apt.sources ?? 'host';
  if (
    existsSync(stamp) &&
    readFileSync(stamp, 'utf8') === key &&
    Date.now() - statSync(stamp).mtimeMs < LISTS_MAX_AGE_MS
  ) {
    return;
  }
  const { status, errors } = await run(['update'], configuration, (text) => progress.show('package lists', text));
  if (status !== 0) for (const line of errors) progress.note(line);
  writeFileSync(stamp, key);
}

/** What every Debian has beside libc6, and programs count on: accounts, profiles, the C.UTF-8 locale, getconf. */
const ALWAYS = ['base-files', 'base-passwd', 'libc-bin'];

/** The .deb files that the packages and what they depend on need beyond what is installed. */
export async function download(
  apt: Apt,
  configuration: string,
  packages: readonly string[],
  progress: Progress,
): Promise<string[]> {
  let wanted = packages;
  let files = await plan(apt, configuration, wanted);
  if (files.some((file) => file.startsWith('libc6_'))) {
    wanted = [...packages, ...ALWAYS];
    files = await plan(apt, configuration, wanted);
  }
  const fetch = await run(['install', '--download-only', '-qq', '-y', ...wanted], configuration, (text) =>
    progress.show('download', text),
  );
  if (fetch.status !== 0) throw new CliError(125, `apt-get: ${explain(fetch.errors)}`);
  return files;
}

/** Files that are in the archive directory already are not listed by apt-get: for the plan it looks at an empty one. */
async function plan(apt: Apt, configuration: string, packages: readonly string[]): Promise<string[]> {
  const archives = `Dir::Cache::archives=${join(apt.directory, 'empty')}`;
  const answer = await run(['install', '--print-uris', '-qq', '-y', '-o', archives, ...packages], configuration);
  if (answer.status !== 0) throw new CliError(125, `apt-get: ${explain(answer.errors)}`);
  return [...answer.output.matchAll(/^'[^']*' (\S+) \d+/gm)].map((match) => match[1]);
}

function explain(errors: readonly string[]): string {
  const text = errors.join('; ') || 'failed without saying why';
  return `${text} (the host's apt sources decide what can be had; --sources FILE names others)`;
}

interface Outcome {
  status: number | null;
  output: string;
  /** apt's own "E:" lines. */
  errors: string[];
}

/** Two runs at once: apt locks its directories; wait for the other one, then go on. */
async function run(args: string[], configuration: string, show?: (text: string) => void): Promise<Outcome> {
  for (let attempt = 0; ; attempt++) {
    const outcome = await runOnce(args, configuration, show);
    const locked = outcome.errors.some((line) => line.includes('Could not get lock'));
    if (!locked || attempt === 600) return outcome;
    show?.('waiting for another tallship sysroot');
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

function runOnce(args: string[], configuration: string, show?: (text: string) => void): Promise<Outcome> {
  const env = { ...process.env, APT_CONFIG: configuration, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' };
  const child = spawn('apt-get', ['-o', 'APT::Status-Fd=3', ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  let output = '';
  let messages = '';
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    messages += text;
  });
  child.stdio[3]!.on('data', (data: Buffer) => {
    // dlstatus:<item>:<percent>:<message>
    const line = data.toString().trimEnd().split('\n').at(-1)!.split(':');
    if (line[0] === 'dlstatus') show?.(`${Math.floor(Number(line[2]))}%`);
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => {
      const errors = messages.split('\n').filter((line) => line.startsWith('E: '));
      resolve({ status, output, errors: errors.map((line) => line.slice(3)) });
    });
  });
}
