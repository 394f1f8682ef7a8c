/** Counts the tasks that use one object (CLONE_FILES), so that the last one to leave can close it. */
export class Shares {
  readonly #counts = new WeakMap<object, number>();

  hold<T extends object>(shared: T): T {
    this.#counts.set(shared, (this.#counts.get(shared) ?? 0) + 1);
    return shared;
  }

  /** True when nobody holds it any more. */
  drop(shared: object): boolean {
    const left = (this.#counts.get(shared) ?? 1) - 1;
    this.#counts.set(shared, left);
    return left <= 0;
  }

  count(shared: object): number {
    return this.#counts.get(shared) ?? 0;
  }
}
