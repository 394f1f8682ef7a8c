/** Journals of sessions in memory, which outlive the servers of a test; appending may be where a server fails. */
import type { JournalFile, JournalStore, LeftJournal } from '../../src/remote/server/journal.ts';

interface Kept {
  secret: Uint8Array;
  bytes: Uint8Array[];
}

export class MemoryJournals implements JournalStore {
  readonly #kept = new Map<number, Kept>();
  /** Called before and after each record is kept: may throw. */
  onAppend: (when: 'before' | 'after') => void = () => {};
  /** The machine failed too: what is not there may have been begun. */
  rebooted = false;

  get sessions(): number {
    return this.#kept.size;
  }

  create(session: number, secret: Uint8Array): JournalFile {
    const kept: Kept = { secret, bytes: [] };
    this.#kept.set(session, kept);
    return {
      append: (bytes) => {
        this.onAppend('before');
        kept.bytes.push(bytes.slice());
        this.onAppend('after');
      },
      replace: (bytes) => {
        kept.bytes = [bytes.slice()];
      },
      remove: () => this.#kept.delete(session),
    };
  }

  take(session: number, secret: Uint8Array): LeftJournal | null {
    const kept = this.#kept.get(session);
    if (kept === undefined || Buffer.compare(kept.secret, secret) !== 0) return null;
    const bytes = Buffer.concat(kept.bytes);
    const file = this.create(session, secret);
    file.replace(bytes);
    return { file, bytes, sameBoot: !this.rebooted, complete: !this.rebooted };
  }

  has(session: number): boolean {
    return this.#kept.has(session);
  }
}
