/**
 * What a run gets from outside: all of it here, so that a recording can keep it and answer in its place. Facts are asked for
 * before the program starts; the rest serves the machine while it runs.
 */
import { accessSync, constants, openSync, readSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import type { Files } from '../fs/host.ts';
import { HostFiles } from '../host/files.ts';
import { inheritedDescriptors } from '../host/inherited.ts';
import { type CallersLimit, callersLimits } from '../host/limits.ts';
import { NodeHost } from '../host/node.ts';
import { type Descriptor, HostDescriptor } from '../host/stdio.ts';
import { HostTerminal, type Terminal } from '../host/tty.ts';
import type { MachineHost } from '../kernel/host.ts';
import type { Outside } from '../layers/outside.ts';
import type { Machine } from '../machine.ts';

export interface Place {
  readonly type: 'file' | 'directory' | 'other';
  readonly size: number;
}

export interface User {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
}

/** Plain answers. Paths are absolute. */
export class Facts {
  cwd(): string {
    return process.cwd();
  }
  home(): string {
    return homedir();
  }
  environment(): Record<string, string> {
    const env: Record<string, string> = {};
    for (const [name, value] of Object.entries(process.env)) if (value !== undefined) env[name] = value;
    return env;
  }
  user(): User {
    return { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, groups: process.getgroups?.() ?? [] };
  }
  umask(): number {
    return process.umask();
  }
  limits(): CallersLimit[] | undefined {
    return callersLimits();
  }
  /** Our caller's descriptors. */
  descriptors(): number[] {
    return [...inheritedDescriptors()];
  }
  place(path: string): Place | undefined {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return undefined;
    return { type: stat.isDirectory() ? 'directory' : stat.isFile() ? 'file' : 'other', size: stat.size };
  }
  isExecutable(path: string): boolean {
    try {
      accessSync(path, constants.X_OK);
      return statSync(path).isFile();
    } catch {
      return false;
    }
  }
  openArchive(path: string): number {
    return openSync(path, 'r');
  }
  readArchive(fd: number, position: number, into: Uint8Array): number {
    return readSync(fd, into, 0, into.length, position);
  }
}

export interface World {
  readonly host: MachineHost;
  readonly files: Files;
  readonly facts: Pick<Facts, keyof Facts>;
  /** Runs have to be alike: instructions are counted exactly, and nothing depends on the garbage collector. */
  readonly exact: boolean;
  descriptor(fd: number): Descriptor;
  terminal(fd: number): Terminal;
  /** For layers. */
  outside(real: Outside): Outside;
  /** The machine is made, and nothing runs on it yet. */
  attach(machine: Machine): void;
}

export function realWorld(): World {
  return {
    host: new NodeHost(),
    files: new HostFiles(),
    facts: new Facts(),
    exact: false,
    descriptor: (fd) => new HostDescriptor(fd),
    terminal: (fd) => new HostTerminal(fd),
    outside: (real) => real,
    attach: () => {},
  };
}
