/** The two kernels that are compared: the host's, in a chroot without names of its own, and this one. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { S_IFDIR } from '../../../src/abi/fs.ts';
import { makeCredentials } from '../../../src/vfs/credentials.ts';
import { failed } from '../../../src/wait/wait.ts';
import { contentBytes, fixture, openFile, prepare, put } from '../../support/machine.ts';
import { hasNative } from '../../support/run.ts';
import { decodeAnswers, encodePlan, type Outcome, type Sequence } from './plan.ts';

/** Neither root nor anybody else. */
const USER = 1000;

/** The reason why the host's kernel cannot be asked here. */
export function whyNotNative(): string | undefined {
  if (!hasNative()) return 'the host runs no i386 programs';
  if (process.getuid?.() !== 0) return 'only root may make a file system for the host to work in';
  const probe = spawnSync('unshare', ['-m', '-p', '-f', '-n', '-i', '-u', 'true']);
  return probe.status === 0 ? undefined : 'unshare has failed: no name spaces here';
}

export function askNative(sequences: readonly Sequence[]): Outcome[] {
  const directory = mkdtempSync(join(tmpdir(), 'tallship-calls-'));
  const plan = join(directory, 'plan');
  writeFileSync(plan, encodePlan(sequences));
  cpSync(fixture('caller'), join(directory, 'caller'));
  const script =
    'set -e; cd $1; mkdir root; mount -t tmpfs -o mode=755 none root; mkdir -m 777 root/work; cp caller plan root; ' +
    `chroot --userspec=${USER}:${USER} --groups= root /caller /plan /work/answers /work; cp root/work/answers .`;
  const asked = spawnSync('unshare', ['-m', '-p', '-f', '-n', '-i', '-u', 'sh', '-c', script, 'sh', directory], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { PATH: process.env.PATH },
  });
  try {
    if (asked.status !== 0) throw new Error(`the host's run ended with ${asked.signal ?? asked.status}`);
    return decodeAnswers(readFileSync(join(directory, 'answers')));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

export async function askTallship(sequences: readonly Sequence[]): Promise<Outcome[]> {
  const { machine } = prepare('caller');
  const context = machine.context();
  const root = context.fs.root.dentry.inode!;
  put(machine, root, 'plan', encodePlan(sequences), 0o644);
  const made = root.create(context, 'work', { mode: S_IFDIR | 0o777, uid: 0, gid: 0 });
  if (failed(made)) throw new Error(`/work: ${made}`);
  machine.spawn({
    path: '/caller',
    argv: ['caller', '/plan', '/work/answers', '/work'],
    credentials: makeCredentials(USER, USER),
  });
  const outcome = await machine.run();
  if (outcome.status !== 0) throw new Error(`Tallship's run ended with ${JSON.stringify(outcome)}`);
  return decodeAnswers(contentBytes(machine, openFile(machine, '/work/answers')));
}
