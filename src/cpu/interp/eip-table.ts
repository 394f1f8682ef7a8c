/** A hash table from EIP to record in two typed arrays: hundreds of thousands of entries that no garbage collector walks. */

const EMPTY = 0;
/** Of an entry that was deleted: the search goes on behind it. */
const DELETED = -1;

export class EipTable {
  #eips = new Int32Array(0x4000);
  #records = new Int32Array(0x4000);
  /** Entries that are not empty. */
  #used = 0;

  #find(eip: number): number {
    const mask = this.#eips.length - 1;
    // Fibonacci hashing: the product's upper bits.
    let at = (Math.imul(eip, 0x9e37_79b1) >>> 7) & mask;
    while (this.#records[at] !== EMPTY && (this.#eips[at] !== (eip | 0) || this.#records[at] === DELETED))
      at = (at + 1) & mask;
    return at;
  }

  /** 0 where there is none. */
  get(eip: number): number {
    return this.#records[this.#find(eip)] >>> 0;
  }

  set(eip: number, record: number): void {
    if (this.#used * 2 >= this.#eips.length) this.#grow();
    const at = this.#find(eip);
    if (this.#records[at] === EMPTY) this.#used++;
    this.#eips[at] = eip;
    this.#records[at] = record;
  }

  delete(eip: number): void {
    const at = this.#find(eip);
    if (this.#records[at] !== EMPTY) this.#records[at] = DELETED;
  }

  clear(): void {
    this.#records.fill(EMPTY);
    this.#used = 0;
  }

  #grow(): void {
    const eips = this.#eips;
    const records = this.#records;
    this.#eips = new Int32Array(eips.length * 2);
    this.#records = new Int32Array(eips.length * 2);
    this.#used = 0;
    for (let i = 0; i < eips.length; i++)
      if (records[i] !== EMPTY && records[i] !== DELETED) this.set(eips[i], records[i]);
  }
}
