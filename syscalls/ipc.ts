/**
 * ipc(2), which the C library of i386 makes all calls of System V IPC through. There its commands carry IPC_64; the
 * calls with numbers of their own take no such bit.
 */
import { EFAULT, EINVAL, ENOSYS } from '../src/abi/errno.ts';
import { IPC_64 } from '../src/abi/ipc.ts';
import { array, i32 } from '../src/abi/struct.ts';
import type { Task } from '../src/kernel/task.ts';
import type { Mm } from '../src/memory/mm.ts';
import {
  type Declaration,
  int,
  type Multiplexer,
  multiplexer,
  pointer,
  readValue,
  syscall,
  type Words,
} from '../src/syscall/index.ts';
import { ipcFamily as family } from './ipc-arguments.ts';
import { msgctl, msgctlArgs, msgget, msgrcv, msgsnd } from './msg.ts';
import { semctl, semctlArgs, semget, semop, semtimedop } from './sem.ts';
import { shmat, shmctl, shmctlArgs, shmdt, shmget } from './shm.ts';

const plain = (command: number) => command & ~IPC_64;
const semctlByIpc = syscall(
  -1,
  'semctl',
  semctlArgs,
  (task, id, num, command, argument) => semctl(task, id, num, plain(command), argument),
  family,
);
const msgctlByIpc = syscall(
  -1,
  'msgctl',
  msgctlArgs,
  (task, id, command, address) => msgctl(task, id, plain(command), address),
  family,
);
const shmctlByIpc = syscall(
  -1,
  'shmctl',
  shmctlArgs,
  (task, id, command, address) => shmctl(task, id, plain(command), address),
  family,
);

const [FIRST, SECOND, THIRD, PTR, FIFTH] = [1, 2, 3, 4, 5];
/** By ipc's first word: the call, and which of ipc's words are its own. */
const CALLS: Readonly<Record<number, readonly [of: Declaration, ...words: number[]]>> = {
  1: [semop, FIRST, PTR, SECOND],
  2: [semget, FIRST, SECOND, THIRD],
  3: [semctlByIpc, FIRST, SECOND, THIRD, PTR],
  4: [semtimedop, FIRST, PTR, SECOND, FIFTH],
  11: [msgsnd, FIRST, PTR, SECOND, THIRD],
  12: [msgrcv, FIRST, PTR, SECOND, FIFTH, THIRD],
  13: [msgget, FIRST, SECOND],
  14: [msgctlByIpc, FIRST, SECOND, PTR],
  21: [shmat, FIRST, PTR, SECOND],
  22: [shmdt, PTR],
  23: [shmget, FIRST, SECOND, THIRD],
  24: [shmctlByIpc, FIRST, SECOND, PTR],
};

function readCall({ mm }: Task, given: Words): ReturnType<Multiplexer['read']> {
  const [call] = given;
  const version = call >> 16;
  const found = CALLS[call & 0xffff];
  if (found === undefined) return -ENOSYS;
  const [{ name }, ...from] = found;
  const words = from.map((i) => given[i]);
  return { name, words, refused: completeWords(mm, name, words, version) };
}

/** What of a call's words lies in memory. */
function completeWords(mm: Mm, name: string, words: number[], version: number): number {
  if (name === 'shmat' && version === 1) return -EINVAL;
  if (name === 'semctl') {
    // union semun.
    const argument = words[3] === 0 ? undefined : readValue(mm, words[3] >>> 0, i32);
    if (argument === undefined) return words[3] === 0 ? -EINVAL : -EFAULT;
    words[3] = argument;
  } else if (name === 'msgrcv' && version === 0) {
    // struct ipc_kludge: the buffer's address and the type.
    const packed = readValue(mm, words[1] >>> 0, array(i32, 2));
    if (packed === undefined) return words[1] === 0 ? -EINVAL : -EFAULT;
    [words[1], words[3]] = packed;
  }
  return 0;
}

export const ipc = multiplexer(
  117,
  'ipc',
  [int('call'), int('first'), int('second'), int('third'), pointer('ptr'), int('fifth')],
  {
    ...{ ...family, level: 'partial', note: 'structs have the 64-bit layouts only (IPC_64)' },
    calls: Object.values(CALLS).map(([of]) => of),
    read: readCall,
    // The address goes to where the third word points.
    finish: (task, name, answer) =>
      name === 'shmat' ? task.mm.writeU32(task.call.words[THIRD] >>> 0, answer) : answer,
  },
);
