/** Runs a program of fixtures/bin on a machine of its own, with what it writes in a string. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { O_LARGEFILE, O_RDWR } from '../../src/abi/fs.ts';
import { NodeHost } from '../../src/host/node.ts';
import { type ExitStatus, Machine, type MachineOptions } from '../../src/machine.ts';
import type { Inode } from '../../src/vfs/inode.ts';
import { openPath } from '../../src/vfs/open.ts';
import type { OpenFile } from '../../src/vfs/open-file.ts';
import { failed } from '../../src/wait/wait.ts';
import { memoryFs } from './world.ts';

export interface GuestRun {
  outcome: ExitStatus;
  output: string;
  machine: Machine;
}

export const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/bin/${name}`, import.meta.url));

/** What the real kernel answered a program of fixtures/guest. */
export const golden = (name: string) =>
  fileURLToPath(new URL(`../../fixtures/golden/kernel/${name}.txt`, import.meta.url));

/** A machine with the program as /NAME and an empty file for its output. */
export function prepare(name: string, options: Partial<MachineOptions> = {}) {
  const machine = new Machine({ host: new NodeHost(), mounts: [{ path: '/', fs: memoryFs(70) }], ...options });
  const root = machine.context().fs.root.dentry.inode!;
  put(machine, root, name, readFileSync(fixture(name)), 0o755);
  put(machine, root, 'output', new Uint8Array(0), 0o644);
  const output = openFile(machine, '/output');
  output.hold();
  return { machine, output };
}

/** Runs it to its end. */
export async function runGuest(
  name: string,
  args: string[] = [],
  options?: Partial<MachineOptions>,
): Promise<GuestRun> {
  const { machine, output } = prepare(name, options);
  machine.spawn({ path: `/${name}`, argv: [name, ...args], fds: [null, output, output] });
  const outcome = await machine.run();
  return { outcome, output: content(machine, output), machine };
}

export const content = (machine: Machine, file: OpenFile) => new TextDecoder().decode(contentBytes(machine, file));

export function contentBytes(machine: Machine, file: OpenFile): Uint8Array {
  const ctx = machine.context();
  const stat = file.attributes(ctx);
  if (failed(stat)) throw new Error(`output: ${stat}`);
  const bytes = new Uint8Array(stat.size);
  file.readAt(ctx, 0, bytes);
  return bytes;
}

/** What the program has written to its file /output. */
export const outputOf = (machine: Machine): string => content(machine, openFile(machine, '/output'));

/** A file in a directory. */
export function put(machine: Machine, directory: Inode, name: string, bytes: Uint8Array, mode: number): void {
  const ctx = machine.context();
  const made = directory.create(ctx, name, { mode: 0o100000 | mode, uid: 0, gid: 0 });
  if (failed(made)) throw new Error(`${name}: ${made}`);
  if (bytes.length > 0) made.write(ctx, 0, bytes);
}

export function openFile(machine: Machine, path: string): OpenFile {
  const ctx = machine.context();
  const file = openPath(ctx, ctx.fs.root, path, O_RDWR | O_LARGEFILE);
  if (failed(file)) throw new Error(`${path}: ${file}`);
  return file;
}

/** Node's host, with what it would write to stderr in a list. */
export const quietHost = (lines: string[]) => new NodeHost((line) => lines.push(line));
