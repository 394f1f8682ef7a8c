/** Tables of text for the terminal. */

/**
 * Rows in columns that are as wide as they have to be.
 * @param right columns whose cells stand at the right, from 0
 */
export function columns(rows: readonly (readonly string[])[], right: readonly number[] = []): string {
  const safe = rows.map((row) => row.map(harmless));
  const widths = (safe[0] ?? []).map((_, i) => Math.max(...safe.map((row) => row[i]?.length ?? 0)));
  const pad = (cell: string, i: number) => (right.includes(i) ? cell.padStart(widths[i]) : cell.padEnd(widths[i] ?? 0));
  return safe.map((row) => `${row.map(pad).join('  ').trimEnd()}\n`).join('');
}

/** What guests call themselves is nothing that a terminal should obey. */
export const harmless = (text: string) => text.replace(/\p{Cc}/gu, '?');
