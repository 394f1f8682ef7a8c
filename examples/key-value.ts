/**
 * Files that are entries of a key-value store: what is written to /kv/NAME is the value of NAME.
 *
 *   tallship run -L sysroot --layer ./key-value.ts:store.json sh -c 'echo ahoy > /kv/greeting; cat /kv/greeting'
 *
 * The store is a JSON file here; any other with get and put will do.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { layer } from 'tallship';

const ENOENT = 2;
const [O_CREAT, O_TRUNC] = [0o100, 0o1000];
const PREFIX = '/kv/';

export default (file = 'store.json') => {
  const values: Record<string, string> = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
  const put = (name: string, value: Uint8Array) => {
    values[name] = new TextDecoder().decode(value);
    writeFileSync(file, JSON.stringify(values));
  };
  const open = {
    enter(call: Opening) {
      const path = call.absolute();
      if (!path.startsWith(PREFIX)) return undefined;
      const name = path.slice(PREFIX.length);
      if (!(name in values) && (call.flags & O_CREAT) === 0) return -ENOENT;
      if ((call.flags & O_TRUNC) !== 0) put(name, new Uint8Array());
      const fd = call.give(new TextEncoder().encode(values[name] ?? ''), call.flags);
      if (fd >= 0) call.fileState(fd).name = name;
      return fd;
    },
  };
  // After each write: descriptors are also closed by dup2, execve and the process's end.
  const save = {
    exit(call: Descriptor) {
      const { name } = call.fileState(call.fd);
      const value = typeof name === 'string' ? call.content(call.fd) : null;
      if (value !== null) put(String(name), value);
    },
  };
  return layer('key-value', { open, openat: open, write: save, writev: save });
};

interface Descriptor {
  readonly fd: number;
  fileState(fd: number): Record<string, unknown>;
  content(fd: number): Uint8Array | null;
}
interface Opening extends Omit<Descriptor, 'fd'> {
  readonly flags: number;
  absolute(): string;
  give(content: Uint8Array, flags?: number): number;
}
