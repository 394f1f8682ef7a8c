/** Images of the machine, for `tallship checkpoint`. */
import { isAbsolute } from 'node:path';
import type { FreezeOptions } from '../../checkpoint/freeze.ts';
import { CODECS, type Codec } from '../../host/store/codec.ts';
import type { ControlCommand } from './commands.ts';

export const checkpoint: ControlCommand = async ({ session }, { path, codec, stop, files, descriptors }) => {
  if (typeof path !== 'string' || !isAbsolute(path)) throw new Error('an image needs an absolute path');
  if (files !== 'reference' && files !== 'content') throw new Error('files: by reference, or their content');
  if (codec !== undefined && !CODECS.includes(codec as Codec)) throw new Error(`there is no codec ${codec}`);
  const options = { stop: stop === true, files, descriptors: descriptors as FreezeOptions['descriptors'] } as const;
  const { pause, manifest } = await (await session.saver()).save({ path, codec: codec as Codec | undefined }, options);
  const size = manifest.files.reduce((sum, file) => sum + file.size, 0);
  return { path, pause, size, processes: manifest.processes };
};

export const check: ControlCommand = ({ machine }, { descriptors }) =>
  machine.check({ descriptors: descriptors as FreezeOptions['descriptors'] });
