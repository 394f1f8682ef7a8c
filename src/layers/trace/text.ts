/** Strings as strace quotes them. */

import { ESCAPES } from '../../syscall/arg.ts';

/** Octal escapes are as short as what follows allows. */
function quoted(bytes: Uint8Array): string {
  let out = '';
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    const special = ESCAPES[byte];
    if (special !== undefined) out += special;
    else if (byte >= 0x20 && byte < 0x7f) out += String.fromCharCode(byte);
    else {
      const next = bytes[i + 1];
      const full = next >= 0x30 && next <= 0x39;
      out += `\\${full ? byte.toString(8).padStart(3, '0') : byte.toString(8)}`;
    }
  }
  return out;
}

export function bytesText(bytes: Uint8Array, more: boolean): string {
  return `"${quoted(bytes)}"${more ? '...' : ''}`;
}

/** Text that ends at its NUL. */
export function cString(bytes: Uint8Array, limit: number): string {
  return bytesText(bytes.subarray(0, limit), bytes.length > limit);
}

/** getrandom's bytes: all of them in hexadecimal. */
export function hexText(bytes: Uint8Array, more: boolean): string {
  const digits = [...bytes].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`);
  return `"${digits.join('')}"${more ? '...' : ''}`;
}
