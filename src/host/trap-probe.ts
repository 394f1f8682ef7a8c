import { readFileSync } from 'node:fs';

const GIB = 2 ** 30;

/** One line of /proc/self/maps. */
interface HostMapping {
  readonly start: number;
  readonly end: number;
  readonly flags: string;
}

function hostMappings(): HostMapping[] {
  const text = readFileSync('/proc/self/maps', 'latin1');
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const [range, flags] = line.split(' ', 2);
      const [start, end] = range.split('-').map((digits) => Number.parseInt(digits, 16));
      return { start, end, flags };
    });
}

/**
 * True when V8 turns a stray access to the wasm memory at `base` into a trap. With its trap handler V8 reserves 8 GiB or
 * more, so that an unchecked 32-bit index plus a 32-bit offset stays inside; without it, only the 4 GiB themselves, and a
 * protected page would kill Node.
 */
export function trapHandlerGuards(base: number): boolean {
  try {
    const behind = hostMappings().find((mapping) => mapping.start <= base + 4 * GIB && base + 4 * GIB < mapping.end);
    return behind?.flags.startsWith('---') === true && behind.end >= base + 8 * GIB;
  } catch {
    return false; // no /proc: nothing proves the guard region
  }
}

/** The kernel's limit of mappings per process, or Linux's default where it cannot be read. */
export function maxMapCount(): number {
  try {
    return Number.parseInt(readFileSync('/proc/sys/vm/max_map_count', 'latin1'), 10) || 65530;
  } catch {
    return 65530;
  }
}

/** True under `ulimit -f`: then a large sparse memory file would end Node with SIGXFSZ. */
export function fileSizeIsLimited(): boolean {
  try {
    return !/^Max file size\s+unlimited/m.test(readFileSync('/proc/self/limits', 'latin1'));
  } catch {
    return true;
  }
}
