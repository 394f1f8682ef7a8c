/** -c: counts, times and errors by call. */

interface Row {
  nanoseconds: number;
  calls: number;
  errors: number;
}

export class Summary {
  readonly #rows = new Map<string, Row>();

  add(name: string, nanoseconds: number, failed: boolean): void {
    let row = this.#rows.get(name);
    if (row === undefined) this.#rows.set(name, (row = { nanoseconds: 0, calls: 0, errors: 0 }));
    row.nanoseconds += nanoseconds;
    row.calls++;
    if (failed) row.errors++;
  }

  /** strace's table. */
  text(): string {
    const rows = [...this.#rows].sort(([, a], [, b]) => b.nanoseconds - a.nanoseconds || b.calls - a.calls);
    const total = { nanoseconds: 0, calls: 0, errors: 0 };
    for (const [, row] of rows) {
      total.nanoseconds += row.nanoseconds;
      total.calls += row.calls;
      total.errors += row.errors;
    }
    const line = '------ ----------- ----------- --------- --------- ----------------\n';
    const show = (name: string, { nanoseconds, calls, errors }: Row) => {
      const share = total.nanoseconds === 0 ? 0 : (100 * nanoseconds) / total.nanoseconds;
      const each = calls === 0 ? 0 : Math.floor(nanoseconds / calls / 1000);
      const columns = [
        share.toFixed(2).padStart(6),
        (nanoseconds / 1e9).toFixed(6).padStart(11),
        String(each).padStart(11),
        String(calls).padStart(9),
        (errors === 0 ? '' : String(errors)).padStart(9),
      ];
      return `${columns.join(' ')} ${name}\n`;
    };
    const head = `% time     seconds  usecs/call     calls    errors syscall\n${line}`;
    return `${head}${rows.map(([name, row]) => show(name, row)).join('')}${line}${show('total', total)}`;
  }
}
