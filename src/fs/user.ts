/** get_user and put_user of ioctl handlers. */
import { EFAULT } from '../abi/errno.ts';
import type { Layout } from '../abi/struct.ts';
import type { UserMemory } from '../vfs/open-file.ts';

/** undefined where it cannot be read. */
export function getUser<T>(memory: UserMemory, address: number, layout: Layout<T>): T | undefined {
  const bytes = memory.view(address, layout.size, false);
  if (typeof bytes === 'number') return undefined;
  return layout.read(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0);
}

/** 0 or -EFAULT. */
export function putUser<T>(memory: UserMemory, address: number, layout: Layout<T>, value: T): number {
  const bytes = memory.view(address, layout.size, true);
  if (typeof bytes === 'number') return -EFAULT;
  layout.write(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, value);
  return 0;
}
