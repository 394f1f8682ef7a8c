/**
 * Journals of serve's sessions: a file each in a directory of its user's alone. It begins with a line that says whose it is,
 * filled up to a fixed length so that the next server can put its own in place of it.
 */
import { timingSafeEqual } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import type { JournalFile, JournalStore, LeftJournal } from '../remote/server/journal.ts';
import { stateDirectory } from './control/directory.ts';
import { startOf } from './control/entry.ts';

const HEADER = 256;
/** Sessions whose server has gone can be taken up for so long. */
const KEPT_MS = 3_600_000;
/** A server that was killed is gone so soon. */
const KILL_MS = 2000;

interface Owner {
  readonly pid: number;
  /** When that process started (/proc/PID/stat, field 22). */
  readonly start: string;
  /** Which run of the machine: /proc/sys/kernel/random/boot_id. */
  readonly boot: string;
  readonly secret: string;
  /** It serves one client, over its standard input: with another server for that client, it is not needed any more. */
  readonly single: boolean;
  /** Every intent is on the disk before it is carried out. */
  readonly durable: boolean;
}

export interface JournalOptions {
  readonly durable: boolean;
  readonly single: boolean;
}

class SessionFile implements JournalFile {
  readonly #path: string;
  readonly #header: Uint8Array;
  readonly #durable: boolean;
  #fd: number;

  constructor(path: string, owner: Owner, durable: boolean, bytes: Uint8Array) {
    this.#path = path;
    this.#durable = durable;
    this.#header = Buffer.from(`${JSON.stringify(owner).padEnd(HEADER - 1)}\n`);
    this.#fd = this.#fresh(bytes);
  }

  append(bytes: Uint8Array): void {
    fs.writeSync(this.#fd, bytes);
    if (this.#durable) fs.fdatasyncSync(this.#fd);
  }

  replace(bytes: Uint8Array): void {
    fs.closeSync(this.#fd);
    this.#fd = this.#fresh(bytes);
  }

  remove(): void {
    fs.closeSync(this.#fd);
    fs.rmSync(this.#path, { force: true });
  }

  /** Under its name only when it is whole. */
  #fresh(bytes: Uint8Array): number {
    const fd = fs.openSync(`${this.#path}.new`, 'w', 0o600);
    fs.writeSync(fd, Buffer.concat([this.#header, bytes]));
    if (this.#durable) fs.fdatasyncSync(fd);
    fs.renameSync(`${this.#path}.new`, this.#path);
    return fd;
  }
}

export class SessionJournals implements JournalStore {
  readonly #directory = stateDirectory('sessions');
  readonly #options: JournalOptions;

  constructor(options: JournalOptions) {
    this.#options = options;
  }

  create(session: number, secret: Uint8Array, bytes: Uint8Array = new Uint8Array()): JournalFile {
    const owner = { pid: process.pid, start: startOf(process.pid) ?? '', boot: bootId(), ...this.#options };
    return new SessionFile(this.#path(session), { ...owner, secret: hexOf(secret) }, this.#options.durable, bytes);
  }

  take(session: number, secret: Uint8Array): LeftJournal | null {
    const owner = this.#ownerOf(session);
    if (owner === null || !isSame(owner.secret, hexOf(secret)) || !end(owner)) return null;
    const bytes: Uint8Array = fs.readFileSync(this.#path(session)).subarray(HEADER);
    // At no time is there a journal without what was done: this server may be killed as well.
    const file = this.create(session, secret, bytes);
    const sameBoot = owner.boot === bootId() && owner.boot !== '';
    return { file, bytes, sameBoot, complete: sameBoot || owner.durable };
  }

  has(session: number): boolean {
    return fs.existsSync(this.#path(session));
  }

  /** Removes what is too old to be taken up. */
  sweep(): void {
    for (const name of fs.readdirSync(this.#directory)) {
      const path = join(this.#directory, name);
      const age = Date.now() - (fs.statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
      const owner = age > KEPT_MS ? this.#ownerOf(Number(name)) : undefined;
      if (owner === null || (owner !== undefined && !isAlive(owner))) fs.rmSync(path, { force: true });
    }
  }

  #path(session: number): string {
    return join(this.#directory, String(session));
  }

  #ownerOf(session: number): Owner | null {
    try {
      return JSON.parse(fs.readFileSync(this.#path(session)).subarray(0, HEADER).toString());
    } catch {
      return null; // there is none, or the machine failed while it was written
    }
  }
}

/** A server that still sits at the end of a connection that is dead must not do late what is done here now. */
function end(owner: Owner): boolean {
  for (let waited = 0; isAlive(owner); waited += 10) {
    if (!owner.single || waited > KILL_MS) return false;
    try {
      process.kill(owner.pid, 'SIGKILL');
    } catch {} // it went by itself
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
  }
  return true;
}

/** Zombies do not do anything any more. */
function isAlive({ pid, start, boot }: Owner): boolean {
  if (boot !== bootId() || startOf(pid) !== start) return false;
  try {
    return !/\) [ZX] /.test(fs.readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}

function bootId(): string {
  try {
    return fs.readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    return '';
  }
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function isSame(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}
