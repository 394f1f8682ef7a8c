/** Archives that the system's tar makes, compared with the directory they were made of. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { EROFS } from '../../src/abi/errno.ts';
import { S_IFDIR, S_IFLNK, S_IFREG } from '../../src/abi/fs.ts';
import { TarFs } from '../../src/fs/tar.ts';
import { TarError, type TarSource } from '../../src/fs/tar-format.ts';
import { mkdir } from '../../src/vfs/create.ts';
import { failed } from '../../src/wait/wait.ts';
import { hostDirectory, hostFs, overlayFs } from '../support/trees.ts';
import { memoryFs, World } from '../support/world.ts';

function sourceOf(bytes: Uint8Array): TarSource {
  return {
    size: bytes.length,
    read(position, into) {
      const part = bytes.subarray(position, position + into.length);
      into.set(part);
      return part.length;
    },
  };
}

const tree = hostDirectory();
const long = 'long-name-'.repeat(12);
fs.mkdirSync(`${tree}/d/${long}/${long}`, { recursive: true });
fs.writeFileSync(`${tree}/d/${long}/${long}/file`, 'far down');
fs.writeFileSync(`${tree}/plain`, 'plain text', { mode: 0o640 });
fs.writeFileSync(`${tree}/empty`, '');
fs.writeFileSync(`${tree}/big`, Buffer.alloc(100_000, 'tar'));
fs.writeFileSync(`${tree}/\u00fcml\u00e4ut`, 'utf-8');
fs.symlinkSync(`${long}/${long}/file`, `${tree}/d/link`);
fs.symlinkSync('x'.repeat(150), `${tree}/long-link`);
fs.linkSync(`${tree}/plain`, `${tree}/d/hard`);
fs.utimesSync(`${tree}/plain`, 1_500_000_000, 1_500_000_000);

function archive(format: string): Uint8Array {
  const args = ['--create', `--format=${format}`, '--sort=name', '--directory', tree, '.'];
  return execFileSync('tar', args, { maxBuffer: 1 << 26, stdio: ['ignore', 'pipe', 'ignore'] });
}

function describeTree(world: World, path: string): string[] {
  const lines: string[] = [];
  for (const name of world.list(path)) {
    const below = `${path}${name}`;
    const inode = world.place(below, false).dentry.inode!;
    const found = world.run(() => inode.attributes(world));
    if (failed(found)) throw new Error(`${below}: ${found}`);
    const seconds = found.mtime / 1_000_000_000n;
    const directory = inode.type === S_IFDIR;
    lines.push(
      `${below} ${found.mode.toString(8)} ${directory ? 0 : found.nlink} ${directory ? 0 : found.size} ${seconds}`,
    );
    if (directory) lines.push(...describeTree(world, `${below}/`));
    else if (inode.type === S_IFREG) lines.push(world.text(below));
    else if (inode.type === S_IFLNK) lines.push(String(world.run(() => inode.readlink(world))));
  }
  return lines;
}

const expected = describeTree(new World(hostFs(tree, true)), '/');

describe.each(['gnu', 'pax', 'posix'])('a %s archive', (format) => {
  test('shows the tree it was made of', () => {
    const world = new World(new TarFs(sourceOf(archive(format)), 60));
    expect(describeTree(world, '/')).toEqual(expected);
    expect(world.run(() => mkdir(world, world.cwd, '/new', 0o755))).toBe(-EROFS);
  });

  test('under an overlay can be changed', () => {
    const world = new World(overlayFs(memoryFs(41, 2 ** 31), new TarFs(sourceOf(archive(format)), 60)));
    world.put('/plain', 'changed');
    expect(world.text('/d/hard')).toBe('changed');
    expect(world.text('/big')).toBe(Buffer.alloc(100_000, 'tar').toString());
  });
});

test('a ustar archive, with its name prefix', () => {
  const inner = hostDirectory();
  const deep = 'prefix-'.repeat(12);
  fs.mkdirSync(`${inner}/${deep}/${deep}`, { recursive: true });
  fs.writeFileSync(`${inner}/${deep}/${deep}/file`, 'ustar');
  const bytes = execFileSync('tar', ['--create', '--format=ustar', '--directory', inner, '.']);
  expect(new World(new TarFs(sourceOf(bytes), 60)).text(`/${deep}/${deep}/file`)).toBe('ustar');
});

describe('what is no archive is refused', () => {
  const whole = archive('pax');
  const damaged = Uint8Array.from(whole);
  damaged[600] ^= 0xff;
  const damagedHeader = Uint8Array.from(whole);
  damagedHeader[3] ^= 0x55;
  test.each([
    ['text', new TextEncoder().encode('not an archive'.repeat(100))],
    ['a damaged header', damagedHeader],
    ['half of one', whole.subarray(0, 512 * 20 + 100).slice(0, 512 * 9)],
  ])('%s', (_name, bytes) => {
    expect(() => new TarFs(sourceOf(bytes), 60)).toThrow(TarError);
  });

  test('members that lead outside', () => {
    const inner = hostDirectory();
    fs.writeFileSync(`${inner}/x`, '');
    const bytes = execFileSync('tar', ['--create', '-P', '--transform=s,^,../,', '--directory', inner, 'x']);
    expect(() => new TarFs(sourceOf(bytes), 60)).toThrow(/outside/);
  });
});
