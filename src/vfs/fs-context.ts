/** What CLONE_FS shares: root, working directory and umask; and what every path operation needs to know of its caller. */
import type { Sleeper } from '../wait/wait.ts';
import type { Credentials } from './credentials.ts';
import type { Location } from './location.ts';
import type { MountNamespace } from './mounts.ts';

export class FsContext {
  root: Location;
  cwd: Location;
  umask = 0o022;

  constructor(root: Location, cwd: Location = root) {
    this.root = root;
    this.cwd = cwd;
  }

  clone(): FsContext {
    const copy = new FsContext(this.root, this.cwd);
    copy.umask = this.umask;
    return copy;
  }
}

/** The task, as path operations see it. */
export interface PathContext extends Sleeper {
  credentials: Credentials;
  readonly fs: FsContext;
  readonly namespace: MountNamespace;
}
