/**
 * The events' file: a header, then frames that each stand for themselves. A recording that was killed ends in its middle of
 * one at worst, and everything before is good.
 *
 *   "TALLSHIP-REC" u32 version
 *   frame: u32 stored bytes, u32 bytes, u32 CRC-32 of the stored bytes and the lengths, u8 codec (0 none, 1 deflate), bytes
 */
import { crc32 } from './crc.ts';

export const FORMAT_VERSION = 1;
const MAGIC = new TextEncoder().encode('TALLSHIP-REC');
const HEADER = MAGIC.length + 4;
const FRAME_HEADER = 13;
/** Shorter ones are kept as they are. */
const WORTH_PACKING = 256;
/** More than any frame that is written: a length beyond it is damage. */
const FRAME_MAX = 1 << 28;

/** Raw deflate, of whoever has it. */
export interface Packer {
  pack(bytes: Uint8Array): Uint8Array;
  unpack(bytes: Uint8Array, length: number): Uint8Array;
}

export interface ByteSource {
  readonly size: number;
  /** Fewer bytes at the end. */
  read(position: number, length: number): Uint8Array;
}

/** The recording cannot be used: why, in words. */
export class DamagedRecording extends Error {
  override name = 'DamagedRecording';
}

export function fileHeader(): Uint8Array {
  const header = new Uint8Array(HEADER);
  header.set(MAGIC);
  new DataView(header.buffer).setUint32(MAGIC.length, FORMAT_VERSION, true);
  return header;
}

export function frame(bytes: Uint8Array, packer: Packer): Uint8Array {
  const packed = bytes.length < WORTH_PACKING ? bytes : packer.pack(bytes);
  const isSmaller = packed.length < bytes.length;
  const stored = isSmaller ? packed : bytes;
  const whole = new Uint8Array(FRAME_HEADER + stored.length);
  const view = new DataView(whole.buffer);
  view.setUint32(0, stored.length, true);
  view.setUint32(4, bytes.length, true);
  whole[12] = isSmaller ? 1 : 0;
  whole.set(stored, FRAME_HEADER);
  view.setUint32(8, checksum(whole), true);
  return whole;
}

/** Of all but the checksum itself. */
function checksum(whole: Uint8Array): number {
  return (crc32(whole.subarray(0, 8)) ^ crc32(whole.subarray(12))) >>> 0;
}

export class FrameReader {
  readonly #source: ByteSource;
  readonly #packer: Packer;
  #at = HEADER;
  /** The last frame was not whole: the recording was killed. */
  isCut = false;

  constructor(source: ByteSource, packer: Packer) {
    this.#source = source;
    this.#packer = packer;
    const header = source.read(0, HEADER);
    if (header.length < HEADER || MAGIC.some((byte, i) => header[i] !== byte))
      throw new DamagedRecording('it is no recording: its events do not begin as they should');
    const version = new DataView(header.buffer, header.byteOffset).getUint32(MAGIC.length, true);
    if (version !== FORMAT_VERSION)
      throw new DamagedRecording(`it is of format ${version}; this Tallship reads format ${FORMAT_VERSION}`);
  }

  get position(): number {
    return this.#at;
  }

  /** The next frame's content, or undefined at the end. */
  next(): Uint8Array | undefined {
    const left = this.#source.size - this.#at;
    if (left === 0 || this.isCut) return undefined;
    const header = this.#source.read(this.#at, FRAME_HEADER);
    const view = new DataView(header.buffer, header.byteOffset, header.length);
    if (header.length < FRAME_HEADER) return this.#cut();
    const stored = view.getUint32(0, true);
    const length = view.getUint32(4, true);
    if (stored > FRAME_MAX || length > FRAME_MAX) throw this.#damage();
    if (FRAME_HEADER + stored > left) return this.#cut();
    const whole = this.#source.read(this.#at, FRAME_HEADER + stored);
    if (checksum(whole) !== view.getUint32(8, true)) throw this.#damage();
    const bytes = whole.subarray(FRAME_HEADER);
    this.#at += whole.length;
    return whole[12] === 1 ? this.#packer.unpack(bytes, length) : bytes;
  }

  #cut(): undefined {
    this.isCut = true;
    return undefined;
  }
  #damage(): DamagedRecording {
    return new DamagedRecording(`it is damaged at byte ${this.#at} of its events`);
  }
}
