/**
 * --state DIR: a batch job in one command. Its image is kept in DIR; started again, it goes on from there. DIR and its
 * manifest are there from the start, so that whatever moves the job (HTCondor and its like) always finds them.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { hasImage } from '../host/image/manifest.ts';
import { say } from '../host/node.ts';
import type { ExitStatus } from '../machine.ts';
import type { RunValues } from './commands.ts';
import { isAlive, startOf } from './control/entry.ts';
import { CliError, EXIT } from './error.ts';

const FORMAT = 'tallship-state';
const VERSION = 1;

interface Manifest {
  readonly format: typeof FORMAT;
  readonly version: number;
  readonly command: readonly string[];
  /** Milliseconds since 1970. */
  readonly started: number;
  readonly end?: ExitStatus;
}

/** The state that --state names, for a job that is to run now. */
export function openState(values: RunValues, operands: readonly string[]): JobState {
  for (const other of ['image', 'store'] as const) {
    if (values[other] !== undefined) throw new CliError(EXIT.failure, `--${other} and --state: give one of them`);
  }
  if (operands.length === 0) throw new CliError(EXIT.failure, 'run: which program? See tallship --help');
  return new JobState(values.state!, operands, values.resume ?? 'auto');
}

export class JobState {
  readonly image: string;
  /** An image is there, and the job is to go on from it. */
  readonly resumes: boolean;
  readonly #directory: string;
  readonly #manifest: Manifest;

  /** @param resume 'never': what is there is dropped. */
  constructor(directory: string, command: readonly string[], resume: 'auto' | 'never') {
    this.#directory = resolve(directory);
    this.image = join(this.#directory, 'image');
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    this.#lock();
    const before = this.#read();
    if (resume === 'never') rmSync(this.image, { recursive: true, force: true });
    this.resumes = hasImage(this.image);
    if (this.resumes && before !== undefined && before.command.join('\0') !== command.join('\0')) {
      throw new CliError(
        EXIT.failure,
        `--state ${directory}: it holds another command (${before.command.join(' ')}); give another directory, or --resume never`,
      );
    }
    const started = (this.resumes && before?.started) || Date.now();
    this.#manifest = { format: FORMAT, version: VERSION, command, started };
    this.#write(this.#manifest);
    if (this.resumes) say(`goes on from ${this.image}`);
  }

  /** The job is done: the next start is a new one. */
  ended(end: ExitStatus): void {
    this.#write({ ...this.#manifest, end });
    rmSync(this.image, { recursive: true, force: true });
  }

  #read(): Manifest | undefined {
    let text: string;
    try {
      text = readFileSync(join(this.#directory, 'manifest.json'), 'utf8');
    } catch {
      return undefined; // the first start
    }
    const manifest = parse(text);
    if (manifest?.format === FORMAT && manifest.version === VERSION) return manifest;
    throw new CliError(EXIT.failure, `--state ${this.#directory}: its manifest.json is not Tallship's`);
  }

  #write(manifest: Manifest): void {
    const path = join(this.#directory, 'manifest.json');
    writeFileSync(`${path}.new`, `${JSON.stringify(manifest, null, 1)}\n`, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }

  /** Two jobs on one state would overwrite each other's. On another host a lock tells nothing, and is taken over. */
  #lock(): void {
    const path = join(this.#directory, 'lock');
    try {
      const [pid, start] = readFileSync(path, 'utf8').split('.');
      if (pid !== String(process.pid) && isAlive({ pid: Number(pid), base: `/${pid}.${start}` })) {
        throw new CliError(EXIT.failure, `--state ${this.#directory}: process ${pid} works with it`);
      }
    } catch (error) {
      if (error instanceof CliError) throw error;
    }
    writeFileSync(path, `${process.pid}.${startOf(process.pid) ?? 0}`, { mode: 0o600 });
  }
}

function parse(text: string): Manifest | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
