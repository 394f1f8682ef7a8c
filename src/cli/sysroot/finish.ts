/** What Debian's maintainer scripts would have left behind and programs look for: nothing is run, so it is made here. */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { exists } from './unpack.ts';

export function finish(root: string, postinsts: readonly string[]): void {
  for (const directory of ['dev', 'etc', 'home', 'mnt', 'opt', 'proc', 'root', 'run', 'srv', 'sys', 'tmp', 'var/tmp']) {
    const mode = directory.endsWith('tmp') ? 0o1777 : 0o755;
    mkdirSync(join(root, directory), { recursive: true, mode });
  }
  accounts(root);
  const files: [string, string][] = [
    ['etc/hosts', '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n'],
    ['etc/hostname', 'tallship\n'],
    ['etc/host.conf', 'multi on\n'],
    ['etc/nsswitch.conf', 'passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\n'],
    ['etc/shells', '/bin/sh\n/bin/bash\n/bin/dash\n'],
    ['etc/ld.so.conf', 'include /etc/ld.so.conf.d/*.conf\n'],
  ];
  for (const [path, content] of files) if (!exists(join(root, path))) writeFileSync(join(root, path), content);
  const copies = [
    ['usr/share/base-files/profile', 'etc/profile'],
    ['usr/share/base-files/dot.bashrc', 'root/.bashrc'],
    ['usr/share/base-files/dot.profile', 'root/.profile'],
  ];
  for (const [from, to] of copies) {
    if (exists(join(root, from)) && !exists(join(root, to))) copyFileSync(join(root, from), join(root, to));
  }
  link(root, '/proc/mounts', 'etc/mtab');
  certificates(root);
  for (const alternative of alternatives(postinsts)) select(root, alternative);
  const shell = ['dash', 'bash', 'busybox'].find((name) => exists(join(root, 'bin', name)));
  if (shell !== undefined) link(root, shell, 'bin/sh');
}

/** base-passwd's postinst copies its master files; without that package root and nobody will do. */
function accounts(root: string): void {
  const smallest = {
    passwd: 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n',
    group: 'root:x:0:\ntty:x:5:\nnogroup:x:65534:\n',
  };
  for (const [name, content] of Object.entries(smallest)) {
    const path = join(root, 'etc', name);
    const master = join(root, 'usr/share/base-passwd', `${name}.master`);
    const untouched = !exists(path) || readFileSync(path, 'utf8') === content;
    if (!untouched) continue;
    if (exists(master)) copyFileSync(master, path);
    else writeFileSync(path, content);
  }
}

/** update-ca-certificates, reduced to the bundle that OpenSSL and others read. */
function certificates(root: string): void {
  const source = join(root, 'usr/share/ca-certificates/mozilla');
  if (!exists(source)) return;
  const bundle = readdirSync(source).map((name) => readFileSync(join(source, name), 'utf8'));
  mkdirSync(join(root, 'etc/ssl/certs'), { recursive: true });
  writeFileSync(join(root, 'etc/ssl/certs/ca-certificates.crt'), bundle.join(''));
}

interface Alternative {
  readonly link: string;
  readonly name: string;
  readonly target: string;
  readonly priority: number;
  /** [link, name, target] that follow the same choice. */
  readonly slaves: readonly (readonly string[])[];
}

/** `update-alternatives --install LINK NAME PATH PRIORITY [--slave LINK NAME PATH]...` as literal text in the scripts. */
export function alternatives(postinsts: readonly string[]): Alternative[] {
  const found: Alternative[] = [];
  for (const script of postinsts) {
    const lines = script.replace(/\\\n/g, ' ').split('\n');
    for (const line of lines) {
      const call = /update-alternatives\s+(?:--quiet\s+)?--install\s+(.*)/.exec(line);
      if (call === null || /[$`]/.test(call[1])) continue;
      const [install, ...slaves] = call[1].split(/--slave\s+/).map((part) => part.trim().split(/\s+/));
      const [link, name, target, priority] = install;
      if (target?.startsWith('/')) found.push({ link, name, target, priority: Number.parseInt(priority, 10), slaves });
    }
  }
  return found.sort((a, b) => b.priority - a.priority);
}

/** The highest priority comes first and takes the name, where the sysroot has what it points to. */
function select(root: string, alternative: Alternative): void {
  const { link: path, name, target, slaves } = alternative;
  if (!exists(join(root, target)) || exists(join(root, path))) return;
  for (const [slavePath, slaveName, slaveTarget] of [[path, name, target], ...slaves]) {
    if (slaveTarget === undefined || !exists(join(root, slaveTarget))) continue;
    link(root, slaveTarget, `etc/alternatives/${slaveName}`);
    link(root, `/etc/alternatives/${slaveName}`, slavePath);
  }
}

function link(root: string, target: string, path: string): void {
  const full = join(root, path);
  if (exists(full)) return;
  mkdirSync(dirname(full), { recursive: true });
  symlinkSync(target, full);
}
