/** An sshd of our own on a high port, for whoever runs the tests; and an `ssh` that knows it, to be put in front of PATH. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const SSHD = '/usr/sbin/sshd';
/** sshd insists on it when it runs as root. */
const PRIVILEGE_SEPARATION = '/run/sshd';

/** Why there is none; null: there is one. */
export function sshMissing(): string | null {
  if (!existsSync(SSHD)) return 'sshd (package openssh-server) is not installed';
  if (!existsSync('/usr/bin/ssh')) return 'ssh (package openssh-client) is not installed';
  return null;
}

export class Sshd {
  readonly directory = mkdtempSync(join(tmpdir(), 'tallship-sshd-'));
  port = 0;
  /** Holds `ssh`, which takes our key and configuration. */
  readonly client = join(this.directory, 'client');
  #server: ChildProcess | null = null;

  /** @param environment of what is started there. */
  static async start(environment: Readonly<Record<string, string>>): Promise<Sshd> {
    const sshd = new Sshd();
    sshd.port = await freePort();
    const at = (name: string) => join(sshd.directory, name);
    for (const name of ['host', 'user']) {
      execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', at(name)]);
    }
    writeFileSync(at('authorized'), readFileSync(at('user.pub')));
    const variables = Object.entries(environment).map(([name, value]) => `"${name}=${value}"`);
    writeFileSync(
      at('sshd_config'),
      [
        ...[`ListenAddress 127.0.0.1`, `HostKey ${at('host')}`, `AuthorizedKeysFile ${at('authorized')}`],
        ...['StrictModes no', 'UsePAM no', 'PasswordAuthentication no', 'PidFile none', 'PermitRootLogin yes'],
        'Subsystem sftp internal-sftp',
        `SetEnv ${variables.join(' ')}`,
        '',
      ].join('\n'),
    );
    if (process.getuid?.() === 0) mkdirSync(PRIVILEGE_SEPARATION, { recursive: true });
    sshd.#server = spawn(SSHD, ['-D', '-e', '-p', String(sshd.port), '-f', at('sshd_config')], { stdio: 'ignore' });
    mkdirSync(sshd.client);
    const options = ['IdentityFile', at('user'), 'UserKnownHostsFile', at('known'), 'StrictHostKeyChecking', 'no'];
    const config = options.flatMap((word, i) => (i % 2 === 0 ? [`${word} ${options[i + 1]}`] : []));
    writeFileSync(at('ssh_config'), `${config.join('\n')}\nLogLevel ERROR\n`);
    writeFileSync(join(sshd.client, 'ssh'), `#!/bin/sh\nexec /usr/bin/ssh -F '${at('ssh_config')}' "$@"\n`);
    chmodSync(join(sshd.client, 'ssh'), 0o755);
    await answers(sshd.port);
    return sshd;
  }

  stop(): void {
    this.#server?.kill('SIGKILL');
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

async function answers(port: number): Promise<void> {
  for (let i = 0; i < 100; i++) {
    const there = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('data', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    if (there) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('sshd does not answer');
}
