/** A detached machine's own side: its record, and its terminal if it was given one. */
import { basename } from 'node:path';
import { keepStandardOnly } from '../../host/inherited.ts';
import type { ExitStatus, Machine } from '../../machine.ts';
import type { OpenFile } from '../../vfs/open-file.ts';
import { startOf } from '../control/entry.ts';
import { DETACHED } from './detach.ts';
import { type Run, writeRun } from './runs.ts';
import { Screen } from './screen.ts';

export class DetachedSelf {
  readonly base: string;
  screen: Screen | undefined;
  #run: Run | undefined;

  constructor(base: string) {
    this.base = base;
  }

  /** The descriptors of a program on a terminal of the machine's own. */
  openScreen(machine: Machine, uid: number): OpenFile[] {
    this.screen = new Screen(machine, uid);
    return this.screen.files();
  }

  /** The program runs. */
  started(machine: Machine, first: number, name: string | undefined, command: readonly string[]): void {
    this.screen?.control(machine, first);
    const { pid } = process;
    const start = startOf(pid) ?? '';
    this.#run = { name: name ?? basename(command[0]), pid, start, command, started: Date.now() };
    writeRun(this.base, this.#run);
  }

  /** An image was made of the machine, which ends here. */
  moved(): void {
    this.screen?.close();
    if (this.#run !== undefined) writeRun(this.base, { ...this.#run, moved: true });
  }

  ended(end: ExitStatus): void {
    this.screen?.close();
    if (this.#run !== undefined) writeRun(this.base, { ...this.#run, end });
  }
}

/** What this process is, if `tallship run -d` started it. */
export function detachedSelf(): DetachedSelf | undefined {
  const base = process.env[DETACHED];
  delete process.env[DETACHED];
  if (base === undefined) return undefined;
  keepStandardOnly();
  return new DetachedSelf(base);
}
