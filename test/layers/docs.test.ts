/** The examples of docs/layers/: each console block is run, and shows what the page says; `...` stands for anything. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { tallship } from '../support/run.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PAGES = join(ROOT, 'docs/layers');

interface Example {
  page: string;
  command: string;
  shown: string;
}

const examples = readdirSync(PAGES)
  .filter((name) => name.endsWith('.md'))
  .flatMap((page): Example[] => {
    const blocks = readFileSync(join(PAGES, page), 'utf8').matchAll(/```console\n\$ tallship (.*)\n([^`]*)```/g);
    return [...blocks].map(([, command, shown]) => ({ page, command, shown }));
  });

const pattern = (shown: string) =>
  new RegExp(
    `^${shown
      .replace(/\.\.\./g, '\0')
      .replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
      .replace(/\0/g, '[^]*')}$`,
  );

describe('docs/layers', () => {
  it('every page has an example', () => {
    const pages = readdirSync(PAGES).filter((name) => name.endsWith('.md'));
    expect([...new Set(examples.map(({ page }) => page))].sort()).toEqual(pages.sort());
  });

  it.each(examples)('$page: $command', async ({ command, shown }) => {
    const { stdout, stderr } = await tallship(command.split(' '), { cwd: ROOT });
    expect(`${stdout}${stderr}`.trimEnd()).toMatch(pattern(shown.trimEnd()));
  });
});
