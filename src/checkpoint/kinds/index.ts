/** Every kind of object that an image can hold. The first that knows an object saves it. */
import { FILE_KINDS, type Kind } from '../../fs/image/index.ts';
import { FILE_SYSTEM_KINDS } from './file-systems.ts';
import { INODE_KINDS } from './inodes.ts';
import { IPC_KINDS } from './ipc.ts';
import { MEMORY_KINDS } from './memory.ts';
import { OPEN_FILE_KINDS } from './open-files.ts';
import { PLACE_KINDS } from './places.ts';
import { TASK_KINDS } from './tasks.ts';

export const KINDS: readonly Kind<object>[] = [
  ...TASK_KINDS,
  ...MEMORY_KINDS,
  ...FILE_KINDS,
  ...FILE_SYSTEM_KINDS,
  ...INODE_KINDS,
  ...PLACE_KINDS,
  ...OPEN_FILE_KINDS,
  ...IPC_KINDS,
];
