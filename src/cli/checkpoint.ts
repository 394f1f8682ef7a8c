/** tallship checkpoint PID|NAME: an image of a running machine. */
import { resolve } from 'node:path';
import type { CheckpointValues } from './commands.ts';
import { findMachine } from './control/client.ts';
import { CliError, EXIT } from './error.ts';
import { Progress } from './progress.ts';

interface Saved {
  readonly path: string;
  /** Milliseconds. */
  readonly pause: number;
  /** Bytes. */
  readonly size: number;
  readonly processes: readonly { readonly pid: number; readonly command: string }[];
}

export async function main(values: CheckpointValues, [word, ...more]: string[]): Promise<number> {
  if (word === undefined || more.length > 0)
    throw new CliError(EXIT.failure, 'checkpoint: one machine, as PID or NAME');
  const { entry, control, failure } = await findMachine(word);
  if (control === null) throw new CliError(EXIT.failure, `${word}: ${failure}`);
  const path = resolve(values.output ?? `${entry.name}.image`);
  const files = values.files ?? 'reference';
  const progress = new Progress();
  progress.show('saving', word);
  try {
    const saved = (await control.request('checkpoint', { path, stop: values.stop, files })) as Saved;
    progress.clear();
    process.stdout.write(values.json ? `${JSON.stringify(saved)}\n` : `${saved.path}\n`);
    return 0;
  } finally {
    progress.clear();
    control.close();
  }
}
