import { describe, expect, it } from 'vitest';
import { cpuinfoText, meminfoText } from '../../src/fs/proc-machine.ts';
import type { ProcMapping, ProcMemory, ProcProcess, ProcThread } from '../../src/fs/proc-source.ts';
import { mapsText, sizesOf, statText } from '../../src/fs/proc-status.ts';
import { randomUuid } from '../../src/fs/proc-sys.ts';

const PAGE = 4096;
const mapping = (start: number, end: number, prot: number, more: Partial<ProcMapping> = {}): ProcMapping => ({
  ...{ start, end, prot, shared: false, offset: 0, device: 0, inode: 0, name: '', growsDown: false, locked: false },
  resident: end - start,
  ...more,
});

const memory = {
  maps: [
    mapping(0x8048000, 0x8049000, 5, { device: 0x801, inode: 1234, name: '/bin/true' }),
    mapping(0x8049000, 0x804b000, 3),
    mapping(0xbfffe000, 0xc0000000, 3, { growsDown: true, name: '[stack]' }),
  ],
  ...{ peak: 0, peakResident: 0, startCode: 0x8048000, endCode: 0x8048200, startData: 1, endData: 2, startBrk: 3 },
  ...{ startStack: 4, argStart: 5, argEnd: 6, envStart: 7, envEnd: 8, auxv: new Uint32Array() },
  read: () => 0,
  write: () => 0,
} satisfies ProcMemory;

describe('/proc/PID', () => {
  it('shows mappings in Linux’s columns', () => {
    expect(mapsText(memory)).toBe(
      '08048000-08049000 r-xp 00000000 08:01 1234       /bin/true\n' +
        '08049000-0804b000 rw-p 00000000 00:00 0 \n' +
        'bfffe000-c0000000 rw-p 00000000 00:00 0          [stack]\n',
    );
  });

  it('adds sizes up', () => {
    expect(sizesOf(memory)).toMatchObject({ total: 5 * PAGE, file: PAGE, data: 2 * PAGE, stack: 2 * PAGE, text: PAGE });
  });

  it('has the 52 fields of stat', () => {
    const thread = { tid: 7, comm: 'a b)', state: 'S', user: 25e6, nice: 5, policy: 0, priority: 0 } as ProcThread;
    const sets = { pending: 0n, blocked: 0n, ignored: 1n, caught: 2n };
    const process = {
      ...{ pid: 7, parent: 1, processGroup: 7, session: 7, terminal: null, memory, threads: [thread] },
      ...{ user: 25e6, system: 0, limits: [], exitSignal: 17, exitCode: 0, ...sets },
    } as unknown as ProcProcess;
    const text = statText(process, { ...thread, ...sets, startTime: 5e7 } as ProcThread, true);
    expect(text.startsWith('7 (a b)) S 1 7 7 0 -1 ')).toBe(true);
    const fields = text
      .slice(text.lastIndexOf(')') + 2)
      .trim()
      .split(' ');
    expect(fields).toHaveLength(50);
    expect([fields[11], fields[15], fields[16], fields[19], fields[20]]).toEqual([
      '2',
      '25',
      '5',
      '5',
      String(5 * PAGE),
    ]);
  });
});

describe('/proc', () => {
  it('makes random UUIDs of version 4', () => {
    const uuid = randomUuid({ fill: (into) => into.fill(0xff) });
    expect(uuid).toBe('ffffffff-ffff-4fff-bfff-ffffffffffff');
  });

  it('writes sizes and the processor as i386 does', () => {
    const cpu = { vendor: 'V', name: 'N', family: 6, model: 1, stepping: 2, flags: ['fpu', 'mmx'] };
    const facts = { memory: 2 ** 30, memoryFree: 2 ** 29, cpu } as unknown as Parameters<typeof cpuinfoText>[0];
    expect(meminfoText(facts)).toContain('MemTotal:        1048576 kB\nMemFree:          524288 kB\n');
    expect(cpuinfoText(facts)).toContain('model\t\t: 1\nmodel name\t: N\n');
    expect(cpuinfoText(facts)).toContain('\nflags\t\t: fpu mmx\n');
  });
});
