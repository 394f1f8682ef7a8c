/** tallship migrate PID|NAME URL: a running machine goes on on another host. */
import { parseRemoteUrl } from '../remote/url.ts';
import type { MigrateValues } from './commands.ts';
import { findMachine } from './control/client.ts';
import { CliError, EXIT } from './error.ts';
import type { Moved } from './migrate/departure.ts';
import type { Destination } from './migrate/passage.ts';
import { Progress } from './progress.ts';

export async function main(values: MigrateValues, [word, url, ...more]: string[]): Promise<number> {
  if (url === undefined || more.length > 0) {
    throw new CliError(EXIT.failure, 'migrate: one machine, as PID or NAME, and where to: ssh://HOST or exec:COMMAND');
  }
  const destination = destinationOf(url, values.install);
  const { control, failure } = await findMachine(word);
  if (control === null) throw new CliError(EXIT.failure, `${word}: ${failure}`);
  const progress = new Progress();
  progress.show('moving', word);
  try {
    const moved = (await control.request('migrate', destination)) as Moved;
    progress.clear();
    const { downtime, before, after } = moved;
    const text = `${word} runs at ${url} (${megabytes(before)} MB while it ran, ${megabytes(after)} MB in ${downtime.toFixed(0)} ms)`;
    process.stdout.write(`${values.json ? JSON.stringify(moved) : text}\n`);
    return 0;
  } finally {
    progress.clear();
    control.close();
  }
}

const megabytes = (bytes: number) => (bytes / 2 ** 20).toFixed(1);

/** What follows an ssh host is the directory there. */
function destinationOf(text: string, install: boolean): Destination {
  const url = parseRemoteUrl(text);
  if (typeof url === 'string') throw new CliError(EXIT.failure, `migrate: ${url}`);
  if (url.kind !== 'ssh') return { url: text, directory: undefined, install };
  const directory = url.path === '' ? undefined : url.path;
  return { url: text.slice(0, text.length - url.path.length), directory, install };
}
