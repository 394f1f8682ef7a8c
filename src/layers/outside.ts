/** What a layer may use of the world outside of the machine: whoever loads it passes this on. */
export interface Outside {
  /** Appends to standard error. */
  error(text: string): void;
  /** A file to write to, made empty; what is written appears by the end at the latest. `|command` is a pipe. */
  output(path: string): (text: string) => void;
  /** Runs a function a moment later; the machine's end does not wait for it. */
  later?(run: () => void): void;
  readText(path: string): string;
  writeText(path: string, text: string): void;
  /** Asks whoever runs the machine; null where nobody can answer. */
  ask(question: string): string | null;
}
