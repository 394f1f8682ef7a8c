/**
 * A tree that lies on a web server, for programs that know of files only:
 *
 *   tallship run -L sysroot --layer ./http-tree.ts:https://example.org cat /web/index.html
 *
 * The task waits in open() until the server has answered; a second look asks the cache.
 */
import { layer } from 'tallship';

const [ENOENT, EACCES, EIO, EROFS] = [2, 13, 5, 30];
const WRITES = 0o3 | 0o100 | 0o1000;
const PREFIX = '/web/';

/** open() and openat(), as far as this layer needs them. */
interface Opening {
  readonly flags: number;
  absolute(): string;
  give(content: Uint8Array, flags?: number): number;
  next(): Promise<number>;
  readonly aborted: AbortSignal;
}

export default (base = 'http://localhost') => {
  const cache = new Map<string, Uint8Array>();

  async function get(path: string, signal: AbortSignal): Promise<Uint8Array | number> {
    const known = cache.get(path);
    if (known !== undefined) return known;
    const response = await fetch(new URL(path.slice(PREFIX.length), `${base}/`), { signal }).catch(() => null);
    if (response === null) return -EIO;
    if (!response.ok) return response.status === 404 ? -ENOENT : -EACCES;
    const content = new Uint8Array(await response.arrayBuffer());
    cache.set(path, content);
    return content;
  }

  async function open(call: Opening): Promise<number> {
    const path = call.absolute();
    if (!path.startsWith(PREFIX)) return call.next();
    if ((call.flags & WRITES) !== 0) return -EROFS;
    const content = await get(path, call.aborted);
    return typeof content === 'number' ? content : call.give(content, call.flags);
  }

  return layer('http-tree', { open, openat: open }, { scope: { when: (call) => call.absolute().startsWith(PREFIX) } });
};
