/** Random sequences of system calls, from their declarations: names that exist, descriptors that are open, almost right words. */
import type { Arg } from '../../../src/syscall/arg.ts';
import type { Declaration } from '../../../src/syscall/index.ts';
import { DECLARATIONS } from '../../../syscalls/index.ts';
import type { Random } from '../../cpu/differ/random.ts';
import { FIELDS_VARY, MEMORY_VARIES, NOT_MADE, TAMED } from './known.ts';
import { ARENA, ARENA_BYTES, READ_ONLY, SCRATCH, SELF, type Sequence } from './plan.ts';

const NAMES = [
  ...[
    '',
    '.',
    '..',
    'f0',
    'f1',
    'd',
    'd/x',
    'l',
    'loop',
    'dangling',
    'p',
    'new',
    'd/new',
    'none/x',
    'f0/x',
    'd/',
    'f0/',
  ],
  ...['./d/../f1', 'l/', 'n'.repeat(255), 'n'.repeat(256), 'user.a', 'user.b', 'trusted.a', 'd/..'],
];
const NAME_AREA = 2048;
const DATA_AREA = ARENA_BYTES - NAME_AREA;

/** Strings at the start; behind them words that are often small, as counts, flags and times are. */
export function makeArena(random: Random): { arena: Uint8Array; names: number[] } {
  const arena = new Uint8Array(ARENA_BYTES);
  const names: number[] = [];
  let at = 0;
  for (const name of NAMES) {
    names.push(ARENA + at);
    arena.set(new TextEncoder().encode(name), at);
    at += name.length + 1;
  }
  const view = new DataView(arena.buffer);
  for (let i = NAME_AREA; i < ARENA_BYTES; i += 4) view.setInt32(i, dataWord(random), true);
  return { arena, names };
}

function dataWord(random: Random): number {
  const kind = random.below(12);
  if (kind < 5) return 0;
  if (kind < 8) return random.below(16);
  if (kind === 8) return random.below(1000);
  if (kind === 9) return ARENA + NAME_AREA + random.below(DATA_AREA / 4) * 4;
  return kind === 10 ? -1 - random.below(3) : random.u32();
}

const DESCRIPTORS = [0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 8, 9, 10, 11, 12, 13, 19, -1, 99, 0x7fffffff];
const SIZES = [0, 0, 1, 2, 4, 8, 8, 10, 16, 100, 128, 512, 1000];
const OFFSETS = [0, 0, 1, 5, 50, 99, 100, 101, 4096, 70000, -1, -100, 0x7fffffff];
const NUMBERS = [0, 0, 0, 1, 1, 2, 3, 4, 5, 7, 8, 10, 16, 17, 64, 65, 100, 1000, -1, -2, 0x7fffffff, -0x80000000];
const PROCESSES = [...NUMBERS, SELF, SELF, SELF];

const usable = DECLARATIONS.filter(({ nr, name }) => nr >= 0 && NOT_MADE[name] === undefined);
export const MADE = usable.length;

export function generate(random: Random, calls: number, only?: RegExp): Sequence {
  const { arena, names } = makeArena(random);
  const from = only === undefined ? usable : usable.filter(({ name }) => only.test(name));
  return { arena, calls: Array.from({ length: calls }, () => makeCall(random, random.pick(from), names)) };
}

function makeCall(random: Random, declaration: Declaration, names: readonly number[]) {
  const { nr, name, args, at } = declaration;
  const words = [0, 0, 0, 0, 0, 0];
  for (const [i, arg] of args.entries()) {
    const hidden = arg.direction !== 'in' && (MEMORY_VARIES.has(name) || FIELDS_VARY[arg.kind] !== undefined);
    words[at[i]] = makeWord(random, arg, names, hidden);
    if (arg.words === 2) words[at[i] + 1] = random.chance(85) ? (words[at[i]] < 0 ? -1 : 0) : random.pick(NUMBERS);
  }
  return { nr, name, words: tame(name, words) };
}

function makeWord(random: Random, arg: Arg<unknown>, names: readonly number[], hidden: boolean): number {
  if (random.chance(1)) return random.u32() | 0;
  if (arg.role === 'fd') return random.pick(DESCRIPTORS);
  if (arg.role === 'dirfd') return random.chance(60) ? -100 : random.pick(DESCRIPTORS);
  if (arg.names !== undefined) return namedWord(random, Object.values(arg.names));
  if (arg.extent !== undefined && 'text' in arg.extent)
    return random.chance(96) ? random.pick(names) : badPointer(random);
  if (arg.direction !== 'value' || arg.kind === 'void *') return pointerWord(random, hidden);
  if (arg.kind === 'size_t') return random.pick(SIZES);
  if (arg.kind === 'mode_t') return random.below(0o10000);
  if (arg.kind === 'loff_t' || arg.kind === 'u64' || arg.kind === 'long' || /offset/.test(arg.name))
    return random.pick(OFFSETS);
  if (arg.name === 'sig') return random.below(67);
  return random.pick(/pid|id$|^who$/.test(arg.name) ? PROCESSES : NUMBERS);
}

function namedWord(random: Random, values: readonly number[]): number {
  let word = random.pick(values);
  while (random.chance(30)) word |= random.pick(values);
  return random.chance(4) ? word | (1 << random.below(32)) : word;
}

function pointerWord(random: Random, hidden: boolean): number {
  if (random.chance(6)) return badPointer(random);
  const area = hidden ? SCRATCH : ARENA + NAME_AREA;
  return area + random.below(DATA_AREA / 8) * (random.chance(90) ? 4 : 3);
}

function badPointer(random: Random): number {
  return random.pick([
    0,
    0,
    1,
    0xfff,
    READ_ONLY,
    READ_ONLY + 4090,
    ARENA + 8192,
    ARENA + 8190,
    0xbffffffc,
    0xc0000000,
    -1,
  ]);
}

/** Words that would reach beyond the child, or make it sleep for good. */
function tame(name: string, words: number[]): number[] {
  TAMED[name]?.(words);
  if (/^(kill|tkill|rt_sigqueueinfo|sched_|getpgid|setpgid|getsid|prlimit|get_robust_list|process_vm)/.test(name)) {
    if (words[0] !== 0) words[0] = Math.abs(words[0]) > 1000 ? 99999 : SELF;
  }
  if (name === 'setpgid' && words[1] !== 0) words[1] = SELF;
  if (/^(tgkill|rt_tgsigqueueinfo|kcmp)$/.test(name)) words[0] = words[1] = SELF;
  if (/^([gs]etpriority|ioprio_)/.test(name)) words[1] = Math.abs(words[1]) > 1000 ? 99999 : SELF;
  if (/^(_newselect|pselect6)/.test(name)) words[4] = READ_ONLY; // no time at all
  if (/^ppoll/.test(name)) words[2] = READ_ONLY;
  if (name === 'pidfd_open') words[0] = SELF;
  if (/^(poll|epoll_wait)$/.test(name)) words[name === 'poll' ? 2 : 3] &= 15;
  if (name === 'epoll_pwait') words[3] &= 15;
  if (name === 'waitpid' || name === 'wait4') words[name === 'waitpid' ? 2 : 2] |= 1;
  if (name === 'waitid') words[3] |= 1;
  return words;
}
