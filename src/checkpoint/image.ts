/** What an image is: some files and a manifest (docs/IMAGE.md). Who writes and reads files implements ImageSink and ImageSource. */

/** Of the manifest: what files there are, and their checksums. A reader for every released version stays. */
export const IMAGE_VERSION = 2;
/** Of the machine file and the notes. */
export const STATE_VERSION = 1;
export const IMAGE_FORMAT = 'tallship-image';

/** An image is damaged, of another version, or does not fit to where it is restored. The message is for the user. */
export class ImageError extends Error {
  override name = 'ImageError';
}

export interface ManifestFile {
  name: string;
  size: number;
  /** Hexadecimal. */
  sha256: string;
  /** Over the checksums of pieces of this size. */
  piece?: number;
}

export interface Manifest {
  format: typeof IMAGE_FORMAT;
  version: number;
  /** Of Tallship. */
  writer: string;
  /** Milliseconds since 1970. */
  created: number;
  /** The processor that the programs have found. */
  cpu: string;
  processes: { pid: number; parent: number; command: string; threads: number; state: string; core: string | null }[];
  /** Trees of the host that are part of the machine by reference: what a restore has to find again. */
  trees: { path: string; type: string; source: string; readOnly: boolean }[];
  files: ManifestFile[];
}

/** One file that is being written, from its start to its end. Several may be open. */
export interface ImageOutput {
  /** Appends. */
  write(bytes: Uint8Array): void;
  /** Writes over what is there. */
  put(offset: number, bytes: Uint8Array): void;
  /** Appends what the sink's image before has there, in whole pages. Absent: there is none. */
  reuse?(file: string, offset: number, length: number): void;
  /** The image has no such file after all. */
  drop(): void;
}

/** Where an image is written. Nothing can be seen of it before commit(). */
export interface ImageSink {
  create(name: string): ImageOutput;
  /** Resolves when there is room for more, and not at once: the machine runs meanwhile. */
  room?(): Promise<void>;
  /**
   * Makes the image appear as a whole. The sink fills in `files`. The machine runs on meanwhile: what takes long (checksums,
   * fsync) belongs here.
   */
  commit(manifest: Omit<Manifest, 'files'>): Promise<Manifest>;
  /** Removes what was written. */
  abort(): void;
}

export interface ImageInput {
  readonly size: number;
  /** Fills all of `into` or throws an ImageError. */
  read(offset: number, into: Uint8Array): void;
}

/** An image that is read. Its files are those of the manifest, byte by byte; checkedManifest() looks at the rest of it. */
export interface ImageSource {
  readonly manifest: unknown;
  /** It is this user's own; absent or false: it comes from elsewhere, and gets no directory that is not named for it. */
  readonly isOwn?: boolean;
  open(name: string): ImageInput;
  close(): void;
}

export const MACHINE_FILE = 'machine';
/** Pages of what processes share: contents of file systems in memory, shared memory. */
export const PAGES_FILE = 'pages';
export const coreName = (pid: number): string => `core.${pid}`;
