/** A question to whoever sits at the terminal; the guest waits meanwhile. */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';

export function ask(question: string): string | null {
  let fd: number;
  try {
    fd = openSync('/dev/tty', 'r+');
  } catch {
    return null;
  }
  try {
    writeSync(fd, question);
    const bytes = Buffer.alloc(256);
    return bytes.subarray(0, readSync(fd, bytes)).toString().trim();
  } finally {
    closeSync(fd);
  }
}
