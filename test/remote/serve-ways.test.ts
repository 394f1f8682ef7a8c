/** One tallship serve, reached in every way that it listens; who has no token or certificate gets one line. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { certificates } from '../support/certificates.ts';
import { commandLine, ENVIRONMENT, tallship } from '../support/run.ts';
import { sysroot } from '../support/sysroot.ts';

const there = sysroot();
const root = 'path' in there ? there.path : '';
const directory = mkdtempSync(join(tmpdir(), 'tallship-ways-'));
const ours = certificates(directory, 'ours');
const theirs = certificates(directory, 'theirs');
const tls = ['--tls-cert', ours.certificate, '--tls-key', ours.key, '--tls-ca', ours.authority];
const tokenFile = join(directory, 'token');

let server: ChildProcess;
const urls = new Map<string, string>();

beforeAll(async () => {
  if (root === '') return;
  const ways = [`unix:${join(directory, 's')}`, ...['tcp', 'tls', 'ws', 'wss'].map((kind) => `${kind}:127.0.0.1:0`)];
  const listens = ways.flatMap((way) => ['--listen', way]);
  const args = commandLine(['serve', '--force', '--export', `${root}:ro`, ...listens, '--token', tokenFile, ...tls]);
  server = spawn(process.execPath, args, { env: ENVIRONMENT, stdio: ['ignore', 'ignore', 'pipe'] });
  let text = '';
  await new Promise<void>((resolve, reject) => {
    server.once('exit', () => reject(new Error(text)));
    server.stderr!.on('data', (data) => {
      text += data;
      for (const [, url, kind] of text.matchAll(/serving at ((\w+):\S+)\n/g)) urls.set(kind, url);
      if (urls.size === ways.length) resolve();
    });
  });
});
afterAll(() => {
  server?.kill('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

const echo = (url: string, options: readonly string[], env: Record<string, string>) =>
  tallship(['run', '--remote', url, ...options, '/bin/busybox', 'echo', 'ahoy'], { env, cwd: directory });

describe.skipIf(root === '')('tallship serve is reached', () => {
  it.each(['unix', 'tcp', 'ws'])('at %s:, with the token', async (kind) => {
    const token = readFileSync(tokenFile, 'utf8').trim();
    const outcome = await echo(urls.get(kind)!, [], { TALLSHIP_TOKEN: token });
    expect(outcome).toMatchObject({ status: 0, stdout: 'ahoy\n', stderr: '' });
  });

  it.each(['tls', 'wss'])('at %s:, with a certificate', async (kind) => {
    const options = [...tls, '--token', tokenFile];
    const outcome = await echo(`${urls.get(kind)!}${root}`, options, {});
    expect(outcome).toMatchObject({ status: 0, stdout: 'ahoy\n', stderr: '' });
    const stranger = ['--tls-cert', theirs.certificate, '--tls-key', theirs.key, '--tls-ca', ours.authority];
    const refused = await echo(urls.get(kind)!, [...stranger, '--token', tokenFile, '--retry', '0'], {});
    expect(refused).toMatchObject({ status: 125, stdout: '' });
    expect(refused.stderr).toMatch(/^tallship: --remote .*\n$/);
  });

  it.each(['tcp', 'ws'])('at %s:, without the token: one line', async (kind) => {
    for (const env of [{}, { TALLSHIP_TOKEN: 'guessed' }]) {
      const outcome = await echo(urls.get(kind)!, [], env as Record<string, string>);
      expect(outcome).toMatchObject({ status: 125, stdout: '' });
      expect(outcome.stderr).toMatch(/^tallship: --remote .*the token is not the right one\n$/);
    }
  });

  it('a directory that is not exported, and a server that is none, are one line', async () => {
    const token = readFileSync(tokenFile, 'utf8').trim();
    const outside = await echo(`${urls.get('tcp')!}/etc`, [], { TALLSHIP_TOKEN: token });
    expect(outside).toMatchObject({ status: 125, stderr: expect.stringMatching(/\/etc is not exported there\n$/) });
    const web = createServer((socket) => {
      socket.on('error', () => {});
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
    });
    await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
    const { port } = web.address() as { port: number };
    const none = await echo(`tcp://127.0.0.1:${port}`, [], {});
    web.close();
    expect(none).toMatchObject({ status: 125, stdout: '' });
    expect(none.stderr).toMatch(/^tallship: --remote .*\n$/);
  });
});
