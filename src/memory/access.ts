import { EFAULT, ENAMETOOLONG } from '../abi/errno.ts';
import { decodePath } from '../abi/path.ts';
import type { GuestMemory } from './guest-memory.ts';
import { PAGE_SHIFT, PAGE_SIZE, R, TASK_SIZE, W, X } from './page.ts';

export type Access = 'read' | 'write' | 'fetch';

/** si_code values. */
export const SEGV_MAPERR = 1;
export const SEGV_ACCERR = 2;
export const BUS_ADRERR = 2;

/** What becomes of a page fault: the access is good now, or the guest gets a signal. */
export type FaultAnswer =
  | 'retry'
  | { readonly signal: 'SEGV' | 'BUS'; readonly code: number; readonly address: number };

const NEEDED: Record<Access, number> = { read: R, write: W, fetch: X };

/**
 * Copy in and copy out. Every access is checked against the permission bytes first; a page that lacks permission is
 * offered to `fault`, which may fill it or grow a stack. Addresses are taken modulo 2^32.
 */
export abstract class GuestAccess {
  abstract readonly guest: GuestMemory;

  abstract fault(address: number, access: Access): FaultAnswer;
  /** Executable bytes are about to be changed by the kernel. */
  abstract invalidateCode(start: number, end: number): void;

  /** The first address in the range that does not allow the access, after filling what can be filled; `end` if none. */
  firstBad(address: number, length: number, access: Access): number {
    const start = address >>> 0;
    const end = Math.min(start + length, TASK_SIZE);
    const need = NEEDED[access];
    const permissions = this.guest.permissions;
    for (let page = start >>> PAGE_SHIFT; page * PAGE_SIZE < end; page++) {
      if ((permissions[page] & need) === need) continue;
      const at = Math.max(start, page * PAGE_SIZE);
      if (this.fault(at, access) !== 'retry') return at;
    }
    return start + length > TASK_SIZE ? Math.max(start, TASK_SIZE) : end;
  }

  /** True when the guest may access all of the range; file pages in it are filled, stacks grown. */
  accessible(address: number, length: number, write: boolean): boolean {
    return this.firstBad(address, length, write ? 'write' : 'read') === (address >>> 0) + length;
  }

  /** The guest's own bytes (no copy), or -EFAULT. Valid until the guest's mappings change. */
  view(address: number, length: number, write: boolean): Uint8Array | number {
    const start = address >>> 0;
    if (!this.accessible(start, length, write)) return -EFAULT;
    if (write) this.#noteWrite(start, start + length);
    return this.guest.u8.subarray(start, start + length);
  }

  /** Like `view`, but shortened to what is accessible: for transfers that may be partial. -EFAULT when nothing is. */
  viewPrefix(address: number, length: number, write: boolean): Uint8Array | number {
    const start = address >>> 0;
    const end = this.firstBad(start, length, write ? 'write' : 'read');
    if (end === start && length > 0) return -EFAULT;
    if (write) this.#noteWrite(start, end);
    return this.guest.u8.subarray(start, end);
  }

  /** A copy of the guest's bytes, or -EFAULT. */
  copyIn(address: number, length: number): Uint8Array | number {
    const view = this.view(address, length, false);
    return typeof view === 'number' ? view : view.slice();
  }

  /** Writes bytes at the guest's address: 0 or -EFAULT, and then nothing is written. */
  copyOut(address: number, bytes: Uint8Array): number {
    const view = this.view(address, bytes.length, true);
    if (typeof view === 'number') return view;
    view.set(bytes);
    return 0;
  }

  /** Unsigned reads; -EFAULT when not accessible, which no unsigned value equals. */
  readU8(address: number): number {
    return this.accessible(address, 1, false) ? this.guest.u8[address >>> 0] : -EFAULT;
  }

  readU16(address: number): number {
    return this.accessible(address, 2, false) ? this.guest.words.getUint16(address >>> 0, true) : -EFAULT;
  }

  readU32(address: number): number {
    return this.accessible(address, 4, false) ? this.guest.words.getUint32(address >>> 0, true) : -EFAULT;
  }

  /** null when not accessible. */
  readU64(address: number): bigint | null {
    return this.accessible(address, 8, false) ? this.guest.words.getBigUint64(address >>> 0, true) : null;
  }

  /** Writes answer 0 or -EFAULT. */
  writeU8(address: number, value: number): number {
    return this.#write(address, 1, (words, at) => words.setUint8(at, value));
  }

  writeU16(address: number, value: number): number {
    return this.#write(address, 2, (words, at) => words.setUint16(at, value, true));
  }

  writeU32(address: number, value: number): number {
    return this.#write(address, 4, (words, at) => words.setUint32(at, value, true));
  }

  writeU64(address: number, value: bigint): number {
    return this.#write(address, 8, (words, at) => words.setBigUint64(at, value, true));
  }

  /** The bytes before the NUL, at most `limit` with it (PATH_MAX); -EFAULT, or -ENAMETOOLONG when there is no NUL. */
  readCBytes(address: number, limit = 4096): Uint8Array | number {
    const start = address >>> 0;
    for (let at = start; at < start + limit; ) {
      const next = Math.min((Math.floor(at / PAGE_SIZE) + 1) * PAGE_SIZE, start + limit);
      if (!this.accessible(at, next - at, false)) return -EFAULT;
      const nul = this.guest.u8.subarray(at, next).indexOf(0);
      if (nul >= 0) return this.guest.u8.slice(start, at + nul);
      at = next;
    }
    return -ENAMETOOLONG;
  }

  /** The same as text, in which every byte sequence has its own form (abi/path.ts). */
  readCString(address: number, limit = 4096): string | number {
    const bytes = this.readCBytes(address, limit);
    return typeof bytes === 'number' ? bytes : decodePath(bytes);
  }

  #write(address: number, length: number, set: (words: DataView, at: number) => void): number {
    const start = address >>> 0;
    if (!this.accessible(start, length, true)) return -EFAULT;
    this.#noteWrite(start, start + length);
    set(this.guest.words, start);
    return 0;
  }

  #noteWrite(start: number, end: number): void {
    const permissions = this.guest.permissions;
    for (let page = start >>> PAGE_SHIFT; page * PAGE_SIZE < end; page++) {
      if (permissions[page] & X) {
        this.invalidateCode(start, end);
        return;
      }
    }
  }
}
