import { join } from 'node:path';
import type { Row } from './main.ts';
import { interleaved, MAIN, sysroot } from './measure.ts';
import { memory } from './memory.ts';

/** How much later than a bare Node a program is done that does nothing, and what a hello world needs. */
export function startup(): Row[] {
  const root = sysroot();
  if (root === undefined) return [{ what: 'no sysroot: npm test makes one', value: 0, unit: '' }];
  const node = process.execPath;
  const [bare, busybox, dynamic] = interleaved(
    [
      [node, '-e', '0'],
      [node, MAIN, join(root, 'bin/busybox'), 'true'],
      [node, MAIN, '-L', root, '/bin/true'],
    ],
    15,
  );
  return [
    { what: 'node -e 0', value: bare, unit: 'ms' },
    { what: 'busybox true, beyond that', value: busybox - bare, unit: 'ms', atMost: 60 },
    { what: 'dynamic /bin/true, beyond that', value: dynamic - bare, unit: 'ms', atMost: 120 },
    ...memory(),
  ];
}
