/** A recording's directory: run.json says what was run, `events` holds what it got from outside. */
import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { packer } from '../host/packer.ts';
import { DamagedRecording, FORMAT_VERSION } from '../replay/frames.ts';
import { LogReader, LogWriter } from '../replay/log.ts';
import type { RunValues } from './commands.ts';
import { CliError, EXIT } from './error.ts';
import { version } from './version.ts';

const MANIFEST = 'run.json';
const EVENTS = 'events';

export interface Manifest {
  readonly format: number;
  readonly tallship: string;
  readonly node: string;
  readonly date: string;
  readonly operands: readonly string[];
  readonly values: RunValues;
}

/** A new directory, readable by its owner alone: it holds all that the program has read. */
export function createRecording(directory: string, values: RunValues, operands: readonly string[]): LogWriter {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (readdirSync(directory).length > 0) {
    throw new CliError(EXIT.failure, `--record ${directory}: the directory is not empty; name a new one`);
  }
  const manifest: Manifest = {
    ...{ format: FORMAT_VERSION, tallship: version(), node: process.version, date: new Date().toISOString() },
    ...{ operands, values },
  };
  writeFileSync(join(directory, MANIFEST), `${JSON.stringify(manifest, null, 1)}\n`, { mode: 0o600 });
  const fd = openSync(join(directory, EVENTS), 'wx', 0o600);
  return new LogWriter((bytes) => {
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
  }, packer);
}

export function openRecording(directory: string): { manifest: Manifest; log: LogReader } {
  let manifest: Manifest;
  let fd: number;
  try {
    manifest = JSON.parse(readFileSync(join(directory, MANIFEST), 'utf8'));
    fd = openSync(join(directory, EVENTS), 'r');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const reason = code === undefined ? `its ${MANIFEST} is damaged` : 'there is no recording in this directory';
    throw new CliError(EXIT.failure, `${directory}: ${reason}`);
  }
  const { size } = fstatSync(fd);
  const read = (position: number, length: number): Uint8Array => {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, size - position)));
    return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, position));
  };
  try {
    if (typeof manifest.values !== 'object' || !Array.isArray(manifest.operands))
      throw new DamagedRecording(`its ${MANIFEST} is damaged`);
    return { manifest, log: new LogReader({ size, read }, packer) };
  } catch (error) {
    closeSync(fd);
    throw asCliError(directory, error);
  }
}

export function asCliError(directory: string, error: unknown): unknown {
  return error instanceof DamagedRecording ? new CliError(EXIT.failure, `${directory}: ${error.message}`) : error;
}
