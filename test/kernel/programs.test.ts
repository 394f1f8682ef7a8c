/** Small programs in machine code: what the kernel tells of how they end. */
import { expect, test } from 'vitest';
import { elfFile } from '../loader/programs.ts';
import { prepare, put } from '../support/machine.ts';

const CODE = 0x8048000;

/** mov eax, 1; mov ebx, STATUS; int 0x80 */
const exit = (status: number) => [0xb8, 1, 0, 0, 0, 0xbb, status, 0, 0, 0, 0xcd, 0x80];
/** set_thread_area(entry -1, base 0, limit 0xfffff pages) */
const SET_TLS = [
  0x6a, 0x51, 0x68, 0xff, 0xff, 0x0f, 0, 0x6a, 0, 0x6a, 0xff, 0x89, 0xe3, 0xb8, 243, 0, 0, 0, 0xcd, 0x80,
];

/** A machine with files in its root. */
function machineWith(files: Record<string, Uint8Array>) {
  const { machine } = prepare('hello');
  const root = machine.context().fs.root.dentry.inode!;
  for (const [name, bytes] of Object.entries(files)) put(machine, root, name, bytes, 0o755);
  return machine;
}

test.each<[string, number[], boolean, boolean]>([
  ['its loader, with 127', exit(127), true, true],
  ['its loader, with another status', exit(1), true, false],
  ['its C library, with 127', [...SET_TLS, ...exit(127)], true, false],
  ['a static program, with 127', exit(127), false, false],
])('a program that ends in %s', async (_where, code, dynamic, expected) => {
  const name = new TextEncoder().encode('/loader\0');
  const content = new Uint8Array(0x1000 + code.length);
  content.set(name);
  content.set(code, 0x100);
  const segments = [
    ...(dynamic ? [{ type: 3, vaddr: CODE, offset: 0x1000, filesz: name.length, align: 1 }] : []),
    { vaddr: CODE, offset: 0x1000, filesz: content.length },
  ];
  const machine = machineWith({
    program: elfFile(segments, { entry: CODE + 0x100, content }),
    loader: elfFile([{ vaddr: 0, offset: 0x1000, filesz: code.length }], {
      type: 3,
      entry: 0,
      content: Uint8Array.from(code),
    }),
  });
  machine.spawn({ path: '/program' });
  const end = await machine.run();
  expect([end.status, machine.endedInLoader]).toEqual([code.includes(127) ? 127 : 1, expected]);
});
