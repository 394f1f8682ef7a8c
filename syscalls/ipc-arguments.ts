/** What the declarations of System V IPC share. */
import { IPC_CREAT, IPC_EXCL } from '../src/abi/ipc.ts';
import { int } from '../src/syscall/index.ts';

export const ipcFamily = { class: 'ipc' } as const;
export const GET = { IPC_CREAT, IPC_EXCL };
export const key = int('key');
