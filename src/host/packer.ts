/** zlib, for what asks for packing without knowing Node.js. */
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';

export const packer = {
  pack: (bytes: Uint8Array): Uint8Array => deflateRawSync(bytes, { level: constants.Z_BEST_SPEED }),
  unpack: (bytes: Uint8Array, length: number): Uint8Array => inflateRawSync(bytes, { maxOutputLength: length }),
};
