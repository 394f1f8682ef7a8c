import { DirectorySink } from './directory-sink.ts';
import type { ManifestEntry } from './manifest.ts';
import type { openSource } from './open-source.ts';

const CHUNK = 4 << 20;

/** Writes an image as a directory of its own. One that this user has not made does not become theirs by that. */
export async function copyImage(
  source: Awaited<ReturnType<typeof openSource>>,
  to: string,
  version: number,
): Promise<{ files: ManifestEntry[] }> {
  const sink = new DirectorySink(to, undefined, source.isOwn);
  try {
    const { files, store: _store, ...manifest } = source.manifest;
    for (const { name } of files) {
      const output = sink.create(name);
      const { size, read } = source.open(name);
      for (let at = 0; at < size; at += CHUNK) {
        const bytes = new Uint8Array(Math.min(CHUNK, size - at));
        read(at, bytes);
        output.write(bytes);
      }
    }
    return await sink.commit({ ...manifest, version });
  } catch (error) {
    sink.abort();
    throw error;
  }
}
