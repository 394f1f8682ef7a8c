/** The file systems that every file test runs over. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { HostFs } from '../../src/fs/host.ts';
import { OverlayFs } from '../../src/fs/overlay.ts';
import { HostFiles, hostIds } from '../../src/host/files.ts';
import type { FileSystem } from '../../src/vfs/inode.ts';
import { failed } from '../../src/wait/wait.ts';
import { BlockingFs } from '../fs/blocking.ts';
import { remoteFs } from './loopback.ts';
import { memoryFs } from './world.ts';

const made: string[] = [];
// Registered while the file is collected: properties make directories in the middle of a test, when it is too late.
afterAll(() => {
  for (const path of made) rmSync(path, { recursive: true, force: true });
});

export function hostDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), 'tallship-test-'));
  chmodSync(path, 0o755);
  made.push(path);
  return path;
}

export function hostFs(path = hostDirectory(), readOnly = false, portable = false): HostFs {
  const fs = HostFs.open({ files: new HostFiles(portable), path, device: 30, readOnly, ...hostIds() });
  if (failed(fs)) throw new Error(`${path}: ${fs}`);
  return fs;
}

export function overlayFs(upper: FileSystem, lower: FileSystem): OverlayFs {
  return new OverlayFs({ device: 40, upper, lower });
}

/** Writable, empty file systems by name. */
export const TREES: readonly [string, () => FileSystem][] = [
  ['memory', () => memoryFs()],
  ['host directory', () => hostFs()],
  ['overlay', () => overlayFs(memoryFs(41, 2 ** 31), memoryFs(42))],
  ['overlay on a host directory', () => overlayFs(memoryFs(41, 2 ** 31), hostFs())],
  ['blocking memory', () => new BlockingFs(memoryFs())],
  ['remote memory', () => remoteFs(memoryFs(), 'cached')],
  ['remote memory, direct', () => remoteFs(memoryFs(), 'direct')],
  ['overlay of blocking layers', () => overlayFs(new BlockingFs(memoryFs(41, 2 ** 31)), new BlockingFs(memoryFs(42)))],
];

/** And one with less than Linux gives: no FIFOs, no rename flags, times to the microsecond. */
export const ALL_TREES: typeof TREES = [...TREES, ['host directory by paths', () => hostFs(undefined, false, true)]];
