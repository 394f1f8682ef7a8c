/** What the calls on sockets share: a descriptor that must be a socket, and addresses that are told. */
import { EFAULT, EINVAL, ENOTSOCK } from '../src/abi/errno.ts';
import { i32 } from '../src/abi/struct.ts';
import { Socket } from '../src/fs/socket.ts';
import { writeAddress } from '../src/kernel/socket-message.ts';
import type { Task } from '../src/kernel/task.ts';
import { type Arg, file, int, pointer, Refusal, readValue, writeValue } from '../src/syscall/index.ts';
import type { OpenFile } from '../src/vfs/open-file.ts';

export const network = { class: 'network' } as const;

/** A descriptor that must be a socket. */
export function socketArg(): Arg<Socket, 'sockfd', number> {
  const opened = file('sockfd');
  const check = (found: OpenFile | Refusal) => {
    if (found instanceof Refusal) return found;
    return found instanceof Socket ? found : new Refusal(ENOTSOCK);
  };
  return {
    ...opened,
    fromPlain: undefined,
    plain: (_socket, words, at) => words[at],
    decode: (task, words, at) => check(opened.decode(task, words, at)),
    show: (_socket, shown, at) => String(shown.words[at]),
  };
}
export const addressIn = [pointer('addr'), int('addrlen')] as const;
export const addressOut = [pointer('addr'), pointer('addrlen')] as const;

/** An address that the call tells: cut to the room that the length says, which then becomes the full length. */
export function tellAddress(
  task: Task,
  name: Parameters<typeof writeAddress>[1],
  address: number,
  lengthAt: number,
): number {
  const room = readValue(task.mm, lengthAt, i32);
  if (room === undefined) return -EFAULT;
  if (room < 0) return -EINVAL;
  const length = writeAddress(task, name, address, room);
  return length < 0 || writeValue(task.mm, lengthAt, i32, length) < 0 ? -EFAULT : 0;
}
