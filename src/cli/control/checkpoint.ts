/** Images of the machine, for `tallship checkpoint`. */
import { isAbsolute } from 'node:path';
import type { CheckpointOptions } from '../../checkpoint/checkpoint.ts';
import { CODECS, type Codec } from '../../host/store/codec.ts';
import type { ControlCommand } from './commands.ts';

export const checkpoint: ControlCommand = async ({ session }, asked) => {
  const { path, codec, stop, files } = asked;
  if (typeof path !== 'string' || !isAbsolute(path)) throw new Error('an image needs an absolute path');
  if (files !== 'reference' && files !== 'content') throw new Error('files: by reference, or their content');
  if (codec !== undefined && !CODECS.includes(codec as Codec)) throw new Error(`there is no codec ${codec}`);
  const { descriptors, patience } = asked as Pick<CheckpointOptions, 'descriptors' | 'patience'>;
  const options = { stop: stop === true, files, descriptors, patience } as const;
  const { pause, manifest } = await (await session.saver()).save({ path, codec: codec as Codec | undefined }, options);
  const size = manifest.files.reduce((sum, file) => sum + file.size, 0);
  return { path, pause, size, processes: manifest.processes };
};

export const check: ControlCommand = ({ machine }, { descriptors }) =>
  machine.check({ descriptors: descriptors as CheckpointOptions['descriptors'] });
