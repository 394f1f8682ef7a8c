import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hardwareAvailable } from '../../src/memory/guest-memory.ts';
import { compile } from '../support/compile.ts';

let directory: string;

beforeAll(() => {
  directory = compile('src/memory/mm.ts', 'src/host/v8.ts');
});
afterAll(() => rmSync(directory, { recursive: true }));

/** Runs a program that has `Mm` in a Node process of its own. */
function node(flags: string[], body: string, limit = '-v unlimited') {
  const file = join(directory, 'main.js');
  writeFileSync(file, `import { Mm } from './src/memory/mm.js';\n${body}`);
  const command = `ulimit ${limit}; exec "$0" "$@"`;
  const { status, signal, stdout, stderr } = spawnSync('bash', ['-c', command, process.execPath, ...flags, file], {
    encoding: 'utf8',
  });
  return { status, signal, stdout, stderr };
}

describe('V8 flags', () => {
  it('are set without a word on stderr, in every version', () => {
    const body = "import { tuneV8 } from './src/host/v8.js'; tuneV8(); console.log(new Mm().u8.length);";
    expect(node([], body)).toEqual({ status: 0, signal: null, stdout: '4294967296\n', stderr: '' });
  });
});

describe('a host that is not as usual', () => {
  it('without a wasm trap handler gets software protection', () => {
    const plain = node([], 'console.log(new Mm().protection);');
    expect(plain).toEqual({
      status: 0,
      signal: null,
      stdout: `${hardwareAvailable() ? 'hardware' : 'software'}\n`,
      stderr: '',
    });
    const without = node(['--disable-wasm-trap-handler'], 'console.log(new Mm().protection);');
    expect(without).toEqual({ status: 0, signal: null, stdout: 'software\n', stderr: '' });
  });

  it('with too little address space is told so in one sentence', () => {
    const body = `
      try {
        const kept = [];
        for (let i = 0; i < 9; i++) kept.push(new Mm());
        console.log('made');
      } catch (error) {
        console.log(error.name, error.message);
      }`;
    const { status, stdout } = node([], body, '-v 8000000');
    expect(status).toBe(0);
    expect(stdout).toMatch(/^HostLimitError cannot reserve 10 GiB .*ulimit -v.*\n$/);
  });

  it('with a limit on file sizes gets software protection, as memory files count as files', () => {
    const body = `
      const mm = new Mm();
      mm.writeU32(mm.mmap(0x20000000, 4096, 3, 0x31), 7);
      console.log(mm.protection, mm.fork().readU32(0x20000000));`;
    expect(node([], body, '-f 1000').stdout).toBe('software 7\n');
  });

  it('lets many mappings live with few descriptors', () => {
    const body = `
      const mm = new Mm();
      const at = Array.from({ length: 300 }, () => mm.mmap(0, 4096, 3, 0x21));
      at.forEach((address, i) => mm.writeU32(address, i));
      console.log(at.every((address, i) => mm.readU32(address) === i));`;
    expect(node([], body, '-n 64').stdout).toBe('true\n');
  });

  it('lets a hundred guests live at once', () => {
    const body = `
      const all = [];
      for (let i = 0; i < 100; i++) {
        const mm = new Mm();
        mm.writeU32(mm.mmap(0x20000000, 4096, 3, 0x32), i);
        all.push(mm);
      }
      console.log(all.every((mm, i) => mm.readU32(0x20000000) === i));`;
    expect(node([], body).stdout).toBe('true\n');
  });
});
