/** Descriptors that stand for a process (kernel/pid.c): pidfd_open(2), CLONE_PIDFD. */
import { O_RDWR } from '../abi/fs.ts';
import type { Inode } from '../vfs/inode.ts';
import { OpenFile, POLLHUP, POLLIN, POLLRDNORM } from '../vfs/open-file.ts';
import { WaitQueue } from '../wait/wait.ts';
import type { Task } from './task.ts';
import type { ThreadGroup } from './thread-group.ts';

/** A descriptor of the task for a process, always closed by execve; or a negative errno. */
export function installPidFile(task: Task, group: ThreadGroup, flags = 0): number {
  return task.files.install(new PidFile(task.kernel.anonymous.anonInode, group, flags), { cloexec: true });
}

export class PidFile extends OpenFile {
  readonly inode: Inode;
  override readonly ready: WaitQueue;
  /** Kept when the process is gone, so that its number never stands for another; null: gone when it was restored. */
  readonly group: ThreadGroup | null;

  constructor(inode: Inode, group: ThreadGroup | null, flags = 0) {
    super(O_RDWR | flags);
    this.inode = inode;
    this.group = group;
    this.ready = group?.ended ?? new WaitQueue();
  }

  /** The process; null: somebody has waited for it, or nobody had to. */
  get process(): ThreadGroup | null {
    const { group } = this;
    return group !== null && group.leader.kernel.groups.get(group.id) === group ? group : null;
  }

  describe(): string {
    return 'anon_inode:[pidfd]';
  }

  override fdinfo(): string {
    const pid = this.process?.id ?? -1;
    return `Pid:\t${pid}\nNSpid:\t${pid}\n`;
  }

  override poll(): number {
    const { process } = this;
    if (process === null) return POLLIN | POLLRDNORM | POLLHUP;
    return process.zombie ? POLLIN | POLLRDNORM : 0;
  }
}
