import { E2BIG, EFAULT } from '../src/abi/errno.ts';
import { encodePath } from '../src/abi/path.ts';
import type { Mm } from '../src/memory/mm.ts';
import { AT } from './auxv.ts';

/** One string may be this long, its NUL included (MAX_ARG_STRLEN). */
const STRING_MAX = 128 << 10;
/** All strings and pointers together: a quarter of the stack, at least ARG_MAX, at most 6 MiB (bprm_stack_limits). */
const ARG_MAX = 128 << 10;
const ALL_MAX = 6 << 20;

export interface StackContent {
  readonly argv: readonly string[];
  readonly envp: readonly string[];
  /** AT_EXECFN: the name execve was given. */
  readonly execfn: string;
  /** AT_PLATFORM. */
  readonly platform: string;
  /** AT_RANDOM's 16 bytes. */
  readonly random: Uint8Array;
  /** Subtracted from the stack pointer against cache aliasing, below 8 KiB. */
  readonly shift: number;
  /** Entries in order; those of EXECFN, PLATFORM and RANDOM are filled in here. Without AT_NULL. */
  readonly auxv: readonly (readonly [type: number, value: number])[];
}

/** Builds the initial stack as the kernel does on i386; answers ESP or a negative errno. */
export function buildStack(mm: Mm, content: StackContent): number {
  const strings = [content.execfn, ...[...content.envp].reverse(), ...[...content.argv].reverse()].map(encodePath);
  const pointers = 4 * (content.argv.length + content.envp.length);
  const limit = Math.min(Math.max(mm.limits.stack / 4, ARG_MAX), ALL_MAX);
  const bytes = strings.reduce((sum, { length }) => sum + length + 1, 0);
  if (strings.some(({ length }) => length >= STRING_MAX) || bytes + pointers > limit) return -E2BIG;

  // From the top: a null word, the file name, the environment, the arguments.
  let at = mm.layout.stackTop - 4;
  const places: number[] = [];
  for (const string of strings) {
    at -= string.length + 1;
    places.push(at);
    if (mm.copyOut(at, string) < 0) return -EFAULT;
  }
  const environment = places.slice(1, 1 + content.envp.length).reverse();
  const args = places.slice(1 + content.envp.length).reverse();
  mm.argStart = args[0];
  mm.argEnd = mm.envStart = environment[0] ?? places[0];
  mm.envEnd = places[0];

  at = (at - content.shift) & ~15;
  const platform = encodePath(content.platform);
  const platformAt = (at >>> 0) - platform.length - 1;
  const randomAt = platformAt - content.random.length;
  if (mm.copyOut(platformAt, platform) < 0 || mm.copyOut(randomAt, content.random) < 0) return -EFAULT;

  const filled = new Map<number, number>([
    [AT.EXECFN, places[0]],
    [AT.PLATFORM, platformAt],
    [AT.RANDOM, randomAt],
  ]);
  const auxv = [...content.auxv, [AT.NULL, 0] as const].flatMap(([type, value]) => [type, filled.get(type) ?? value]);
  mm.auxv = Uint32Array.from(auxv);
  const words = Uint32Array.from([args.length, ...args, 0, ...environment, 0, ...auxv]);
  const esp = ((randomAt & ~3) - words.byteLength) & ~15;
  mm.startStack = esp >>> 0;
  return mm.copyOut(esp, new Uint8Array(words.buffer)) < 0 ? -EFAULT : esp >>> 0;
}
