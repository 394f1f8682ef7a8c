import { writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { say } from '../host/node.ts';

/** One line of progress on a terminal, silent elsewhere; notes are lines that stay. */
export class Progress {
  readonly #live = isatty(2);

  show(what: string, detail: string): void {
    if (this.#live) writeSync(2, `\r\x1b[K${what}: ${detail}`);
  }

  note(line: string): void {
    this.clear();
    say(line);
  }

  clear(): void {
    if (this.#live) writeSync(2, '\r\x1b[K');
  }
}
