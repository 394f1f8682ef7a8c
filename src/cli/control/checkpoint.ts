/** An image of the machine, for `tallship checkpoint`. */
import { isAbsolute } from 'node:path';
import type { ControlCommand } from './commands.ts';

export const checkpoint: ControlCommand = async ({ session }, { path, stop, files }) => {
  if (typeof path !== 'string' || !isAbsolute(path)) throw new Error('an image needs an absolute path');
  if (files !== 'reference' && files !== 'content') throw new Error('files: by reference, or their content');
  const { pause, manifest } = await (await session.saver()).save(path, { stop: stop === true, files });
  const size = manifest.files.reduce((sum, file) => sum + file.size, 0);
  return { path, pause, size, processes: manifest.processes };
};
