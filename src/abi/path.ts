/**
 * Path names as strings. Linux names are bytes; here they are UTF-8 text in which every byte that is not part of valid
 * UTF-8 stands as a lone surrogate U+DC80..U+DCFF, so that bytes -> string -> bytes is the identity for all names.
 */
const FIRST_ESCAPE = 0xdc00;
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

export const PATH_MAX = 4096;
export const NAME_MAX = 255;

/** The text of a name's bytes (without the terminating NUL). */
export function decodePath(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (byte >= 0x80) return decodeUtf8(bytes);
    text += String.fromCharCode(byte);
  }
  return text;
}

/** The bytes of a name (without a terminating NUL). */
export function encodePath(path: string): Uint8Array {
  const bytes = new Uint8Array(path.length);
  for (let i = 0; ; i++) {
    if (i === path.length) return bytes;
    const code = path.charCodeAt(i);
    if (code >= 0x80) break;
    bytes[i] = code;
  }
  if (!hasEscapes(path)) return encoder.encode(path);
  const out: number[] = [];
  for (const char of path) {
    const code = char.codePointAt(0)!;
    if (isEscape(code)) out.push(code - FIRST_ESCAPE);
    else out.push(...encoder.encode(char));
  }
  return Uint8Array.from(out);
}

/** Length in bytes: what NAME_MAX and PATH_MAX count. */
export function pathLength(path: string): number {
  for (let i = 0; i < path.length; i++) {
    if (path.charCodeAt(i) >= 0x80) return encodePath(path).length;
  }
  return path.length;
}

function isEscape(code: number): boolean {
  return code >= FIRST_ESCAPE + 0x80 && code <= FIRST_ESCAPE + 0xff;
}

function hasEscapes(path: string): boolean {
  for (const char of path) {
    if (isEscape(char.codePointAt(0)!)) return true;
  }
  return false;
}

function decodeUtf8(bytes: Uint8Array): string {
  // TextDecoder refuses views of shared memory: guest pages are copied.
  const copy = bytes.buffer instanceof ArrayBuffer ? bytes : Uint8Array.from(bytes);
  try {
    return decoder.decode(copy);
  } catch {
    return decodeEscaped(copy);
  }
}

function decodeEscaped(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; ) {
    const length = sequenceLength(bytes, i);
    if (length === 0) text += String.fromCharCode(FIRST_ESCAPE + bytes[i++]);
    else {
      text += decoder.decode(bytes.subarray(i, i + length));
      i += length;
    }
  }
  return text;
}

/** Bytes of the valid UTF-8 sequence at i; 0 where there is none. */
function sequenceLength(bytes: Uint8Array, i: number): number {
  const lead = bytes[i];
  const length =
    lead < 0x80
      ? 1
      : lead >= 0xc2 && lead < 0xe0
        ? 2
        : lead >= 0xe0 && lead < 0xf0
          ? 3
          : lead >= 0xf0 && lead < 0xf5
            ? 4
            : 0;
  if (length === 0 || i + length > bytes.length) return 0;
  try {
    decoder.decode(bytes.subarray(i, i + length));
    return length;
  } catch {
    return 0;
  }
}

/** dirname(3) of a path without trailing slashes. */
export function dirname(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash === -1 ? '.' : slash === 0 ? '/' : path.slice(0, slash);
}
