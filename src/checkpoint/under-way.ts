/** What only lives in this process: nothing of it may be under way when a machine is frozen. */
import type { Kernel } from '../kernel/kernel.ts';
import { runningHooks } from '../syscall/async-run.ts';
import type { FileSystem } from '../vfs/inode.ts';
import { Mapping } from '../vfs/page-cache.ts';

/** In words; empty: nothing. */
export function underWay(kernel: Kernel): string[] {
  const found: string[] = [];
  for (const task of kernel.tasks.values()) {
    if (task.startup !== null) found.push(`process ${task.tgid} is being started`);
    if (task.runState === 'dead') continue;
    for (const object of task.mm.vmas.objects.keys()) {
      const { backing } = object;
      if (backing instanceof Mapping && backing.busy) found.push(`${backing.path} is being written`);
    }
  }
  const elsewhere = fileSystems(kernel).filter((fs) => fs.rest !== undefined);
  for (const fs of elsewhere) if (!fs.rest!()) found.push(`${fs.origin?.source ?? fs.type} has not answered yet`);
  if (elsewhere.length > 0) found.push(...answered(kernel));
  for (const { task, layer, call, idempotent } of runningHooks(kernel.tasks)) {
    if (!idempotent) found.push(`layer ${layer} is at work in ${call} of process ${task.tgid}`);
  }
  return found;
}

/** All that are mounted, and those below copy-on-write. */
function fileSystems({ namespace }: Kernel): FileSystem[] {
  const mounted = namespace.mounts.map(({ fs }) => fs);
  return [...new Set(mounted.flatMap((fs) => ('lower' in fs ? [fs, fs.lower as FileSystem] : [fs])))];
}

/** Calls whose answers are there, and not taken yet: what they were asked by means nothing in another process. */
function answered({ tasks }: Kernel): string[] {
  return [...tasks.values()]
    .filter(({ runState, call }) => runState === 'runnable' && call.nr >= 0 && call.pending.length > 0)
    .map(({ tid }) => `a call of thread ${tid} is about to end`);
}
