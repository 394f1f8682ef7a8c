/**
 * "Where is it in the image?" Whoever adds a member to a class whose objects an image holds says so: in the shape of its
 * kind, or in the list of what has another form there or follows from the rest.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  QUEUE_DERIVED,
  QUEUE_STATE,
  SEGMENT_DERIVED,
  SEGMENT_STATE,
  SEMAPHORE_DERIVED,
  SEMAPHORE_STATE,
} from '../../src/checkpoint/kinds/ipc.ts';
import { MM_DERIVED, MM_STATE, VMA } from '../../src/checkpoint/kinds/memory.ts';
import {
  CALL_DERIVED,
  CALL_STATE,
  GROUP_DERIVED,
  GROUP_STATE,
  TASK_DERIVED,
  TASK_STATE,
  USAGE,
} from '../../src/checkpoint/kinds/tasks.ts';
import { KERNEL_DERIVED } from '../../src/checkpoint/machine-state.ts';
import { FILE_DERIVED, FILE_STATE } from '../../src/fs/image/image.ts';
import { emptyUsage } from '../../src/kernel/usage.ts';
import { PLAIN } from '../../src/memory/vma.ts';

/** Members that a class declares, read from its source: private ones have no other trace. */
function membersOf(path: string, name: string): string[] {
  const text = readFileSync(fileURLToPath(new URL(`../../src/${path}`, import.meta.url)), 'utf8');
  const start = text.search(new RegExp(`class ${name}\\b`));
  const body = text.slice(start, text.indexOf('\n}', start));
  const fields = /^ {2}(?:(?:protected|declare|abstract|override) )*(?:readonly )?(#?\w+)[!?]?(?:: | = )/gm;
  return [...body.matchAll(fields)].map(([, member]) => member).sort();
}

const names = (...tables: object[]) => tables.flatMap((table) => Object.keys(table)).sort();

const CLASSES: readonly [path: string, name: string, state: { members: object } | null, derived: object][] = [
  ['kernel/task.ts', 'Task', TASK_STATE, TASK_DERIVED],
  ['kernel/call.ts', 'Call', CALL_STATE, CALL_DERIVED],
  ['kernel/thread-group.ts', 'ThreadGroup', GROUP_STATE, GROUP_DERIVED],
  ['kernel/kernel.ts', 'Kernel', null, KERNEL_DERIVED],
  ['kernel/semaphores.ts', 'SemaphoreSet', SEMAPHORE_STATE, SEMAPHORE_DERIVED],
  ['kernel/message-queues.ts', 'MessageQueue', QUEUE_STATE, QUEUE_DERIVED],
  ['kernel/shared-memory.ts', 'Segment', SEGMENT_STATE, SEGMENT_DERIVED],
  ['memory/mm.ts', 'Mm', MM_STATE, MM_DERIVED],
  ['vfs/open-file.ts', 'OpenFile', FILE_STATE, FILE_DERIVED],
];

describe('an image holds', () => {
  it.each(CLASSES)('all of %s %s', (path, name, state, derived) => {
    expect(membersOf(path, name)).toEqual(names(state?.members ?? {}, derived));
  });

  it('all of a mapping', () => {
    expect(names(VMA.members)).toEqual(
      [...names(PLAIN), 'start', 'end', 'offset'].filter((member) => member !== 'lazy').sort(),
    );
  });

  it('all that getrusage tells', () => {
    expect(names(USAGE.members)).toEqual(names(emptyUsage()));
  });
});
