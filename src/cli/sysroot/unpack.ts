/** Debian packages into a directory: files by dpkg-deb and tar, nothing of theirs is run. */
import { spawn } from 'node:child_process';
import { lstatSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CliError } from '../error.ts';

/** What a package says about itself. */
export interface Control {
  readonly name: string;
  /** The control file's paragraph. */
  readonly paragraph: string;
  /** The maintainer script that would set up alternatives; empty when there is none. */
  readonly postinst: string;
}

/** Debian 12 merges these into /usr; packages ship files under both names. */
export function mergeUsr(root: string): void {
  for (const name of ['bin', 'sbin', 'lib']) {
    mkdirSync(join(root, 'usr', name), { recursive: true });
    if (!exists(join(root, name))) symlinkSync(`usr/${name}`, join(root, name));
  }
}

export function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** Unpacks one package and answers its control data. */
export async function unpack(deb: string, root: string): Promise<Control> {
  const tar = ['-x', '-C', root, '--keep-directory-symlink', '--no-same-owner', '-p', '--exclude=./dev/*'];
  const [, control] = await Promise.all([
    pipeline(deb, ['--fsys-tarfile', deb], tar),
    pipeline(deb, ['--ctrl-tarfile', deb], ['-xO', '--wildcards', './control', './postinst*']),
  ]);
  // Both members in one stream: the control file ends where the script's first line starts.
  const cut = control.search(/^#!/m);
  const paragraph = (cut < 0 ? control : control.slice(0, cut)).trim();
  const name = /^Package: (\S+)/m.exec(paragraph)?.[1];
  if (name === undefined) throw new CliError(125, `${deb} is not a Debian package`);
  return { name, paragraph, postinst: cut < 0 ? '' : control.slice(cut) };
}

function pipeline(deb: string, dpkg: string[], tar: string[]): Promise<string> {
  const source = spawn('dpkg-deb', dpkg, { stdio: ['ignore', 'pipe', 'pipe'] });
  const sink = spawn('tar', tar, { stdio: ['pipe', 'pipe', 'pipe'] });
  source.stdout.pipe(sink.stdin);
  sink.stdin.on('error', () => {}); // tar may stop reading early: its exit status tells
  let output = '';
  let problem = '';
  sink.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  for (const stream of [source.stderr, sink.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      problem += text;
    });
  }
  return new Promise((resolve, reject) => {
    source.on('error', reject);
    sink.on('error', reject);
    sink.on('close', (status) => {
      const missingScript = dpkg[0] === '--ctrl-tarfile' && output !== '';
      if (status === 0 || missingScript) resolve(output);
      else reject(new CliError(125, `cannot unpack ${deb}: ${problem.trim().split('\n')[0]}`));
    });
  });
}

/** dpkg's status file: apt resolves the next packages against it, and dpkg -l works inside. */
export class Status {
  readonly path: string;
  readonly #paragraphs = new Map<string, string>();

  constructor(root: string) {
    this.path = join(root, 'var/lib/dpkg/status');
    mkdirSync(dirname(this.path), { recursive: true });
    if (!exists(this.path)) writeFileSync(this.path, '');
    for (const paragraph of readFileSync(this.path, 'utf8').split('\n\n')) {
      const name = /^Package: (\S+)/m.exec(paragraph)?.[1];
      if (name !== undefined) this.#paragraphs.set(name, paragraph.trim());
    }
  }

  add({ name, paragraph }: Control): void {
    this.#paragraphs.set(name, paragraph.replace(/^Package: .*$/m, '$&\nStatus: install ok installed'));
  }

  save(): void {
    writeFileSync(this.path, [...this.#paragraphs.values(), ''].join('\n\n').trimStart());
  }
}
