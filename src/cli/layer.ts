/** tallship layer: new NAME writes one, list shows those that are shipped, the rest changes a running machine's. */
import { existsSync, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { SHIPPED } from '../layers/index.ts';
import type { LayerValues } from './commands.ts';
import { ask } from './control/client.ts';
import { CliError, EXIT } from './error.ts';
import { absoluteSpec } from './layers.ts';

export async function main(values: LayerValues, [command, name, ...more]: string[]): Promise<number> {
  if (more.length > 0) throw new CliError(EXIT.failure, `layer ${command}: one at a time`);
  if (command === 'list' && values.pid === undefined) return listShipped();
  if (command === 'new') return writeNew(name);
  if (command !== 'list' && command !== 'add' && command !== 'remove' && command !== 'move')
    throw new CliError(EXIT.failure, 'layer: new NAME, list, add LAYER, remove NAME or move NAME');
  if (values.pid === undefined)
    throw new CliError(EXIT.failure, `layer ${command}: of which machine? Give --pid PID|NAME; tallship ps lists them`);
  return change(command, values.pid, name, values.at);
}

/** Shows the machine's layers after it. */
async function change(command: string, machine: string, name: string | undefined, at: number | undefined) {
  if (command !== 'list' && name === undefined) throw new CliError(EXIT.failure, `layer ${command}: which layer?`);
  const what = command === 'add' ? { spec: absoluteSpec(name!) } : { name };
  const names = (await ask(machine, `layer-${command}`, { ...what, at })) as string[];
  process.stdout.write(names.map((each, i) => `${i}  ${each}\n`).join(''));
  return 0;
}

function listShipped(): number {
  const width = Math.max(...Object.keys(SHIPPED).map((shipped) => shipped.length));
  for (const [shipped, { summary }] of Object.entries(SHIPPED)) {
    process.stdout.write(`${shipped.padEnd(width)}  ${summary}\n`);
  }
  return 0;
}

function writeNew(name: string | undefined): number {
  if (name === undefined) throw new CliError(EXIT.failure, 'layer new: which name?');
  const file = /\.m?ts$/.test(name) ? name : `${name}.ts`;
  if (existsSync(file)) throw new CliError(EXIT.failure, `layer new: ${file} exists already`);
  if (!existsSync(dirname(file))) throw new CliError(EXIT.failure, `layer new: there is no directory ${dirname(file)}`);
  writeFileSync(file, template(basename(file).replace(/\.m?ts$/, '')));
  const shown = file.includes('/') ? file : `./${file}`;
  process.stdout.write(`${file} written; tallship run --layer ${shown} PROGRAM runs it\n`);
  return 0;
}

function template(name: string): string {
  return `import { layer } from 'tallship';

/** tallship run --layer ./${name}.ts[:ARGUMENT] PROGRAM */
export default (argument = '/etc') =>
  layer('${name}', {
    openat: {
      // A negative errno or a number answers the call; nothing passes it on; call.with({ path }) changes it.
      enter(call) {
        if (call.absolute().startsWith(\`\${argument}/\`)) return -13; // EACCES
      },
      // May look at what the call has written, and change the result.
      exit(call, result) {
        call.task.log(\`\${call.path} = \${result}\`);
      },
    },
  });
`;
}
