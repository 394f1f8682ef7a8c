/**
 * Struct layouts of the i386 ABI, declared once: `struct({ sec: i32, nsec: i32 })`.
 *
 * Fields follow each other at the alignment of the i386 psABI, which aligns 64-bit integers to 4 bytes inside structs.
 * A layout reads plain objects out of bytes and writes them back; it knows no addresses.
 */

/** How one value lies in memory. */
export interface Layout<T> {
  readonly size: number;
  readonly align: number;
  read(view: DataView, at: number): T;
  write(view: DataView, at: number, value: T): void;
}

export const u8: Layout<number> = {
  size: 1,
  align: 1,
  read: (view, at) => view.getUint8(at),
  write: (view, at, value) => view.setUint8(at, value),
};
export const u16: Layout<number> = {
  size: 2,
  align: 2,
  read: (view, at) => view.getUint16(at, true),
  write: (view, at, value) => view.setUint16(at, value, true),
};
export const i16: Layout<number> = { ...u16, read: (view, at) => view.getInt16(at, true) };
export const u32: Layout<number> = {
  size: 4,
  align: 4,
  read: (view, at) => view.getUint32(at, true),
  write: (view, at, value) => view.setUint32(at, value, true),
};
export const i32: Layout<number> = { ...u32, read: (view, at) => view.getInt32(at, true) };
/** A 64-bit value in full. */
export const u64: Layout<bigint> = {
  size: 8,
  align: 4,
  read: (view, at) => view.getBigUint64(at, true),
  write: (view, at, value) => view.setBigUint64(at, BigInt.asUintN(64, value), true),
};
export const i64: Layout<bigint> = { ...u64, read: (view, at) => view.getBigInt64(at, true) };
/** A signed 64-bit value that a double holds exactly in practice: sizes, offsets, inode numbers, seconds. */
export const n64: Layout<number> = {
  size: 8,
  align: 4,
  read: (view, at) => Number(view.getBigInt64(at, true)),
  write(view, at, value) {
    view.setUint32(at, value >>> 0, true);
    view.setInt32(at + 4, Math.floor(value / 2 ** 32), true);
  },
};

/** `count` unused bytes: not part of the object, written as zeros. */
export function pad(count: number): Layout<never> {
  return {
    size: count,
    align: 1,
    read: () => undefined as never,
    write(view, at) {
      for (let i = 0; i < count; i++) view.setUint8(at + i, 0);
    },
  };
}

/** A fixed number of raw bytes. */
export function bytes(count: number): Layout<Uint8Array> {
  return {
    size: count,
    align: 1,
    read: (view, at) => new Uint8Array(view.buffer, view.byteOffset + at, count).slice(),
    write(view, at, value) {
      const into = new Uint8Array(view.buffer, view.byteOffset + at, count);
      into.fill(0);
      into.set(value.length > count ? value.subarray(0, count) : value);
    },
  };
}

/** A fixed number of elements. */
export function array<T>(element: Layout<T>, count: number): Layout<T[]> {
  return {
    get size() {
      return element.size * count;
    },
    get align() {
      return element.align;
    },
    read: (view, at) => Array.from({ length: count }, (_, i) => element.read(view, at + i * element.size)),
    write(view, at, value) {
      for (let i = 0; i < count; i++) element.write(view, at + i * element.size, value[i]);
    },
  };
}

/** NUL-terminated text in a field of fixed size (utsname, comm). */
export function text(count: number): Layout<string> {
  const raw = bytes(count);
  return {
    size: count,
    align: 1,
    read(view, at) {
      const content = raw.read(view, at);
      const end = content.indexOf(0);
      return String.fromCharCode(...(end < 0 ? content : content.subarray(0, end)));
    },
    write: (view, at, value) =>
      raw.write(
        view,
        at,
        Uint8Array.from(value.slice(0, count - 1), (c) => c.charCodeAt(0)),
      ),
  };
}

type Fields = Readonly<Record<string, Layout<never> | Layout<unknown>>>;
type ValueOf<L> = L extends Layout<infer T> ? T : never;
type Shape<F extends Fields> = {
  -readonly [K in keyof F as [ValueOf<F[K]>] extends [never] ? never : K]: ValueOf<F[K]>;
};

/** A struct: also tells where each field lies. */
export interface Struct<T> extends Layout<T> {
  readonly offsets: Readonly<Record<string, number>>;
}

/** The object that a layout describes. */
export type Value<L> = ValueOf<L>;

interface Place {
  readonly size: number;
  readonly align: number;
  readonly offsets: Readonly<Record<string, number>>;
}

/** Laid out when someone asks: of the hundred that are declared, most programs need ten. */
class StructLayout implements Struct<Record<string, unknown>> {
  readonly #members: readonly (readonly [name: string, field: Layout<unknown>])[];
  #place: Place | undefined;

  constructor(fields: Fields) {
    this.#members = Object.entries(fields as Record<string, Layout<unknown>>);
  }

  get size(): number {
    return this.#laidOut().size;
  }
  get align(): number {
    return this.#laidOut().align;
  }
  get offsets(): Place['offsets'] {
    return this.#laidOut().offsets;
  }

  read(view: DataView, at: number): Record<string, unknown> {
    const { offsets } = this;
    const value: Record<string, unknown> = {};
    for (const [name, field] of this.#members) {
      const member = field.read(view, at + offsets[name]);
      if (member !== undefined) value[name] = member;
    }
    return value;
  }

  write(view: DataView, at: number, value: Record<string, unknown>): void {
    const { offsets } = this;
    for (const [name, field] of this.#members) field.write(view, at + offsets[name], value[name]);
  }

  #laidOut(): Place {
    if (this.#place !== undefined) return this.#place;
    const offsets: Record<string, number> = {};
    let end = 0;
    let align = 1;
    for (const [name, field] of this.#members) {
      end = roundUp(end, field.align);
      offsets[name] = end;
      end += field.size;
      align = Math.max(align, field.align);
    }
    this.#place = { size: roundUp(end, align), align, offsets };
    return this.#place;
  }
}

export function struct<const F extends Fields>(fields: F): Struct<Shape<F>> {
  return new StructLayout(fields) as unknown as Struct<Shape<F>>;
}

function roundUp(value: number, align: number): number {
  return Math.ceil(value / align) * align;
}
