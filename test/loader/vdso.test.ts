import { describe, expect, it } from 'vitest';
import { vdsoImage, vdsoSymbol } from '../../loader/vdso.ts';

const { bytes } = vdsoImage();
const view = new DataView(bytes.buffer);
const u16 = (at: number) => view.getUint16(at, true);
const u32 = (at: number) => view.getUint32(at, true);
const i32 = (at: number) => view.getInt32(at, true);
const string = (at: number) => new TextDecoder().decode(bytes.subarray(at, bytes.indexOf(0, at)));

function segment(type: number): [offset: number, size: number] {
  for (let i = 0, at = u32(28); i < u16(44); i++, at += 32) {
    if (u32(at) === type) return [u32(at + 4), u32(at + 16)];
  }
  throw new Error(`no segment of type ${type}`);
}

function dynamic(): Map<number, number> {
  const [offset, size] = segment(2);
  const tags = new Map<number, number>();
  for (let at = offset; at < offset + size; at += 8) tags.set(u32(at), u32(at + 4));
  return tags;
}

/** Finds a symbol as C libraries do: through the hash table's chain, by name and version. */
function lookup(name: string, version: string): number | undefined {
  const tags = dynamic();
  const [hash, strings, symbols, versym, verdef] = [4, 5, 6, 0x6ffffff0, 0x6ffffffc].map((tag) => tags.get(tag)!);
  const buckets = u32(hash);
  for (let i = u32(hash + 8); i !== 0; i = u32(hash + 8 + 4 * buckets + 4 * i)) {
    const symbol = symbols + 16 * i;
    if (string(strings + u32(symbol)) !== name || u16(symbol + 14) === 0) continue;
    for (let at = verdef; ; at += u32(at + 16)) {
      if ((u16(at + 4) & 0x7fff) === (u16(versym + 2 * i) & 0x7fff)) {
        return string(strings + u32(at + u32(at + 12))) === version ? u32(symbol + 4) : undefined;
      }
      if (u32(at + 16) === 0) return undefined;
    }
  }
  return undefined;
}

describe('the vDSO', () => {
  it.each([
    ['__kernel_vsyscall', 'LINUX_2.5', 'cd80c3'],
    ['__kernel_sigreturn', 'LINUX_2.5', '58b877000000cd80'],
    ['__kernel_rt_sigreturn', 'LINUX_2.5', 'b8ad000000cd80'],
    ['__vdso_clock_gettime', 'LINUX_2.6', '538b5c24088b4c240cb809010000cd805bc3'],
    ['__vdso_gettimeofday', 'LINUX_2.6', '538b5c24088b4c240cb84e000000cd805bc3'],
    ['__vdso_time', 'LINUX_2.6', '538b5c2408b80d000000cd805bc3'],
    ['__vdso_clock_gettime64', 'LINUX_2.6', '538b5c24088b4c240cb893010000cd805bc3'],
    ['__vdso_clock_getres', 'LINUX_2.6', '538b5c24088b4c240cb80a010000cd805bc3'],
  ])('has %s of version %s', (name, version, code) => {
    const at = lookup(name, version)!;
    expect(at).toBe(vdsoSymbol(name));
    expect(Buffer.from(bytes.subarray(at, at + code.length / 2)).toString('hex')).toBe(code);
    expect(lookup(name, 'LINUX_2.7')).toBeUndefined();
  });

  it('is one page of i386 shared object', () => {
    expect([u16(16), u16(18), bytes.length]).toEqual([3, 3, 4096]);
    expect(segment(1)[0]).toBe(0);
  });

  it('has unwind entries for what may be interrupted, in the order of a binary search', () => {
    const [header] = segment(0x6474e550);
    expect([...bytes.subarray(header, header + 4)]).toEqual([1, 0x1b, 3, 0x3b]);
    const eh = header + 4 + i32(header + 4);
    const count = u32(header + 8);
    const starts: number[] = [];
    for (let i = 0; i < count; i++) {
      const start = header + i32(header + 12 + 8 * i);
      const fde = header + i32(header + 16 + 8 * i);
      expect(fde + 4 - u32(fde + 4)).toBe(eh);
      expect(fde + 8 + i32(fde + 8)).toBe(start);
      expect(u32(fde) % 4).toBe(0);
      starts.push(start);
    }
    expect(starts).toEqual(starts.toSorted((a, b) => a - b));
    expect(starts).toContain(vdsoSymbol('__kernel_vsyscall'));
    expect(starts).not.toContain(vdsoSymbol('__kernel_sigreturn'));
    expect(string(eh + 9)).toBe('zR');
  });
});
