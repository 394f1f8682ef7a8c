/** ioctl(2): what works on every descriptor; the rest is the open file's own. */
import { EFAULT, ENOTTY } from '../src/abi/errno.ts';
import { O_ASYNC, O_CLOEXEC, O_NONBLOCK, S_IFREG } from '../src/abi/fs.ts';
import { i32, n64 } from '../src/abi/struct.ts';
import { FIOASYNC, FIOCLEX, FIONBIO, FIONCLEX, FIONREAD, FIOQSIZE, TIOCGPTPEER } from '../src/abi/tty.ts';
import { PtyMaster } from '../src/fs/pty.ts';
import { TtyFile } from '../src/fs/tty.ts';
import type { Task } from '../src/kernel/task.ts';
import { type Arg, file, hex, readValue, syscall, uint, writeValue } from '../src/syscall/index.ts';
import type { OpenFile } from '../src/vfs/open-file.ts';
import { failed } from '../src/wait/wait.ts';

/** The argument may be a number or a pointer, by command. */
const argument: Arg<number> = { ...uint('arg'), kind: 'void *', show: hex };
const command: Arg<number> = { ...uint('request'), show: hex };

function setFlag(task: Task, file: OpenFile, flag: number, address: number): number {
  const on = readValue(task.mm, address, i32);
  if (on === undefined) return -EFAULT;
  file.flags = on === 0 ? file.flags & ~flag : file.flags | flag;
  return 0;
}

/** FIOQSIZE, and FIONREAD of a regular file: its size, or what is left of it. */
function regularSize(task: Task, file: OpenFile, command: number, address: number): number {
  if (file.inode.type !== S_IFREG) return -ENOTTY;
  const stat = file.attributes(task);
  if (failed(stat)) return stat;
  if (command === FIOQSIZE) return writeValue(task.mm, address, n64, stat.size);
  return writeValue(task.mm, address, i32, Math.min(0x7fffffff, stat.size - file.position));
}

/** TIOCGPTPEER: opens the slave of a pty without its name. */
function openPeer(task: Task, file: OpenFile, flags: number): number {
  if (!(file instanceof TtyFile && file.tty instanceof PtyMaster)) return -ENOTTY;
  const slave = file.tty.openPeer(task, flags);
  return failed(slave) ? slave : task.files.install(slave, { cloexec: (flags & O_CLOEXEC) !== 0 });
}

export const ioctl = syscall(
  54,
  'ioctl',
  [file('fd'), command, argument],
  (task, opened, command, argument) => {
    switch (command) {
      case FIOCLEX:
      case FIONCLEX:
        task.files.setCloseOnExec(task.call.words[0], command === FIOCLEX);
        return 0;
      case FIONBIO:
        return setFlag(task, opened, O_NONBLOCK, argument);
      case FIOASYNC:
        return setFlag(task, opened, O_ASYNC, argument);
      case TIOCGPTPEER:
        return openPeer(task, opened, argument);
      default: {
        const answer = opened.ioctl(task, task.mm, command, argument);
        if (answer !== -ENOTTY || (command !== FIONREAD && command !== FIOQSIZE)) return answer;
        return regularSize(task, opened, command, argument);
      }
    }
  },
  { class: 'desc' },
);
