/** A server and its client in one process, for tests that cannot wait: bytes arrive while they are sent. */

import { type IoMode, RemoteFs } from '../../src/remote/client/remote-fs.ts';
import { Shadow, type ShadowOptions } from '../../src/remote/server/shadow.ts';
import type { Transport, TransportListener } from '../../src/remote/transport.ts';
import type { FileSystem, TreeOrigin } from '../../src/vfs/inode.ts';
import { FakeClock } from './sleeper.ts';

class Loop implements Transport {
  readonly backlog = 0;
  other!: Loop;
  #listener: TransportListener | null = null;
  #early: Uint8Array[] = [];
  #open = true;

  receive(listener: TransportListener): void {
    this.#listener = listener;
    for (const bytes of this.#early.splice(0)) listener.data(bytes);
  }
  send(bytes: Uint8Array): void {
    if (this.#open) this.other.#take(bytes.slice());
  }
  #take(bytes: Uint8Array): void {
    if (this.#listener === null) this.#early.push(bytes);
    else if (this.#open) this.#listener.data(bytes);
  }
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.other.close();
    queueMicrotask(() => this.#listener?.closed());
  }
}

export function loop(): [Loop, Loop] {
  const here = new Loop();
  const there = new Loop();
  here.other = there;
  there.other = here;
  return [here, there];
}

export function shadowOf(fs: FileSystem, options: Partial<ShadowOptions> = {}): Shadow {
  const { clock } = new FakeClock();
  return new Shadow({
    exports: [{ path: '/home', fs }],
    clock,
    randomBytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
    uid: 0,
    gid: 0,
    groups: [],
    host: 'home',
    log: () => {},
    ...options,
  });
}

/** The served tree as a client sees it. */
export function remoteFs(served: FileSystem, io: IoMode, device = 50, origin?: TreeOrigin): RemoteFs {
  const shadow = shadowOf(served);
  const dial = () => {
    const [here, there] = loop();
    shadow.accept(there);
    return here;
  };
  const options = { retry: 1000, log: () => {}, path: '', device, io, origin };
  const fs = new RemoteFs({ ...options, dial: async () => dial() });
  // Everything answers at once: nothing is waited for.
  void fs.link.connect(dial());
  void fs.attach();
  return fs;
}
