import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { documentPath, documents } from '../scripts/docs.ts';

it.each(Object.entries(documents()))('docs/%s is what npm run docs writes', (name, text) => {
  expect(readFileSync(documentPath(name), 'utf8')).toBe(text);
});
