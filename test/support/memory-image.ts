/** An image that is only in memory: to be looked at, and to be damaged. */
import type { ImageOutput, ImageSink, ImageSource } from '../../src/checkpoint/image.ts';
import { ImageError } from '../../src/checkpoint/image.ts';

export class MemoryImage implements ImageSink, ImageSource {
  readonly files = new Map<string, Uint8Array>();
  manifest: unknown = null;
  /** Bytes that came from the image before. */
  reused = 0;
  readonly #before: MemoryImage | undefined;

  /** @param before where it may take unchanged pages from. */
  constructor(before?: MemoryImage) {
    this.#before = before;
  }

  create(name: string): ImageOutput {
    this.files.set(name, new Uint8Array(0));
    const write = (bytes: Uint8Array) => {
      const old = this.files.get(name)!;
      const longer = new Uint8Array(old.length + bytes.length);
      longer.set(old);
      longer.set(bytes, old.length);
      this.files.set(name, longer);
    };
    const before = this.#before?.files;
    return {
      write,
      put: (offset, bytes) => this.files.get(name)!.set(bytes, offset),
      reuse: (file, offset, length) => {
        this.reused += length;
        write(before!.get(file)!.subarray(offset, offset + length));
      },
      drop: () => this.files.delete(name),
    };
  }

  async commit(manifest: Parameters<ImageSink['commit']>[0]) {
    const files = [...this.files].map(([name, { length }]) => ({ name, size: length, sha256: '' }));
    const complete = { ...manifest, files };
    this.manifest = complete;
    return complete;
  }

  abort(): void {
    this.files.clear();
  }

  open(name: string) {
    const bytes = this.files.get(name);
    if (bytes === undefined) throw new ImageError(`it has no file ${name}`);
    return {
      size: bytes.length,
      read(offset: number, into: Uint8Array) {
        if (offset + into.length > bytes.length) throw new ImageError(`${name} is too short`);
        into.set(bytes.subarray(offset, offset + into.length));
      },
    };
  }

  close(): void {}

  /** The same image, to be changed. */
  copy(): MemoryImage {
    const copy = new MemoryImage();
    copy.manifest = structuredClone(this.manifest);
    for (const [name, bytes] of this.files) copy.files.set(name, bytes.slice());
    return copy;
  }
}
