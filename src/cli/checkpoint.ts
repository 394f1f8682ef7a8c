/** tallship checkpoint PID|NAME: an image of a running machine, or what one would hold. */
import type { CheckReport } from '../checkpoint/check.ts';
import { columns, harmless } from './columns.ts';
import type { CheckpointValues } from './commands.ts';
import { type Control, findMachine } from './control/client.ts';
import { parsePolicies } from './descriptors.ts';
import { milliseconds } from './duration.ts';
import { CliError, EXIT } from './error.ts';
import { Progress } from './progress.ts';
import { type Target, targetOf } from './saving.ts';

interface Saved {
  readonly path: string;
  /** Milliseconds. */
  readonly pause: number;
  /** Bytes. */
  readonly size: number;
  readonly processes: readonly { readonly pid: number; readonly command: string }[];
}

/** Of --check: no image can be made. */
const IMPOSSIBLE = 1;

export async function main(values: CheckpointValues, [word, ...more]: string[]): Promise<number> {
  if (word === undefined || more.length > 0)
    throw new CliError(EXIT.failure, 'checkpoint: one machine, as PID or NAME');
  const descriptors = parsePolicies(values.fd);
  const { entry, control, failure } = await findMachine(word);
  if (control === null) throw new CliError(EXIT.failure, `${word}: ${failure}`);
  try {
    if (values.check) return await check(control, values, descriptors);
    const name = values.output ?? (values.store === undefined ? `${entry.name}.image` : entry.name);
    return await save(control, values, word, targetOf(name, values), descriptors);
  } finally {
    control.close();
  }
}

async function save(control: Control, values: CheckpointValues, word: string, target: Target, descriptors: object) {
  const files = values.files ?? 'reference';
  const progress = new Progress();
  progress.show('saving', word);
  try {
    const patience = values.wait === undefined ? undefined : milliseconds('--wait', values.wait);
    const request = { ...target, stop: values.stop, files, descriptors, patience };
    const saved = (await control.request('checkpoint', request)) as Saved;
    progress.clear();
    process.stdout.write(values.json ? `${JSON.stringify(saved)}\n` : `${saved.path}\n`);
    return 0;
  } finally {
    progress.clear();
  }
}

async function check(control: Control, { json }: CheckpointValues, descriptors: object): Promise<number> {
  const report = (await control.request('check', { descriptors })) as CheckReport;
  process.stdout.write(json ? `${JSON.stringify(report, null, 1)}\n` : textOf(report));
  return report.possible ? 0 : IMPOSSIBLE;
}

function textOf({ processes, descriptors, trees, layers, waits, problems }: CheckReport): string {
  const header = ['  FD', 'WHAT', 'VERDICT', 'MEANING'];
  const tables = processes.map(({ pid, command }) => {
    const own = descriptors.filter((one) => one.pid === pid);
    const rows = own.map(({ fd, name, verdict, detail }) => [`  ${fd}`, name, verdict, detail]);
    return `${pid} ${harmless(command)}\n${columns([header, ...rows])}`;
  });
  const lines = [
    ...trees.map(({ path, source }) => `${path} is ${source}: a restore wants it, or --map`),
    ...layers.map((name) => `layer ${name}: a restore has to be given it again`),
    ...waits.map((what) => `a checkpoint waits: ${what}`),
    ...problems.map((what) => `no image can be made: ${what}`),
  ];
  return [...tables, ...lines.map((line) => `${line}\n`)].join('');
}
