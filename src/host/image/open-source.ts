import { StoreSource } from '../store/store-source.ts';
import { DirectorySource } from './directory-source.ts';
import { readManifest } from './manifest.ts';

/** The image in a directory: a whole one, or one of a store. */
export async function openSource(path: string): Promise<DirectorySource | StoreSource> {
  const read = readManifest(path);
  return read.manifest.store === undefined ? DirectorySource.open(path, read) : StoreSource.open(read);
}
