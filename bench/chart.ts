/** Rows that are multiples of native runs as bars, on a logarithmic scale: an SVG file. */
import type { Row } from './main.ts';

const ROW = 26;
const LEFT = 190;
const WIDTH = 560;
const TOP = 40;

const escaped = (text: string): string => text.replace(/&/g, '&amp;').replace(/</g, '&lt;');

export function chart(title: string, rows: readonly Row[]): string {
  const values = rows.flatMap(({ value, rival }) => [value, rival ?? value]);
  const decades = Math.max(1, Math.ceil(Math.log10(Math.max(...values, 10))));
  const x = (value: number): number => (Math.max(0, Math.log10(value)) / decades) * WIDTH;
  const height = TOP + rows.length * ROW + 10;
  const grid = Array.from({ length: decades + 1 }, (_, power) => {
    const at = LEFT + (power / decades) * WIDTH;
    return (
      `<line x1="${at}" y1="${TOP - 6}" x2="${at}" y2="${height}" stroke="#ccc"/>` +
      `<text x="${at}" y="${TOP - 10}" text-anchor="middle">${10 ** power}</text>`
    );
  });
  const bars = rows.map(({ what, value, rival }, i) => {
    const y = TOP + i * ROW;
    const bar = (at: number, length: number, color: string): string =>
      `<rect x="${LEFT}" y="${at}" width="${length.toFixed(1)}" height="9" fill="${color}"/>`;
    const qemu = rival === undefined ? '' : bar(y + 11, x(rival), '#bbb');
    return (
      `<text x="${LEFT - 8}" y="${y + 13}" text-anchor="end">${escaped(what)}</text>` +
      `${bar(y + 1, x(value), '#1f6fb2')}${qemu}` +
      `<text x="${LEFT + x(value) + 4}" y="${y + 10}" font-size="9">${value.toPrecision(2)}</text>`
    );
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${LEFT + WIDTH + 40}" height="${height}" font-family="sans-serif" font-size="12">
<text x="8" y="16">${escaped(title)}</text>
${[...grid, ...bars].join('\n')}
</svg>
`;
}
