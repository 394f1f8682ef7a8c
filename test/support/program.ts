/**
 * "The same bytes on stdout, the same files and the same exit status as natively": one test per program and task. Where the
 * machine can run the program itself, that is what the VM is compared with; elsewhere with what was recorded
 * (fixtures/golden/programs, by TALLSHIP_RECORD=1 npm test on a machine that can).
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { hasNativeSysroot, native, type Outcome, snapshot, tallship } from './run.ts';
import { sysroot } from './sysroot.ts';

export interface Task {
  /** What docs/COMPATIBILITY.md says was compared. */
  name: string;
  /** Program and arguments; a string is a script for `sh`. */
  run: readonly string[] | string;
  /** Which shell, for a script. */
  shell?: readonly string[];
  /** Files in the working directory before. */
  files?: Readonly<Record<string, string | Uint8Array>>;
  stdin?: string | Uint8Array;
  /** Names of files whose content cannot be the same twice. */
  ignore?: RegExp;
  env?: Record<string, string>;
  /** Milliseconds the VM may take. */
  timeout?: number;
}

interface Observation extends Outcome {
  files: Record<string, string>;
}

const GOLDEN = fileURLToPath(new URL('../../fixtures/golden/programs', import.meta.url));

export function programs(suite: string, tasks: readonly Task[]): void {
  const root = sysroot();
  describe(suite, () => {
    if ('missing' in root) {
      it.skip(`${tasks.length} programs: ${root.missing}`);
      return;
    }
    for (const task of tasks) {
      it(task.name, () => check(suite, task, root.path), task.timeout ?? 120_000);
    }
  });
}

async function check(suite: string, task: Task, root: string): Promise<void> {
  const path = join(GOLDEN, slug(suite), `${slug(task.name)}.json`);
  const expected = hasNativeSysroot(root) ? await natively(suite, task, root) : recorded(path);
  if (process.env.TALLSHIP_RECORD && hasNativeSysroot(root)) record(path, expected);
  expect(await inVm(suite, task, root)).toEqual(expected);
}

function slug(name: string): string {
  return name.replace(/[^a-z0-9]+/gi, '-');
}

/** A directory of the sysroot for one task; `kind` keeps the two ways to run it apart. */
function directoryFor(suite: string, task: Task, root: string, kind: string): { host: string; guest: string } {
  const id = slug(`${suite}-${task.name}`);
  const host = join(root, 'work', `${id}${kind}`);
  rmSync(host, { recursive: true, force: true });
  mkdirSync(host, { recursive: true });
  for (const [name, content] of Object.entries(task.files ?? {})) {
    const file = join(host, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
    if (typeof content === 'string' && content.startsWith('#!')) chmodSync(file, 0o755);
  }
  return { host, guest: `/work/${id}` };
}

function argv(task: Task): readonly string[] {
  return typeof task.run === 'string' ? [...(task.shell ?? ['/bin/bash', '-c']), task.run] : task.run;
}

async function natively(suite: string, task: Task, root: string): Promise<Observation> {
  const { host, guest } = directoryFor(suite, task, root, '');
  return observe(task, host, await native(root, guest, argv(task), task));
}

async function inVm(suite: string, task: Task, root: string): Promise<Observation> {
  const { host, guest } = directoryFor(suite, task, root, '.vm');
  const options = ['-L', root, '-v', `${host}:${guest}:rw`, '-C', guest];
  return observe(task, host, await tallship([...options, '--', ...argv(task)], { ...task, cwd: host }));
}

function observe(task: Task, directory: string, outcome: Outcome): Observation {
  const files = snapshot(directory);
  for (const name of Object.keys(files)) if (task.ignore?.test(name)) files[name] = 'present';
  rmSync(directory, { recursive: true, force: true });
  return { ...outcome, files };
}

function recorded(path: string): Observation {
  if (!existsSync(path)) throw new Error(`${path} is missing: record it on a machine that runs i386 programs`);
  return JSON.parse(readFileSync(path, 'utf8'));
}

function record(path: string, observation: Observation): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(observation, null, 1)}\n`);
}
