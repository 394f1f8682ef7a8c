/** --io session: what a program has changed goes home when it has ended. */
import { OverlayFs } from '../fs/overlay.ts';
import { say } from '../host/node.ts';
import type { Machine } from '../machine.ts';
import type { View } from './views.ts';

/** Views of a machine that was restored. */
export function viewsOf({ namespace }: Machine): View[] {
  return namespace.mounts.flatMap(({ fs, source }) =>
    fs instanceof OverlayFs && fs.bases !== null ? [{ overlay: fs, source }] : [],
  );
}

/** False: something could not go home, and a line says so. */
export async function changesAreHome(views: readonly View[], machine: Machine): Promise<boolean> {
  if (views.length === 0) return true;
  const { bringAllHome, newMark } = await import('./views.ts');
  return bringAllHome(views, machine.kernel.clock, newMark(), say);
}
