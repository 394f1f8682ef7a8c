/** Checksums of large files, by several threads of Node's pool while this one has other things to do. */
import { createHash, webcrypto } from 'node:crypto';
import { read } from 'node:fs';
import { ImageFileError } from './staging.ts';

/** Hashed by itself: the checksum of a file is that of its pieces' checksums, in order. */
export const PIECE = 4 << 20;
const LANES = 4;
const DIGEST_SIZE = 32;

interface Readable {
  readonly name: string;
  readonly fd: number;
  readonly size: number;
}

/** Hexadecimal SHA-256 over the SHA-256 of each piece. */
export async function digestOfPieces(file: Readable, piece = PIECE): Promise<string> {
  const count = Math.ceil(file.size / piece);
  const digests = new Uint8Array(count * DIGEST_SIZE);
  let next = 0;
  const lane = async () => {
    const buffer = new Uint8Array(Math.min(piece, file.size));
    while (next < count) {
      const i = next++;
      const bytes = buffer.subarray(0, Math.min(piece, file.size - i * piece));
      await readAll(file, i * piece, bytes);
      digests.set(new Uint8Array(await webcrypto.subtle.digest('SHA-256', bytes)), i * DIGEST_SIZE);
    }
  };
  await Promise.all(Array.from({ length: Math.min(LANES, count) }, lane));
  return createHash('sha256').update(digests).digest('hex');
}

/** Of the whole file: how version 1 has it. */
export async function digestOfWhole(file: Readable): Promise<string> {
  const hash = createHash('sha256');
  const buffer = new Uint8Array(Math.min(PIECE, file.size));
  for (let at = 0; at < file.size; at += buffer.length) {
    const bytes = buffer.subarray(0, Math.min(buffer.length, file.size - at));
    await readAll(file, at, bytes);
    hash.update(bytes);
  }
  return hash.digest('hex');
}

async function readAll({ name, fd }: Readable, offset: number, into: Uint8Array): Promise<void> {
  for (let done = 0; done < into.length; ) {
    const count = await new Promise<number>((resolve, reject) => {
      read(fd, into, done, into.length - done, offset + done, (error, got) => (error ? reject(error) : resolve(got)));
    });
    if (count <= 0) throw new ImageFileError(`its file ${name} is incomplete`);
    done += count;
  }
}
