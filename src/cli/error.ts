/** A failure that ends a command with one line on stderr and an exit status. */
export class CliError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** 125: our own failure; 126 and 127 are a shell's: cannot be run, not found. */
export const EXIT = { timeout: 124, failure: 125, notExecutable: 126, notFound: 127 } as const;
