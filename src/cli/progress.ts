/** One line of progress on a terminal, silent elsewhere; notes are lines that stay. */
export class Progress {
  readonly #live = process.stderr.isTTY === true;

  show(what: string, detail: string): void {
    if (this.#live) process.stderr.write(`\r\x1b[K${what}: ${detail}`);
  }

  note(line: string): void {
    this.clear();
    process.stderr.write(`tallship: ${line}\n`);
  }

  clear(): void {
    if (this.#live) process.stderr.write('\r\x1b[K');
  }
}
