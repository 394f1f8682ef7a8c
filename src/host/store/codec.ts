/** How frames of a pack are packed. zstd is there from Node 22.15 on; stores with it need such a Node to be read. */
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { ImageFileError } from '../image/staging.ts';

export type Codec = 'none' | 'deflate' | 'zstd';

/** By their numbers in a pack. */
export const CODECS: readonly Codec[] = ['none', 'deflate', 'zstd'];

/** What only newer releases of Node have. */
interface Zstd {
  zstdCompress?(bytes: Uint8Array, options: object, done: (error: Error | null, packed: Buffer) => void): void;
  zstdDecompressSync?(bytes: Uint8Array, options: object): Buffer;
}

const { zstdCompress, zstdDecompressSync } = zlib as unknown as Zstd;
const deflateRaw = promisify<Uint8Array, object, Buffer>(zlib.deflateRaw);

export function isAvailable(codec: Codec): boolean {
  return codec !== 'zstd' || zstdCompress !== undefined;
}

/** On a thread of Node's pool. */
export function pack(codec: Codec, bytes: Uint8Array): Promise<Uint8Array> {
  switch (codec) {
    case 'none':
      return Promise.resolve(bytes);
    case 'deflate':
      return deflateRaw(bytes, { level: zlib.constants.Z_BEST_SPEED });
    case 'zstd':
      return promisify<Uint8Array, object, Buffer>(zstdCompress!)(bytes, {});
  }
}

export function unpack(codec: Codec, bytes: Uint8Array, length: number): Buffer {
  if (!isAvailable(codec))
    throw new ImageFileError(`it is packed with ${codec}, which this release of Node does not have`);
  const options = { maxOutputLength: length };
  try {
    return codec === 'zstd' ? zstdDecompressSync!(bytes, options) : zlib.inflateRawSync(bytes, options);
  } catch {
    throw new ImageFileError('it is damaged: a frame cannot be unpacked');
  }
}
