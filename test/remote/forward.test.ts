/** run --forward: connections from home's address, to it, and what home says of itself; nothing that home does not allow. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, createServer as createListener } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { hostBytes, hostText, type InetAddress } from '../../src/abi/socket-address.ts';
import { parseForward, permits } from '../../src/remote/forward.ts';
import { cuttingProxy } from '../support/cutting-proxy.ts';
import { commandLine, ENVIRONMENT, tallship } from '../support/run.ts';
import { MAIN, sysroot } from '../support/sysroot.ts';

const there = sysroot();
const root = 'path' in there ? there.path : '';
const directory = mkdtempSync(join(tmpdir(), 'tallship-forward-'));
const large = randomBytes(1_000_000).toString('base64');
let web: Server;
let port: number;
const servers: ChildProcess[] = [];

/** A tallship serve with these options; answers its URL. */
async function serve(name: string, ...options: string[]): Promise<string> {
  const where = `unix:${join(directory, name)}`;
  const args = commandLine(['serve', '--force', '-l', where, '-e', `${root}:ro`, ...options]);
  const server = spawn(process.execPath, args, { env: ENVIRONMENT, stdio: ['ignore', 'ignore', 'pipe'] });
  servers.push(server);
  await new Promise<void>((resolve) => {
    server.stderr!.on('data', (text) => String(text).includes('serving at') && resolve());
  });
  return where;
}

beforeAll(async () => {
  web = createServer(({ url }, response) => response.end(url === '/large' ? large : 'from home\n'));
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
  ({ port } = web.address() as AddressInfo);
});
afterAll(() => {
  web.close();
  for (const server of servers) server.kill('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

async function freePort(): Promise<number> {
  const server = createListener();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Connects as soon as somebody listens; answers what is said there. */
function visitWhenOpen(port: number): Promise<string> {
  return new Promise((resolve) => {
    const visit = () => {
      const socket = connect(port, '127.0.0.1', () => socket.end('from outside'));
      socket.on('error', () => setTimeout(visit, 100));
      socket.on('data', (bytes) => resolve(String(bytes)));
    };
    visit();
  });
}

const wget = (path: string) => ['/bin/busybox', 'wget', '-q', '-O', '-', `http://127.0.0.1:${port}/${path}`];

describe.skipIf(root === '')('calls that go home', () => {
  it('connect from there, where home allows it', async () => {
    const url = await serve('some', '--allow', `forward:connect@localhost:${port}`);
    const forwarded = ['run', '--remote', url, '--forward', 'connect'];
    const outcome = await tallship([...forwarded, ...wget('small')]);
    expect(outcome).toMatchObject({ status: 0, stdout: 'from home\n', stderr: '' });
    const elsewhere = await tallship([...forwarded, '/bin/busybox', 'wget', '-q', '-O', '-', 'http://127.0.0.1:1/']);
    expect(elsewhere).toMatchObject({ status: 1, stderr: expect.stringMatching(/Permission denied/) });
    const without = await tallship(['run', '--remote', url, ...wget('small')]);
    expect(without).toMatchObject({ status: 1, stderr: expect.stringMatching(/Connection refused/) });
  });

  it('what home does not allow is one line', async () => {
    const url = await serve('none');
    const outcome = await tallship(['run', '--remote', url, '--forward', 'sockets', '/bin/true']);
    expect(outcome).toMatchObject({
      status: 125,
      stderr: expect.stringMatching(/^tallship: --forward \w+: home does not allow it\n$/),
    });
    const homeless = await tallship(['run', '-L', root, '--forward', 'sockets', '/bin/true']);
    expect(homeless).toMatchObject({ status: 125, stderr: expect.stringMatching(/^tallship: --forward needs a home/) });
  });

  it('connections outlive those between the machines; python3 polls and listens; uname', async () => {
    const url = await serve('all', '--allow', 'forward:sockets,hostname,time');
    const between = await cuttingProxy(join(directory, 'bad'), url.slice(5), { delay: 1, life: 400 });
    const free = await freePort();
    const script = `
import os, select, socket, urllib.request
data = urllib.request.urlopen('http://127.0.0.1:${port}/large').read()
print(len(data), os.uname().nodename)
s = socket.create_connection(('127.0.0.1', ${port}))
print(s.getpeername())
s.setblocking(False)
print(select.select([s], [s], [], 10)[1] == [s])
s.send(b'GET /small HTTP/1.0\\r\\n\\r\\n')
print(select.select([s], [], [], 10)[0] == [s])
print(s.recv(9))
l = socket.socket()
l.bind(('127.0.0.1', ${free}))
l.listen()
c, _ = l.accept()
print(c.recv(100))
c.sendall(b'ahoy')
`;
    const run = [
      'run',
      '-q',
      '-L',
      root,
      '-M',
      `/m=unix:${join(directory, 'bad')}`,
      '--forward',
      'sockets,hostname,time',
    ];
    const program = tallship([...run, '/usr/bin/python3', '-c', script]);
    const visit = visitWhenOpen(free);
    const { stdout, stderr, status } = await program;
    between.close();
    expect(await visit).toBe('ahoy');
    expect(stderr).toBe('');
    expect(stdout).toBe(
      [
        `${large.length} ${hostname()}`,
        ...[`('127.0.0.1', ${port})`, 'True', 'True', "b'HTTP/1.1 '", "b'from outside'", ''],
      ].join('\n'),
    );
    expect(status).toBe(0);
    expect(between.connections).toBeGreaterThan(2);
  }, 60_000);

  it('with --on, home is where it was asked for', async () => {
    writeFileSync(join(directory, 'tallship'), `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`);
    chmodSync(join(directory, 'tallship'), 0o755);
    const on = `exec:env -i HOME=${directory} PATH=${directory}:${dirname(process.execPath)}:/usr/bin:/bin`;
    const outcome = await tallship(['run', '--on', on, '-L', root, '--forward', `connect@*:${port}`, ...wget('small')]);
    expect(outcome).toMatchObject({ status: 0, stdout: 'from home\n', stderr: '' });
  });
});

const to = (text: string, port: number): InetAddress => ({ family: 2, host: hostBytes(text)!, port });

test('rules say which calls, and where they may lead', async () => {
  const rule = (text: string) => {
    const parsed = parseForward(text);
    if (typeof parsed === 'string') throw new Error(parsed);
    return parsed;
  };
  const addresses = async (host: string) => [hostBytes(host === 'licence' ? '10.0.0.7' : host)!];
  const allows = (text: string, call: string, target: InetAddress | null) =>
    permits([rule(text)], call, target, addresses);
  expect(await allows('sockets', 'connect', to('8.8.8.8', 53))).toBe(true);
  expect(await allows('connect@licence:27000', 'connect', to('10.0.0.7', 27000))).toBe(true);
  expect(await allows('connect@licence:27000', 'connect', to('10.0.0.7', 27001))).toBe(false);
  expect(await allows('connect@licence:27000', 'connect', to('10.0.0.8', 27000))).toBe(false);
  expect(await allows('connect@licence', 'listen', to('10.0.0.7', 1))).toBe(false);
  expect(await allows('connect@*:80', 'connect', to('1.2.3.4', 80))).toBe(true);
  expect(await allows('connect@[::ffff:1.2.3.4]:80', 'connect', to('1.2.3.4', 80))).toBe(true);
  expect(await allows('hostname', 'sendto', null)).toBe(false);
  expect(await allows('connect@*:80', 'sendto', null)).toBe(true);
  for (const text of ['', 'open', 'connect@', 'hostname@here', 'connect@a:b', 'connect@a:99999'])
    expect(parseForward(text), text).toBeTypeOf('string');
});

test('addresses are written and read', () => {
  for (const text of ['127.0.0.1', '0:0:0:0:0:0:0:1', 'fe80:0:0:0:0:0:1:2'])
    expect(hostText(hostBytes(text)!)).toBe(text);
  expect(hostText(hostBytes('::1')!)).toBe('0:0:0:0:0:0:0:1');
  expect(hostText(hostBytes('::ffff:1.2.3.4')!)).toBe('0:0:0:0:0:ffff:102:304');
  for (const text of ['', '1.2.3', '1.2.3.256', '1:2:3', '::1::2', 'host']) expect(hostBytes(text)).toBeNull();
});
