import { expect, it } from 'vitest';
import { compileSelection } from '../../src/syscall/classes.ts';
import { DECLARATIONS } from '../../syscalls/index.ts';

const chosen = (text: string) => DECLARATIONS.filter(compileSelection(text)).map(({ name }) => name);

it('a set leaves out what stands behind an exclamation mark', () => {
  expect(chosen('open,read,!read')).toEqual(['open']);
  expect(chosen('%file')).toContain('access');
  expect(chosen('%file,!access,!/^open/')).toEqual(
    chosen('%file').filter((name) => name !== 'access' && !name.startsWith('open')),
  );
  expect(chosen('!open,!read')).toEqual(chosen('!open,read'));
  expect(chosen('!open,read')).not.toContain('read');
});
