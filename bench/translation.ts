/** What programs cost in processor time, start and compilation included, as a multiple of a native run; qemu-i386 beside it. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Row } from './main.ts';
import { cpuTime, fixture, interleaved, MAIN, output, sysroot } from './measure.ts';

/** Each in turn: a median. */
const ROUNDS = Number(process.env.TALLSHIP_BENCH_ROUNDS ?? 3);

interface Workload {
  readonly what: string;
  /** In the sysroot. */
  readonly argv: readonly string[];
}

const FIB = 'def fib(n): return n if n < 2 else fib(n-1) + fib(n-2)\nprint(fib(30))';
const DICT = 'd={}\nfor i in range(1000000): d[i%5000]=d.get(i%5000,0)+len(str(i))\nprint(sum(d.values()))';
const PERL = 'my %h; for (1..1000000) { $h{$_ % 777} += $_; $s = substr("abcdef$_", 3) } print scalar keys %h';
const LUA = 'local t = {} for i = 1, 5000000 do local k = i % 1000 + 1 t[k] = (t[k] or 0) + i end print(t[5])';
const SQL =
  'with recursive c(x) as (select 1 union all select x+1 from c where x<500000) select sum(x%7*x), count(*) from c;';

const APPLICATIONS: readonly Workload[] = [
  { what: 'python3, calls', argv: ['/usr/bin/python3', '-c', FIB] },
  { what: 'python3, dictionaries', argv: ['/usr/bin/python3', '-c', DICT] },
  { what: 'perl, hashes and strings', argv: ['/usr/bin/perl', '-e', PERL] },
  { what: 'lua, tables', argv: ['/usr/bin/lua5.4', '-e', LUA] },
  { what: 'sqlite3, a query', argv: ['/usr/bin/sqlite3', ':memory:', SQL] },
  { what: 'bzip2', argv: ['/usr/bin/bzip2', '-c', '/usr/bin/perl'] },
  { what: 'gzip -9', argv: ['/usr/bin/gzip', '-9', '-c', '/usr/bin/perl'] },
  { what: 'xz -1', argv: ['/usr/bin/xz', '-1', '-c', '/usr/bin/perl'] },
  { what: 'gnugo, one move', argv: ['/usr/games/gnugo', '--mode', 'ascii', '--benchmark', '1', '--level', '1'] },
];

const KERNELS: readonly { what: string; argv: readonly string[] }[] = [
  { what: 'integer loop', argv: [fixture('integer-loop'), '200000000'] },
  { what: 'SSE2 loop', argv: [fixture('float-loops'), 'sse2', '10000000'] },
  { what: 'x87 loop', argv: [fixture('float-loops'), 'x87', '5000000'] },
];

/** A program of the sysroot by this machine itself, or by qemu; its files, where it names any, are the sysroot's. */
function outside(root: string, { argv }: Workload, runner: readonly string[]): string[] {
  const libraries = ['lib', 'usr/lib'].map((directory) => join(root, directory, 'i386-linux-gnu')).join(':');
  const rest = argv.slice(1).map((arg) => (arg.startsWith('/usr/bin/') ? join(root, arg) : arg));
  const loader = join(root, 'lib/ld-linux.so.2');
  return [
    'env',
    `PYTHONHOME=${join(root, 'usr')}`,
    ...runner,
    loader,
    '--library-path',
    libraries,
    join(root, argv[0]),
    ...rest,
  ];
}

function compare(what: string, native: readonly string[], qemu: readonly string[], ours: readonly string[]): Row[] {
  if (output(native) === undefined) return [];
  const hasQemu = output(['qemu-i386', '--version']) !== undefined;
  const [ofNative, ofOurs, ofQemu] = interleaved([native, ours, ...(hasQemu ? [qemu] : [])], ROUNDS, cpuTime);
  const base = Math.max(ofNative, 1);
  const note = hasQemu ? `qemu-i386 ${(ofQemu / base).toPrecision(3)}` : undefined;
  return [{ what, value: ofOurs / base, unit: 'x native', native: ofNative, note }];
}

export function translation(): Row[] {
  const root = sysroot();
  const tallship = [process.execPath, MAIN];
  const kernels = KERNELS.flatMap(({ what, argv }) =>
    compare(what, argv, ['qemu-i386', ...argv], [...tallship, 'run', ...argv]),
  );
  if (root === undefined) return kernels;
  const present = APPLICATIONS.filter(({ argv }) => existsSync(join(root, argv[0])));
  const applications = present.flatMap((workload) =>
    compare(workload.what, outside(root, workload, []), outside(root, workload, ['qemu-i386']), [
      ...tallship,
      'run',
      '-q',
      '-L',
      root,
      ...workload.argv,
    ]),
  );
  return [...applications, ...kernels];
}
