/** docs/ARCHITECTURE.md, "Who may import whom": checked, so that it stays true. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const LINES_MAX = 400;

/** What each part may import, itself excepted. A part that is not named here may import nothing. */
const LOW = ['abi', 'wait'];
const MAY_IMPORT: Record<string, string[]> = {
  abi: [],
  wait: [],
  host: LOW,
  memory: [...LOW, 'host'],
  cpu: [...LOW, 'host', 'memory'],
  vfs: [...LOW, 'memory'],
  fs: [...LOW, 'memory', 'vfs', 'host'],
  loader: ['abi', 'memory', 'vfs'],
  kernel: [...LOW, 'cpu', 'memory', 'vfs', 'fs', 'loader'],
  syscall: [...LOW, 'kernel', 'memory', 'vfs'],
  syscalls: [...LOW, 'syscall', 'kernel', 'memory', 'vfs', 'fs'],
  layers: ['syscall', 'abi'],
  remote: [...LOW, 'syscall', 'kernel', 'cpu', 'memory', 'vfs', 'fs', 'host'],
  replay: [...LOW, 'syscall', 'kernel', 'cpu', 'memory', 'vfs', 'fs'],
  checkpoint: [...LOW, 'syscall', 'kernel', 'cpu', 'memory', 'vfs', 'fs'],
};
/** Types may come from where values must not. */
const TYPES_ONLY: Record<string, string[]> = {
  host: ['remote'],
  memory: ['vfs'],
  vfs: ['memory'],
  kernel: ['syscall'],
  syscall: ['fs'],
  layers: ['kernel', 'wait'],
};
const ABOVE_ALL = ['cli', 'index.ts', 'machine.ts', 'node.ts', 'node-cpu.ts'];
const NODE_ALLOWED = ['host', 'cli', 'node.ts'];

interface Import {
  from: string;
  part: string;
  target: string;
  typeOnly: boolean;
}

function sources(directory: string): string[] {
  return readdirSync(join(ROOT, directory), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.d.ts'))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)));
}

/** src/cpu/isa/add.ts belongs to cpu, loader/elf.ts to loader. */
function partOf(path: string): string {
  const [top, next] = path.split('/');
  return top === 'src' ? next : top;
}

function imports(path: string): Import[] {
  const text = readFileSync(join(ROOT, path), 'utf8');
  const found = text.matchAll(/^(?:import|export)\s+(type\s)?[^;]*?from\s+'([^']+)'|import\('([^']+)'\)/gm);
  return [...found].map(([, type, specifier, dynamic]) => ({
    from: path,
    part: partOf(path),
    target: specifier ?? dynamic,
    typeOnly: type !== undefined,
  }));
}

const files = [...sources('src'), ...sources('loader'), ...sources('syscalls')];
const all = files.flatMap(imports);

describe('architecture', () => {
  it('imports go the permitted way only', () => {
    const wrong = all.filter(({ from, part, target, typeOnly }) => {
      if (!target.startsWith('.') || ABOVE_ALL.includes(part)) return false;
      const to = partOf(relative(ROOT, join(ROOT, dirname(from), target)));
      if (to === part || MAY_IMPORT[part]?.includes(to)) return false;
      return !(typeOnly && TYPES_ONLY[part]?.includes(to));
    });
    expect(wrong.map(({ from, target }) => `${from} -> ${target}`)).toEqual([]);
  });

  it('only the host side and the command line know Node.js', () => {
    const wrong = all.filter(({ part, target }) => target.startsWith('node:') && !NODE_ALLOWED.includes(part));
    expect(wrong.map(({ from, target }) => `${from} -> ${target}`)).toEqual([]);
  });

  it('no file is longer than a reader wants', () => {
    const long = files.filter((path) => readFileSync(join(ROOT, path), 'utf8').split('\n').length > LINES_MAX + 1);
    expect(long).toEqual([]);
  });
});
