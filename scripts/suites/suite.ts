/** A test suite that others wrote: from Debian's i386 packages, run natively and on Tallship. */

export interface Case {
  readonly name: string;
  /** The program and its arguments, in the sysroot. */
  readonly argv: readonly string[];
}

export interface Suite {
  readonly name: string;
  /** What it proves, for docs/COMPATIBILITY.md. */
  readonly title: string;
  /** Debian packages of its sysroot. */
  readonly packages: readonly string[];
  /** Its cases; asks the sysroot through `native` where the suite itself has the list. */
  cases(native: (argv: readonly string[]) => Promise<string>): Promise<readonly Case[]>;
  /** Seconds that a case may take natively; a longer one is left out. Tallship gets ten times as long, and a minute. */
  readonly patience: number;
}

/** What came of a case: 'pass', or how it ended otherwise. */
export type Verdict = 'pass' | 'fail' | 'timeout' | 'skipped';

export interface Result {
  native: Verdict;
  tallship?: Verdict;
  /** Why it fails here, where that is known (fixtures/suites/NAME.json keeps it over runs). */
  why?: string;
}
