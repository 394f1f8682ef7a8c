/** tallship sysroot DIR PACKAGE...: a directory with Debian's i386 packages, made without root privileges. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { say } from '../host/node.ts';
import { cacheDirectory } from './cache.ts';
import type { SysrootValues } from './commands.ts';
import { CliError } from './error.ts';
import { Progress } from './progress.ts';
import { type Apt, aptConfiguration, download, update } from './sysroot/apt.ts';
import { finish } from './sysroot/finish.ts';
import { type Control, mergeUsr, Status, unpack } from './sysroot/unpack.ts';

export async function main(values: SysrootValues, [directory, ...packages]: string[]): Promise<number> {
  if (directory === undefined || packages.length === 0) {
    throw new CliError(125, 'sysroot: give a directory and at least one package; see tallship sysroot --help');
  }
  for (const tool of ['apt-get', 'dpkg-deb', 'tar']) requireTool(tool);
  const root = resolve(directory);
  mkdirSync(root, { recursive: true });
  mergeUsr(root);
  const progress = new Progress();
  const status = new Status(root);
  const apt: Apt = {
    directory: cacheDirectory('apt'),
    status: status.path,
    sources: values.sources === undefined ? undefined : resolve(values.sources),
    recommends: values.recommends,
  };
  const configuration = aptConfiguration(apt);
  await update(apt, configuration, progress);
  const files = await download(apt, configuration, packages, progress);
  const controls = await unpackAll(files, join(apt.directory, 'archives'), root, progress);
  for (const control of controls) status.add(control);
  status.save();
  finish(
    root,
    controls.map((control) => control.postinst),
  );
  progress.clear();
  say(`${root}: ${controls.length} packages unpacked`);
  return 0;
}

async function unpackAll(files: string[], archives: string, root: string, progress: Progress): Promise<Control[]> {
  const controls: Control[] = [];
  let next = 0;
  const worker = async () => {
    while (next < files.length) {
      const file = files[next++];
      progress.show('unpack', `${next}/${files.length} ${file.split('_')[0]}`);
      controls.push(await unpack(join(archives, file), root));
    }
  };
  await Promise.all(Array.from({ length: Math.min(4, availableParallelism()) }, worker));
  return controls;
}

function requireTool(tool: string): void {
  try {
    execFileSync(tool, ['--version'], { stdio: 'ignore' });
  } catch {
    throw new CliError(
      125,
      `sysroot: needs ${tool} (Debian, Ubuntu); elsewhere export an i386 container image with ` +
        '`docker export` and run with -L rootfs.tar',
    );
  }
}
