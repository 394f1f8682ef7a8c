/**
 * Which images this user's own Tallship has made: their manifests carry a seal by a key that only the user can read. An
 * image from elsewhere names directories of the host too, and must not get them without being asked for.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import {
  closeSync,
  fstatSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const KEY_SIZE = 32;

/** The seal of a text; undefined where there is no place for a key. */
export function sealOf(text: string): string | undefined {
  const key = userKey();
  return key && createHmac('sha256', key).update(text).digest('hex');
}

/** @param place where the image is: without a key, a directory that is this user's alone is its seal. */
export function isSealed(text: string, seal: unknown, place: string): boolean {
  const own = sealOf(text);
  if (own === undefined) {
    const { uid, mode } = statSync(place);
    return uid === process.getuid?.() && (mode & 0o077) === 0;
  }
  if (typeof seal !== 'string' || seal.length !== own.length) return false;
  return timingSafeEqual(Buffer.from(own), Buffer.from(seal));
}

let known: Buffer | undefined;

function userKey(): Buffer | undefined {
  known ??= readKey() ?? makeKey();
  return known;
}

const directory = () => join(process.env.XDG_STATE_HOME || join(homedir(), '.local/state'), 'tallship');
const keyFile = () => join(directory(), 'image-key');

/** Only a file that nobody else can have written or read. */
function readKey(): Buffer | undefined {
  try {
    const fd = openSync(keyFile(), 'r');
    try {
      const { uid, mode } = fstatSync(fd);
      if (uid !== process.getuid?.() || (mode & 0o077) !== 0) return undefined;
      const key = readFileSync(fd);
      return key.length === KEY_SIZE ? key : undefined;
    } finally {
      closeSync(fd);
    }
  } catch {
    return undefined;
  }
}

/** Two that make one at the same time get the same. */
function makeKey(): Buffer | undefined {
  const temporary = `${keyFile()}.${process.pid}`;
  try {
    mkdirSync(directory(), { recursive: true, mode: 0o700 });
    writeFileSync(temporary, randomBytes(KEY_SIZE), { mode: 0o600, flag: 'wx' });
    linkSync(temporary, keyFile());
  } catch {} // someone else's, or there is no such place
  rmSync(temporary, { force: true });
  return readKey();
}
