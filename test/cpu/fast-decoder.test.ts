import { describe, expect, it } from 'vitest';
import { FastDecoder } from '../../src/cpu/interp/fast-decoder.ts';
import { IsaTables } from '../../src/cpu/interp/isa-tables.ts';
import { loadInterpreter } from '../../src/cpu/interp/load-module.ts';
import { RECORD, RECORD_SIZE } from '../../src/cpu/interp/record.ts';
import { type Isa, RecordCache } from '../../src/cpu/interp/record-cache.ts';
import { buildFusionTable } from '../../src/cpu/interp/run-fusion.ts';
import { specialIndex } from '../../src/cpu/interp/specials.ts';
import { CPU_MODELS, DEFAULT_FEATURES } from '../../src/cpu/isa/cpuid.ts';
import { VM_RECORDS_END } from '../../src/cpu/layout.ts';
import { ALL_OPEN } from '../../src/cpu/segment/evaluated.ts';
import { PERMISSION_EXECUTE, PERMISSION_READ, VM_PERMISSIONS } from '../../src/memory/vm-layout.ts';
import { FlatCpuMemory } from '../support/flat-cpu-memory.ts';
import { encode } from './differ/encode.ts';
import { Builder } from './differ/program.ts';
import { Random } from './differ/random.ts';
import { allRows } from './differ/rows.ts';

const PAGE = 4096;
const CODE = 0x10_000;
const PAGES = 6;
/** Selectors of fs and gs: what may be used, nothing, code. */
const PREFIXES = [0x66, 0xf2, 0xf3, 0xf0, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x67];

const parts = loadInterpreter(new FlatCpuMemory());
const isaTables = new IsaTables(DEFAULT_FEATURES, parts);
/** Runs end elsewhere, so their pairs are others. */
const NO_PAIRS = buildFusionTable(isaTables.fusion[0], []);
const slowly: Isa = {
  table: isaTables.table,
  handlers: isaTables.handlers,
  found: isaTables.found,
  fusion: NO_PAIRS,
  templates: undefined,
};

const quickly: Isa = { ...slowly, templates: isaTables.templates };

/** One address space of code, decoded as `isa` says. */
class Decoded {
  readonly memory = new FlatCpuMemory();
  readonly cache: RecordCache;
  readonly #vm: DataView;

  constructor(isa: Isa, code: Uint8Array) {
    this.cache = new RecordCache(this.memory, isa);
    const { vm } = this.memory;
    this.#vm = new DataView(vm.buffer, vm.byteOffset, vm.byteLength);
    this.memory.u8.set(code, CODE);
    const page = VM_PERMISSIONS + CODE / PAGE;
    vm.fill(PERMISSION_READ | PERMISSION_EXECUTE, page, page + PAGES);
  }

  /**
   * The records of the run that begins at `eip`, to where it is known to go on elsewhere; without where branches lead, which
   * may be known or not.
   */
  run(eip: number): string[] {
    const lines: string[] = [];
    let record = this.cache.find(eip);
    let last = eip;
    let next = eip;
    for (let i = 0; i < 100; i++, record += RECORD_SIZE) {
      const at = record - this.memory.vmIndex;
      const words = Array.from({ length: RECORD_SIZE / 4 }, (_, word) => this.#vm.getUint32(at + word * 4, true));
      const known = words[RECORD.immediate / 4];
      const isRecord = known >= this.memory.vmIndex && known < this.memory.vmIndex + VM_RECORDS_END;
      if (isRecord && this.cache.eipOf(known) === words[RECORD.displacement / 4]) {
        words[RECORD.immediate / 4] = 0;
      }
      const [head, here] = words;
      // Behind it comes another run.
      if ((head & 0xffff) === specialIndex('proceed') || (here !== last && here !== next)) break;
      last = here;
      next = here + ((head >> 16) & 0xff);
      lines.push(words.map((word) => word.toString(16)).join(' '));
    }
    return lines;
  }
}

function compare(code: Uint8Array, starts: readonly number[], open = ALL_OPEN): void {
  const [fast, slow] = [new Decoded(quickly, code), new Decoded(slowly, code)];
  for (const { cache } of [fast, slow]) cache.setSegments(open);
  const wrong: string[] = [];
  for (const start of starts) {
    const [ours, theirs] = [fast.run(start), slow.run(start)];
    const at = ours.findIndex((line, i) => i < theirs.length && line !== theirs[i]);
    const bytes = Buffer.from(code.subarray(start - CODE, start - CODE + 16)).toString('hex');
    if (at >= 0) wrong.push(`${start.toString(16)} ${bytes} record ${at}: ${ours[at]} and not ${theirs[at]}`);
  }
  expect(wrong).toEqual([]);
}

/** Instructions of every kind behind each other, with prefixes that they may not have; and where each begins. */
function programOf(random: Random): { code: Uint8Array; starts: number[] } {
  const code = new Uint8Array(PAGES * PAGE);
  const starts: number[] = [];
  for (let at = 0; at < code.length - 64; ) {
    starts.push(CODE + at);
    const builder = new Builder(random);
    encode(builder, random.pick(allRows), { lock: false });
    const prefixes = Array.from({ length: Math.max(0, random.below(6) - 3) }, () => random.pick(PREFIXES));
    const bytes = [...prefixes, ...builder.finish().code];
    code.set(bytes, at);
    at += bytes.length;
  }
  return { code, starts };
}

describe('what is decoded by templates', () => {
  const seed = Math.trunc(Math.random() * 2 ** 31);

  it(`is what the manual's rows give (seed ${seed})`, () => {
    const random = new Random(seed);
    for (const open of [ALL_OPEN, 2, 1]) {
      const { code, starts } = programOf(random);
      compare(code, starts, open);
    }
  });

  it(`is what the manual's rows give for random bytes (seed ${seed})`, () => {
    const random = new Random(seed);
    const code = Uint8Array.from({ length: PAGES * PAGE }, () => random.below(256));
    compare(
      code,
      Array.from({ length: 1500 }, (_, i) => CODE + i * 16),
    );
  });

  it('is nearly everything', () => {
    const { code, starts } = programOf(new Random(1));
    const { memory } = new Decoded(isaTables, code);
    const decoder = new FastDecoder(memory, parts.templates, { get: () => 0, set: () => {} } as never);
    decoder.open = ALL_OPEN;
    const decoded = starts.filter((start) => {
      decoder.decode(start, start + 1, 0x20_0000, 1);
      return decoder.count === 1;
    });
    expect(decoded.length / starts.length).toBeGreaterThan(0.7);
  });

  it('depends on what the processor can do', () => {
    const old = new IsaTables(CPU_MODELS.i686.features, parts);
    expect(old.templates).toBeUndefined();
    expect(isaTables.templates).toBe(parts.templates);
  });
});
