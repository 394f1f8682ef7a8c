/** Tables made from the instructions for one processor's features and one interpreter, each when it is first asked for. */
import type { Decoded } from '../decode/decoded.ts';
import type { Row, RowTable } from '../decode/rows.ts';
import { rowTable } from '../decode/rows.ts';
import { buildTemplates, type Templates } from '../decode/templates.ts';
import { DEFAULT_FEATURES } from '../isa/cpuid.ts';
import { isa } from '../isa/index.ts';
import type { Feature, Insn } from '../isa/insn.ts';
import { findHandler, slots } from './handlers.ts';
import type { MemoryShape } from './record.ts';
import type { FoundHandler, Isa } from './record-cache.ts';
import type { FusionTable } from './run-fusion.ts';
import { specialIndex } from './specials.ts';

const tables = new Map<string, RowTable>();
let numbers: ReadonlyMap<Insn, number> | undefined;

function tableFor(features: readonly Feature[]): RowTable {
  const key = [...features].sort().join();
  let table = tables.get(key);
  if (!table) {
    table = rowTable(isa, new Set(features));
    tables.set(key, table);
  }
  return table;
}

/** The handler for an instruction whose memory operand, if it has one, has this shape. */
export function handlerFor(
  keys: ReadonlyMap<string, number>,
  decoded: Decoded,
  shape: MemoryShape | undefined,
): number | undefined {
  numbers ??= new Map(isa.map((insn, i) => [insn, i]));
  const forms = decoded.operands.map(({ kind, size }) => (kind === 'memory' ? { kind, size, shape } : { kind, size }));
  return findHandler(keys, numbers.get(decoded.insn)!, decoded, forms);
}

/** The templates of the usual processor. */
export function templatesFor(keys: ReadonlyMap<string, number>): Templates {
  return buildTemplates(tableFor(DEFAULT_FEATURES), {
    handler: (decoded, shape) =>
      decoded.insn.options.evaluated ? specialIndex('evaluate') : handlerFor(keys, decoded, shape),
    places: ({ operands }) => slots(operands),
  });
}

/** What an interpreter comes with. */
export interface IsaParts {
  readonly keys: () => ReadonlyMap<string, number>;
  readonly found: Map<Row, Map<number, FoundHandler>>;
  readonly fusion: FusionTable;
  readonly templates: Templates;
}

export class IsaTables implements Isa {
  readonly #features: readonly Feature[];
  readonly #parts: IsaParts;
  #table: RowTable | undefined;

  constructor(features: readonly Feature[], parts: IsaParts) {
    this.#features = features;
    this.#parts = parts;
  }

  get table(): RowTable {
    this.#table ??= tableFor(this.#features);
    return this.#table;
  }
  get handlers(): ReadonlyMap<string, number> {
    return this.#parts.keys();
  }
  get found(): Map<Row, Map<number, FoundHandler>> {
    return this.#parts.found;
  }
  get fusion(): FusionTable {
    return this.#parts.fusion;
  }
  /** Undefined for processors that lack something. */
  get templates(): Templates | undefined {
    const usual = new Set<Feature>(DEFAULT_FEATURES);
    const isUsual = this.#features.length === usual.size && this.#features.every((feature) => usual.has(feature));
    return isUsual ? this.#parts.templates : undefined;
  }
}
