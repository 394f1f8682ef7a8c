/** Tallship's public API. */

export { layer, test } from '../syscalls/index.ts';
export type { MachineHost } from './kernel/host.ts';
export type { Outside } from './layers/outside.ts';
export {
  type ExitStatus,
  Machine,
  type MachineOptions,
  type MountRequest,
  SpawnError,
  type SpawnOptions,
} from './machine.ts';
export type { Protection } from './memory/guest-memory.ts';
export * as language from './syscall/index.ts';
export { type Layer, type LayeredCall, type Scope, scoped } from './syscall/index.ts';
export { type KernelModel, local, type ModelledMachine } from './syscall/kernel-model.ts';
export { SyscallTable } from './syscall/table.ts';
export { makeCredentials } from './vfs/credentials.ts';
