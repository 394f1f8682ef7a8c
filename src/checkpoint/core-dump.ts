/** core(5): what a fatal signal leaves of a process where RLIMIT_CORE allows: a file `core` where it was, for debuggers. */
import { O_CREAT, O_NOFOLLOW, O_TRUNC, O_WRONLY, S_IFREG } from '../abi/fs.ts';
import { RLIMIT_CORE } from '../kernel/limits.ts';
import type { SignalInfo } from '../kernel/signal-queue.ts';
import type { Task } from '../kernel/task.ts';
import { PAGE_SIZE } from '../memory/page.ts';
import { openPath } from '../vfs/open.ts';
import type { OpenFile } from '../vfs/open-file.ts';
import { failed, type Sleeper } from '../wait/wait.ts';
import { finishCore, type Segment } from './core.ts';
import { coreNotes } from './core-notes.ts';
import type { ImageOutput } from './image.ts';
import { runsOf, uncovered } from './runs.ts';

const FILE = 'core';

/** Whether a core was written: then the wait status says so. Not on file systems that would have to be waited for. */
export function dumpCore(task: Task, info: SignalInfo): boolean {
  const { group } = task;
  const limit = group.limits[RLIMIT_CORE].soft;
  if (limit < PAGE_SIZE || group.dumpable !== 1) return false;
  for (const member of group.tasks) member.processor.detach();
  const opened = openPath(task, task.fs.cwd, FILE, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600);
  if (failed(opened)) return false;
  opened.hold();
  const written = opened.inode.type === S_IFREG && writeCore(task, info, new CoreOutput(task, opened), limit);
  opened.drop();
  return written;
}

/** Pages that only the process has, up to the limit; those of files are in the files. */
function writeCore(task: Task, info: SignalInfo, output: CoreOutput, limit: number): boolean {
  const { mm, group } = task;
  output.write(new Uint8Array(PAGE_SIZE));
  const segments: Segment[] = [];
  for (const vma of mm.vmas) {
    for (const { start, end, saved } of runsOf(mm, vma, 'reference', (page) => page)) {
      const offset = output.size;
      const fits = saved && offset + (end - start) <= limit;
      if (fits) uncovered(mm, vma, start, end, () => output.write(mm.u8.subarray(start, end)));
      segments.push({ start, end, prot: vma.prot, saved: fits, offset });
    }
  }
  finishCore(output, output.size, coreNotes(group, mm, { task, info }), segments);
  return !output.failed;
}

class CoreOutput implements ImageOutput {
  size = 0;
  failed = false;
  readonly #sleeper: Sleeper;
  readonly #file: OpenFile;

  constructor(sleeper: Sleeper, file: OpenFile) {
    this.#sleeper = sleeper;
    this.#file = file;
  }

  write(bytes: Uint8Array): void {
    this.put(this.size, bytes);
    this.size += bytes.length;
  }
  put(offset: number, bytes: Uint8Array): void {
    this.failed ||= this.#file.writeAt(this.#sleeper, offset, bytes) !== bytes.length;
  }
  drop(): void {}
}
