/** The same files through sshfs, from an sshd of our own: where sshfs, sshd and FUSE are there. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { cuttingProxy } from '../test/support/cutting-proxy.ts';
import { Sshd, sshMissing } from '../test/support/sshd.ts';

export interface Mounted {
  readonly path: string;
  close(): void;
}

/** Why nothing can be compared with; null: it can. */
export function sshfsMissing(): string | null {
  const missing = sshMissing();
  if (missing !== null) return missing;
  if (spawnSync('sshfs', ['--version']).status !== 0) return 'sshfs is not installed';
  return existsSync('/dev/fuse') ? null : 'there is no FUSE here';
}

/** Mounts a directory; with a delay, in milliseconds each way, over a slow link. */
export class SshfsServer {
  readonly #sshd: Sshd;

  private constructor(sshd: Sshd) {
    this.#sshd = sshd;
  }

  static async start(): Promise<SshfsServer> {
    return new SshfsServer(await Sshd.start({ LC_ALL: 'C' }));
  }

  /** How `ssh` reaches us, for tallship's own URLs: the directory of a command to be put in front of PATH, and the port. */
  get client(): { readonly directory: string; readonly port: number } {
    return { directory: this.#sshd.client, port: this.#sshd.port };
  }

  async mount(directory: string, at: string, delay = 0): Promise<Mounted> {
    mkdirSync(at, { recursive: true });
    let { port } = this.#sshd;
    const proxy = delay === 0 ? null : await cuttingProxy(0, port, { delay, life: Number.POSITIVE_INFINITY });
    if (proxy !== null) port = proxy.port;
    const options = ['-p', String(port), '-o', `ssh_command=${join(this.#sshd.client, 'ssh')}`];
    const { status, stderr } = await run('sshfs', [...options, `127.0.0.1:${directory}`, at]);
    if (status !== 0) throw new Error(`sshfs: ${stderr}`);
    return {
      path: at,
      close() {
        spawnSync('fusermount3', ['-u', at]);
        proxy?.close();
      },
    };
  }

  stop(): void {
    this.#sshd.stop();
  }
}
