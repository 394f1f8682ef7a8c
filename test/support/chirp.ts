/** A chirp_server of cctools over a directory, as whoever runs the tests; and a proxy that loses connections. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface ChirpServer {
  readonly port: number;
  /** What it serves. */
  readonly root: string;
  stop(): void;
}

/** Why there is none; null: there is one. */
export function chirpMissing(): string | null {
  // Its -v ends with a status of failure.
  const { error } = spawnSync('chirp_server', ['-v'], { stdio: 'ignore' });
  return error === undefined ? null : 'chirp_server (package coop-computing-tools) is not installed';
}

const NOBODY = 65534;

export async function startChirp(): Promise<ChirpServer> {
  const directory = mkdtempSync(join(tmpdir(), 'tallship-chirp-'));
  const [root, challenges, portFile] = ['root', 'challenges', 'port'].map((name) => join(directory, name));
  chmodSync(directory, 0o755);
  mkdirSync(root);
  mkdirSync(challenges);
  chmodSync(challenges, 0o1777);
  writeFileSync(join(root, '.__acl'), 'unix:* rwlda\n');
  const asRoot = process.getuid?.() === 0;
  if (asRoot) for (const path of [root, join(root, '.__acl')]) chownSync(path, NOBODY, NOBODY);
  const identity = asRoot ? ['-i', 'nobody'] : [];
  const where = ['-r', root, '-y', directory, '-c', challenges, '-I', '127.0.0.1', '-Z', portFile];
  const server: ChildProcess = spawn('chirp_server', [...where, ...identity, '-a', 'unix', '-u', '-'], {
    stdio: 'ignore',
  });
  for (let i = 0; i < 200 && portIn(portFile) === 0; i++) await new Promise((resolve) => setTimeout(resolve, 50));
  return {
    port: portIn(portFile),
    root,
    stop: () => {
      server.kill('SIGKILL');
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** 0: not yet. The server has been seen to make a directory of this name first. */
function portIn(file: string): number {
  try {
    return Number(readFileSync(file, 'utf8'));
  } catch {
    return 0;
  }
}

/** Passes connections on, and cuts them all when told. */
export class CuttingProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  cuts = 0;

  private constructor(to: number) {
    this.#server = createServer((near) => {
      const far = connect(to, '127.0.0.1');
      for (const [a, b] of [
        [near, far],
        [far, near],
      ]) {
        a.setNoDelay(true);
        this.#sockets.add(a);
        a.on('data', (data) => b.write(data));
        a.on('error', () => {});
        a.on('close', () => {
          this.#sockets.delete(a);
          b.destroy();
        });
      }
    });
  }

  static async to(port: number): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(port);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  cut(): void {
    if (this.#sockets.size > 0) this.cuts++;
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.cut();
    this.#server.close();
  }
}
