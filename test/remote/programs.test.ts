/** git, gcc and sqlite3 on files elsewhere, over connections that are cut: the same as on files here, byte by byte. */
import { expect, test } from 'vitest';
import { compareWork } from '../support/served-work.ts';
import { sysroot } from '../support/sysroot.ts';

test.each([
  ['cached', []],
  ['session', ['--io', 'session']],
])(
  'programs on files elsewhere, %s, with connections that are cut',
  async (_name, modes) => {
    const made = sysroot();
    if ('missing' in made) throw new Error(made.missing);
    const proxy = { delay: 1, life: 500 };
    const { here, elsewhere, filesHere, filesElsewhere, connections } = await compareWork(made.path, 1, proxy, modes);
    expect(elsewhere).toEqual(here);
    expect(here.status).toBe(0);
    expect(filesElsewhere).toEqual(filesHere);
    expect(filesHere.length).toBeGreaterThan(20);
    expect(connections).toBeGreaterThan(1);
  },
  300_000,
);
