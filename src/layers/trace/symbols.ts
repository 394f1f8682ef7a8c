/** Names of functions, by the dynamic symbols of an ELF file that is mapped. */
import type { Task } from '../../kernel/task.ts';

type Mm = Task['mm'];

const PT_DYNAMIC = 2;
const [DT_HASH, DT_STRTAB, DT_SYMTAB] = [4, 5, 6];
const STT_FUNC = 2;
const SYMBOL_SIZE = 16;
const LONGEST_NAME = 256;

interface Named {
  readonly name: string;
  readonly offset: number;
}

/** The function that an address lies in; `base`: where the file begins in memory. */
export function symbolAt({ mm }: Task, base: number, address: number): Named | undefined {
  const tables = dynamicTables(mm, base);
  if (tables === undefined) return undefined;
  const { symbols, strings, count } = tables;
  const bytes = count > 0 ? mm.view(symbols, SYMBOL_SIZE * count, false) : 0;
  if (typeof bytes === 'number') return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length; at += SYMBOL_SIZE) {
    const [start, size] = [view.getUint32(at + 4, true) + base, view.getUint32(at + 8, true)];
    if ((view.getUint8(at + 12) & 0xf) !== STT_FUNC || address < start || address >= start + size) continue;
    const name = mm.readCBytes(strings + view.getUint32(at, true), LONGEST_NAME);
    if (typeof name !== 'number') return { name: new TextDecoder('latin1').decode(name), offset: address - start };
  }
  return undefined;
}

function dynamicTables(mm: Mm, base: number): { symbols: number; strings: number; count: number } | undefined {
  // "\x7fELF", and a file that is linked to 0.
  if (mm.readU32(base) !== 0x464c457f || ((mm.readU32(base + 16) >>> 0) & 0xffff) !== 3) return undefined;
  const headers = base + mm.readU32(base + 28);
  const count = mm.readU32(base + 44) & 0xffff;
  for (let i = 0; i < count; i++) {
    const header = headers + 32 * i;
    if (mm.readU32(header) !== PT_DYNAMIC) continue;
    const start = base + mm.readU32(header + 8);
    const found = new Map<number, number>();
    for (let at = start; at < start + mm.readU32(header + 20); at += 8) found.set(mm.readU32(at), mm.readU32(at + 4));
    // The dynamic linker has made addresses of them, where it could write.
    const placed = (tag: number) => ((found.get(tag) ?? 0) < base ? base : 0) + (found.get(tag) ?? 0);
    const [symbols, strings] = [placed(DT_SYMTAB), placed(DT_STRTAB)];
    // The second word of the hash says how many there are; without it, the linker puts the names right behind them.
    const count = found.has(DT_HASH) ? mm.readU32(placed(DT_HASH) + 4) : (strings - symbols) / SYMBOL_SIZE;
    return { symbols, strings, count: Math.floor(count) };
  }
  return undefined;
}
