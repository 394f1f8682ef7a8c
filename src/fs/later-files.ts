/** Open files of the host whose disk may be slow: whoever asks sleeps meanwhile, and others are served. */
import { EAGAIN } from '../abi/errno.ts';
import { readLater, readNow, syncLater } from '../host/later.ts';
import { Awaited } from '../wait/awaited.ts';
import type { Sleeper } from '../wait/wait.ts';
import type { Files } from './host.ts';

export class LaterFiles {
  readonly #files: Files;
  readonly #reads = new Awaited<Uint8Array | number>();
  readonly #syncs = new Awaited<number>();
  /** Descriptors that threads use, and how many; those of them that nobody else needs any more. */
  readonly #used = new Map<number, number>();
  readonly #unwanted = new Set<number>();

  constructor(files: Files) {
    this.#files = files;
  }

  read(s: Sleeper, fd: number, position: number, into: Uint8Array): number {
    const now = this.#reads.has(s) ? -EAGAIN : readNow(fd, position, into);
    if (now !== -EAGAIN) return now;
    const bytes = this.#reads.take(s, (done) => {
      const own = new Uint8Array(into.length);
      this.#use(fd);
      readLater(fd, position, own, (count) => {
        this.#free(fd);
        done(count < 0 ? count : own.subarray(0, count));
      });
    });
    if (typeof bytes === 'number') return bytes;
    into.set(bytes);
    return bytes.length;
  }

  sync(s: Sleeper, fd: number, dataOnly: boolean): number {
    return this.#syncs.take(s, (done) => {
      this.#use(fd);
      syncLater(fd, dataOnly, (answer) => {
        this.#free(fd);
        done(answer);
      });
    });
  }

  #use(fd: number): void {
    this.#used.set(fd, (this.#used.get(fd) ?? 0) + 1);
  }

  #free(fd: number): void {
    const left = this.#used.get(fd)! - 1;
    if (left > 0) this.#used.set(fd, left);
    else this.#used.delete(fd);
    if (left === 0 && this.#unwanted.delete(fd)) this.#files.close(fd);
  }

  /** Not before the last thread has done with it. */
  close(fd: number): void {
    if (this.#used.has(fd)) this.#unwanted.add(fd);
    else this.#files.close(fd);
  }
}
