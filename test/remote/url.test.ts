import { describe, expect, it } from 'vitest';
import { parseRemoteUrl } from '../../src/remote/url.ts';

describe('URLs of other sides', () => {
  it.each([
    ['ssh://home/dir', { kind: 'ssh', user: undefined, host: 'home', port: undefined, path: '/dir' }],
    ['ssh://me@home:2222', { kind: 'ssh', user: 'me', host: 'home', port: 2222, path: '' }],
    ['tcp://[::1]:80/a b', { kind: 'tcp', host: '::1', port: 80, path: '/a b' }],
    ['tcp:host:80', { kind: 'tcp', host: 'host', port: 80, path: '' }],
    ['tls://host:443', { kind: 'tls', host: 'host', port: 443, path: '' }],
    ['wss://host/x', { kind: 'wss', host: 'host', port: undefined, path: '/x' }],
    ['unix:/run/ship', { kind: 'unix', socket: '/run/ship', path: '' }],
    ['exec:ssh home tallship serve --stdio', { kind: 'exec', command: 'ssh home tallship serve --stdio', path: '' }],
    ['chirp://host/d', { kind: 'chirp', host: 'host', port: 9094, path: '/d' }],
    ['condor', { kind: 'condor', path: '' }],
    ['condor:/data', { kind: 'condor', path: '/data' }],
  ])('%s', (text, expected) => {
    expect(parseRemoteUrl(text)).toEqual(expected);
  });

  it.each([
    ['/dir', 'is no URL'],
    ['http://host/', 'is no way to another side'],
    ['tcp://host', 'names no port'],
    ['tcp://host:99999', 'is no port'],
    ['ssh://-oProxyCommand=evil/', 'does not begin with -'],
    ['ssh:///dir', 'names no host'],
    ['tcp://me@host:1', 'only ssh:// takes a user'],
    ['exec: ', 'which command'],
  ])('%s is refused', (text, reason) => {
    expect(parseRemoteUrl(text)).toContain(reason);
  });
});
