/** What `bench translation` runs. `n` is how much of it, so that a native run takes about a fifth of a second with 1. */
import { existsSync } from 'node:fs';
import { fixture } from './measure.ts';

export interface Workload {
  readonly what: string;
  readonly argv: (n: number) => readonly string[];
  /** How many times a native run's time a run of five seconds may take. */
  readonly atMost: number;
}

const APPLICATION = 2.5;
const KERNEL = 1.8;
const X87 = 8;

const repeated = (argv: readonly string[], n: number, file: string): string[] => [
  ...argv,
  ...new Array<string>(n).fill(file),
];
/** On a file of the sysroot, again and again. */
const onFile =
  (times: number, ...argv: string[]) =>
  (n: number): string[] =>
    repeated(argv, Math.ceil(n * times), '/usr/bin/perl');

const python = (code: (n: number) => string) => (n: number) => ['/usr/bin/python3', '-c', code(n)];

const PROGRAMS: readonly Omit<Workload, 'atMost'>[] = [
  { what: 'gnugo', argv: (n) => `/usr/games/gnugo --seed 1 --level 1 --benchmark ${n}`.split(' ') },
  { what: 'bzip2', argv: onFile(0.5, '/usr/bin/bzip2', '-c') },
  { what: 'gzip', argv: onFile(1, '/usr/bin/gzip', '-c') },
  { what: 'xz', argv: onFile(0.5, '/usr/bin/xz', '-1', '-c') },
  { what: 'zstd', argv: onFile(4, '/usr/bin/zstd', '-q', '-c', '-5') },
  { what: 'sha256sum', argv: onFile(12, '/usr/bin/sha256sum') },
  {
    what: 'busybox sh',
    argv: (n) => ['/usr/bin/busybox', 'sh', '-c', `i=0; while [ $i -lt ${n * 200000} ]; do i=$((i+1)); done; echo $i`],
  },
  {
    what: 'python3, calls',
    argv: python((n) => `def fib(n): return n if n < 2 else fib(n-1) + fib(n-2)\nfor i in range(${n}): print(fib(24))`),
  },
  {
    what: 'python3, dictionaries',
    argv: python((n) => `d={}\nfor i in range(${n * 500000}): d[i%5000]=d.get(i%5000,0)+len(str(i))\nprint(len(d))`),
  },
  {
    what: 'perl',
    argv: (n) => ['/usr/bin/perl', '-e', `for (1..${n * 600000}) { $h{$_ % 777} += $_; $s = substr("abc$_", 3) }`],
  },
  {
    what: 'lua',
    argv: (n) => [
      '/usr/bin/lua5.4',
      '-e',
      `local t = {} for i = 1, ${n * 4e6} do t[i % 99] = (t[i % 99] or 0) + i end`,
    ],
  },
  {
    what: 'sqlite3',
    argv: (n) => {
      const count = `with recursive c(x) as (select 1 union all select x+1 from c where x<${n * 500000})`;
      return ['/usr/bin/sqlite3', ':memory:', `${count} select sum(x%7*x), count(*) from c;`];
    },
  },
  {
    what: 'cc1',
    argv: (n) => {
      const compiler = '/usr/lib/gcc/i686-linux-gnu/12/cc1';
      return [compiler, '-quiet', n > 1 ? '-O3' : '-O1', '-o', '/dev/null', 'fixtures/bench/integer-kernels.c'];
    },
  },
];

/** Programs of the sysroot. */
export const APPLICATIONS: readonly Workload[] = PROGRAMS.map((one) => ({ ...one, atMost: APPLICATION }));

const kernels = (program: string, atMost: number, rounds: Record<string, number>): Workload[] =>
  Object.entries(rounds).map(([name, count]) => ({
    what: `${name}, ${program.replace(/-kernels/, '')}`,
    argv: (n) => [fixture(program), name, String(Math.ceil(count * n))],
    atMost,
  }));

/** Programs of fixtures/bench. */
export const KERNELS: readonly Workload[] = [
  ...kernels('integer-kernels', KERNEL, {
    sieve: 950,
    sort: 180,
    hash: 7_000_000,
    records: 11_000_000,
    lists: 14_000,
    simulator: 90_000_000,
  }),
  ...kernels('float-kernels-sse2', KERNEL, { swim: 6500, mgrid: 2000, su3: 4_000_000, nbody: 3_500_000 }),
  ...kernels('float-kernels-x87', X87, { swim: 3900, mgrid: 1300, su3: 2_500_000, nbody: 2_400_000 }),
].filter(({ argv }) => existsSync(argv(1)[0]));
