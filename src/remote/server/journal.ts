/**
 * What a session was about to do and has done, kept where it outlives the server: the next one knows which of the requests
 * that come again it need not, or must not, do. Records are written with one write(2) each, so that a server that is killed
 * leaves them whole; whether they also outlive the machine is for the file to say.
 */
import { ProtocolError, Reader, Writer } from '../wire.ts';

/** A file at home that only its user reads. */
export interface JournalFile {
  append(bytes: Uint8Array): void;
  /** In place of all that was appended. */
  replace(bytes: Uint8Array): void;
  /** The session is over. */
  remove(): void;
}

/** What a server that is not there any more has left of a session. */
export interface LeftJournal {
  readonly file: JournalFile;
  readonly bytes: Uint8Array;
  /** What is not there was not begun: the machine has not failed since, or every intent was on its disk first. */
  readonly complete: boolean;
  /** What was done is on the disk, or will be: the machine has not failed since. */
  readonly sameBoot: boolean;
}

export interface JournalStore {
  create(session: number, secret: Uint8Array): JournalFile;
  /** The journal of a session, if the secret is its; a server that still holds it is ended. */
  take(session: number, secret: Uint8Array): LeftJournal | null;
  /** Whether a session may come back. */
  has(session: number): boolean;
}

/** What makes an inode this one: numbers are used again. 0: none. */
export interface Identity {
  readonly ino: number;
  readonly btime: bigint;
}

/** How things were before an operation began. */
export interface Intent {
  readonly time: bigint;
  /** What the operation is about, and what it puts away; the size of a file that is appended to. */
  readonly subject: Identity;
  readonly other: Identity;
  /** When the directory was changed last. */
  readonly mtime: bigint;
}

const INTENT = 1;
const DONE = 2;

/** Records that are not needed any more are dropped when there are so many bytes. */
const COMPACT_AT = 256 << 10;

interface Known {
  intent: Intent | null;
  /** What was answered: 0 or more, or a negative errno. */
  done: number | null;
  bytes: Uint8Array[];
}

export class Journal {
  readonly #file: JournalFile;
  readonly #known = new Map<number, Known>();
  /** Keys up to this one were there before this server: only they can come again. */
  readonly left: LeftJournal | null;
  #length = 0;
  #needed = 0;

  constructor(file: JournalFile, left: LeftJournal | null = null) {
    this.#file = file;
    this.left = left;
    if (left !== null) this.#load(left.bytes);
  }

  intent(key: number): Intent | null {
    return this.#known.get(key)?.intent ?? null;
  }

  /** The answer of an operation that was finished. */
  done(key: number): number | null {
    return this.#known.get(key)?.done ?? null;
  }

  begin(key: number, intent: Intent): void {
    const w = new Writer(64).u8(INTENT).i64(key).big(intent.time);
    for (const { ino, btime } of [intent.subject, intent.other]) w.i64(ino).big(btime);
    this.#keep(key, w.big(intent.mtime).done()).intent = intent;
  }

  finish(key: number, answer: number): void {
    this.#keep(key, new Writer(32).u8(DONE).i64(key).i64(answer).done()).done = answer;
  }

  /** The client has the answer: it will not ask again. */
  forget(key: number): void {
    const known = this.#known.get(key);
    if (known === undefined) return;
    this.#known.delete(key);
    for (const { length } of known.bytes) this.#needed -= length;
  }

  remove(): void {
    this.#file.remove();
  }

  #keep(key: number, bytes: Uint8Array): Known {
    if (this.#length > COMPACT_AT && this.#needed < this.#length / 2) this.#compact();
    this.#file.append(bytes);
    return this.#note(key, bytes);
  }

  #note(key: number, bytes: Uint8Array): Known {
    let known = this.#known.get(key);
    if (known === undefined) this.#known.set(key, (known = { intent: null, done: null, bytes: [] }));
    known.bytes.push(bytes);
    this.#length += bytes.length;
    this.#needed += bytes.length;
    return known;
  }

  #compact(): void {
    const w = new Writer(this.#needed);
    for (const { bytes } of this.#known.values()) for (const record of bytes) w.raw(record);
    this.#file.replace(w.done());
    this.#length = this.#needed;
  }

  #load(bytes: Uint8Array): void {
    const r = new Reader(bytes);
    for (let at = 0; r.left > 0; at = bytes.length - r.left) {
      try {
        const type = r.u8();
        const key = r.i64();
        const record = { intent: type === INTENT ? takeIntent(r) : null, done: type === DONE ? r.i64() : null };
        const known = this.#note(key, bytes.slice(at, bytes.length - r.left));
        known.intent ??= record.intent;
        known.done ??= record.done;
      } catch (error) {
        // The machine failed while the last one was written.
        if (error instanceof ProtocolError) return;
        throw error;
      }
    }
  }
}

function takeIntent(r: Reader): Intent {
  const time = r.big();
  const [subject, other] = [0, 1].map(() => ({ ino: r.i64(), btime: r.big() }));
  return { time, subject, other, mtime: r.big() };
}
