/** tallship layer new NAME, tallship layer list. */
import { existsSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { SHIPPED } from '../layers/index.ts';
import type { LayerValues } from './commands.ts';
import { CliError, EXIT } from './error.ts';

export async function main(_values: LayerValues, [command, name]: string[]): Promise<number> {
  if (command === 'list') {
    const width = Math.max(...Object.keys(SHIPPED).map((shipped) => shipped.length));
    for (const [shipped, { summary }] of Object.entries(SHIPPED)) {
      process.stdout.write(`${shipped.padEnd(width)}  ${summary}\n`);
    }
    return 0;
  }
  if (command !== 'new') throw new CliError(EXIT.failure, 'layer: new NAME, or list');
  if (name === undefined) throw new CliError(EXIT.failure, 'layer new: which name?');
  const file = /\.m?ts$/.test(name) ? name : `${name}.ts`;
  if (existsSync(file)) throw new CliError(EXIT.failure, `layer new: ${file} exists already`);
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
