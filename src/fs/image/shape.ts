/** What the fields of an image must look like. An image may come from anywhere: nothing of it is used before it was looked at. */

export class ShapeError extends Error {
  override name = 'ShapeError';
}

/** Checks a value and answers it with its type; throws a ShapeError. `kindOf`: of the object with this number. */
export type Shape<T = unknown> = (value: unknown, at: string, kindOf: (id: number) => string | undefined) => T;
export type Of<S> = S extends Shape<infer T> ? T : never;

const wrong = (at: string, wanted: string): never => {
  throw new ShapeError(`${at} is not ${wanted}`);
};

export const bool: Shape<boolean> = (value, at) => (typeof value === 'boolean' ? value : wrong(at, 'a boolean'));
export const text: Shape<string> = (value, at) => (typeof value === 'string' ? value : wrong(at, 'text'));
export const wide: Shape<bigint> = (value, at) => (typeof value === 'bigint' ? value : wrong(at, 'a wide integer'));
/** Any number, infinite ones included. */
export const real: Shape<number> = (value, at) =>
  typeof value === 'number' && !Number.isNaN(value) ? value : wrong(at, 'a number');
export const integer =
  (low: number, high: number): Shape<number> =>
  (value, at) =>
    Number.isSafeInteger(value) && (value as number) >= low && (value as number) <= high
      ? (value as number)
      : wrong(at, `an integer from ${low} to ${high}`);
export const int = integer(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
export const size = integer(0, Number.MAX_SAFE_INTEGER);
export const word = integer(-(2 ** 31), 2 ** 32 - 1);
export const bytes: Shape<Uint8Array> = (value, at) => (value instanceof Uint8Array ? value : wrong(at, 'bytes'));
/** Data that only its owner understands. */
export const anything: Shape<unknown> = (value) => value;

export const list =
  <T>(member: Shape<T>, most = Number.POSITIVE_INFINITY): Shape<T[]> =>
  (value, at, kindOf) => {
    if (!Array.isArray(value) || value.length > most) return wrong(at, 'a list');
    return value.map((one, i) => member(one, `${at}[${i}]`, kindOf));
  };
export const maybe =
  <T>(shape: Shape<T>): Shape<T | null> =>
  (value, at, kindOf) =>
    value === null ? null : shape(value, at, kindOf);
/** A member that may be missing. */
export const optional =
  <T>(shape: Shape<T>): Shape<T | undefined> =>
  (value, at, kindOf) =>
    value === undefined || value === null ? undefined : shape(value, at, kindOf);
export const oneOf =
  <const T extends string | number>(...values: readonly T[]): Shape<T> =>
  (value, at) =>
    values.includes(value as T) ? (value as T) : wrong(at, values.join(' or '));

type Members = { readonly [name: string]: Shape };
export type RecordOf<M extends Members> = { -readonly [K in keyof M]: Of<M[K]> };
export type RecordShape<M extends Members> = Shape<RecordOf<M>> & { readonly members: M };

/** Members that the shape does not name are dropped. */
export function record<const M extends Members>(members: M): RecordShape<M> {
  const shape: Shape<RecordOf<M>> = (value, at, kindOf) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array)
      return wrong(at, 'a record');
    const found: Record<string, unknown> = {};
    for (const [name, member] of Object.entries(members)) {
      const checked = member((value as Record<string, unknown>)[name], `${at}.${name}`, kindOf);
      if (checked !== undefined) found[name] = checked;
    }
    return found as RecordOf<M>;
  };
  return Object.assign(shape, { members });
}

export const pair =
  <A, B>(first: Shape<A>, second: Shape<B>): Shape<[A, B]> =>
  (value, at, kindOf) => {
    if (!Array.isArray(value) || value.length !== 2) return wrong(at, 'a pair');
    return [first(value[0], `${at}[0]`, kindOf), second(value[1], `${at}[1]`, kindOf)];
  };

/** The number of another object of one of these kinds. */
export const ref =
  (...kinds: readonly string[]): Shape<number> =>
  (value, at, kindOf) => {
    const kind = Number.isSafeInteger(value) ? kindOf(value as number) : undefined;
    return kind !== undefined && (kinds.length === 0 || kinds.includes(kind))
      ? (value as number)
      : wrong(at, `a ${kinds.join(' or ')}`);
  };
/** The same, or -1 for none. */
export const noneOr =
  (shape: Shape<number>): Shape<number> =>
  (value, at, kindOf) =>
    value === -1 ? -1 : shape(value, at, kindOf);

/** The members of an object that a shape names. */
export function pick<M extends Members>(object: object, shape: RecordShape<M>): RecordOf<M> {
  const found: Record<string, unknown> = {};
  for (const name of Object.keys(shape.members)) found[name] = (object as Record<string, unknown>)[name];
  return found as RecordOf<M>;
}
