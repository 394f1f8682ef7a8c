/** Connections of every kind: what is sent arrives, ends are told, failures have one line that says why. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { dialer } from '../../src/host/transport/dial.ts';
import { type Listener, listen, parseListen } from '../../src/host/transport/listen.ts';
import type { TlsFiles } from '../../src/host/transport/tls.ts';
import type { Transport } from '../../src/remote/transport.ts';
import { parseRemoteUrl, type RemoteUrl } from '../../src/remote/url.ts';
import { certificates } from '../support/certificates.ts';

const directory = mkdtempSync(join(tmpdir(), 'tallship-transport-'));
const listeners: Listener[] = [];
afterAll(() => {
  for (const listener of listeners) listener.close();
  rmSync(directory, { recursive: true, force: true });
});

function url(text: string): RemoteUrl {
  const parsed = parseRemoteUrl(text);
  if (typeof parsed === 'string') throw new Error(parsed);
  return parsed;
}

/** Sends everything back, and ends when the other side does. */
function echo(transport: Transport): void {
  transport.receive({ data: (bytes) => transport.send(bytes.slice()), closed: () => {} });
}

async function serveEcho(at: string, tls?: TlsFiles): Promise<string> {
  const parsed = parseListen(at);
  if (typeof parsed === 'string') throw new Error(parsed);
  const listener = await listen(parsed, echo, tls);
  listeners.push(listener);
  return listener.url;
}

/** What comes back of a megabyte, in its length and sum. */
async function roundTrip(transport: Transport): Promise<void> {
  const sent = new Uint8Array(1 << 20).map((_, i) => (i * 7 + (i >> 8)) & 0xff);
  const got: Uint8Array[] = [];
  let length = 0;
  await new Promise<void>((resolve, reject) => {
    transport.receive({
      data: (bytes) => {
        got.push(bytes.slice());
        length += bytes.length;
        if (length >= sent.length) resolve();
      },
      closed: (error) => reject(new Error(error ?? 'ended early')),
    });
    transport.send(sent);
  });
  expect(Buffer.compare(Buffer.concat(got), sent)).toBe(0);
  transport.close();
}

describe('connections', () => {
  it.each(['unix:SOCKET', 'tcp:127.0.0.1:0', 'ws:127.0.0.1:0'])('%s carries a megabyte both ways', async (at) => {
    const there = await serveEcho(at.replace('SOCKET', join(directory, 'echo')));
    await roundTrip(await dialer(url(there))());
  });

  it('exec: is the standard input and output of a command', async () => {
    await roundTrip(await dialer(url('exec:cat'))());
  });

  it.each(['tls', 'wss'])('%s takes only whom its authority has signed', async (kind) => {
    const ours = certificates(directory, `${kind}-ours`);
    const theirs = certificates(directory, `${kind}-theirs`);
    const there = await serveEcho(`${kind}:127.0.0.1:0`, ours);
    await roundTrip(await dialer(url(there), { tls: ours })());
    const stranger = { ...theirs, authority: ours.authority };
    const outcome = await dialer(url(there), { tls: stranger })().then(
      (transport) =>
        new Promise((resolve) => transport.receive({ data: () => resolve('data'), closed: () => resolve('closed') })),
      () => 'refused',
    );
    expect(['closed', 'refused']).toContain(outcome);
    await expect(dialer(url(there), { tls: { ...ours, authority: theirs.authority } })()).rejects.toThrow(
      /cannot be reached/,
    );
  });
});

describe('what fails says why', () => {
  it.each([
    ['tcp://127.0.0.1:1', '127.0.0.1:1 cannot be reached: nobody listens there'],
    ['ws://127.0.0.1:1', '127.0.0.1:1 cannot be reached: nobody listens there'],
    [`unix:${join(directory, 'nothing')}`, 'nothing cannot be reached: there is no such socket'],
  ])('%s', async (text, reason) => {
    await expect(dialer(url(text))()).rejects.toThrow(reason);
  });

  it.each([
    ['exec:no-such-command-here', 'there is no tallship at no-such-command-here'],
    ['exec:echo late words >&2; exit 3', 'late words'],
    ['exec:kill -9 $$', 'ended by SIGKILL'],
  ])('%s', async (text, reason) => {
    const transport = await dialer(url(text))();
    const error = await new Promise((resolve) => transport.receive({ data: () => {}, closed: resolve }));
    expect(error).toContain(reason);
  });

  it('a socket that another server listens at is left alone, one that was left behind is replaced', async () => {
    const at = join(directory, 'twice');
    await serveEcho(`unix:${at}`);
    await expect(serveEcho(`unix:${at}`)).rejects.toThrow('someone listens there already');
    writeFileSync(join(directory, 'file'), 'precious');
    await expect(serveEcho(`unix:${join(directory, 'file')}`)).rejects.toThrow('someone listens there already');
  });
});
