/** npm run docs: writes docs/COMPATIBILITY.md from the recorded results of test/programs. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Result, Suite } from './suites/suite.ts';
import { SUITES } from './suites/table.ts';

interface Observation {
  status: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
  files: Record<string, string>;
}

const golden = fileURLToPath(new URL('../fixtures/golden/programs/', import.meta.url));

function compared({ status, signal, stdout, stderr, files }: Observation): string {
  const parts = [signal === null ? `exit status ${status}` : `death by ${signal}`];
  if (stdout !== '') parts.push(`${stdout.length} bytes of stdout`);
  if (stderr !== '') parts.push(`${stderr.length} of stderr`);
  const count = Object.keys(files).length;
  if (count > 0) parts.push(`${count} files`);
  return parts.join(', ');
}

const rows = readdirSync(golden)
  .sort()
  .flatMap((suite) =>
    readdirSync(`${golden}${suite}`)
      .sort()
      .map((file) => {
        const observation = JSON.parse(readFileSync(`${golden}${suite}/${file}`, 'utf8')) as Observation;
        return `| ${suite.replaceAll('-', ' ')} | ${file.slice(0, -5).replaceAll('-', ' ')} | ${compared(observation)} |`;
      }),
  );

const escaped = (text: string) => text.replaceAll('|', '\\|');

/** What is known of a suite: of the cases that were tried, how many pass, and the rest with its reason. */
function suiteSection({ name, title }: Suite): string {
  const file = fileURLToPath(new URL(`../fixtures/suites/${name}.json`, import.meta.url));
  if (!existsSync(file)) return '';
  const results = Object.entries(JSON.parse(readFileSync(file, 'utf8')) as Record<string, Result>);
  const tried = results.filter(([, { native, tallship }]) => native === 'pass' && tallship !== undefined);
  const rest = tried.filter(([, { tallship }]) => tallship !== 'pass');
  const told = rest.map(
    ([name, { tallship, why }]) => `| ${escaped(name)} | ${tallship} | ${escaped(why ?? 'not looked into')} |`,
  );
  const table = rest.length === 0 ? '' : `\n| Case | Here | Why |\n|---|---|---|\n${told.join('\n')}\n`;
  return `
### ${title}

${results.length} cases have been run natively, ${tried.length} that pass there also here: ${tried.length - rest.length} pass.
${table}`;
}

writeFileSync(
  new URL('../docs/COMPATIBILITY.md', import.meta.url),
  `# Programs that run as they do natively

Written by \`npm run docs\` from fixtures/golden/programs. Each line is a test (test/programs): an unmodified program of Debian 12
for i386 (busybox is static, the others are dynamic) does the task in the VM and natively. Everything a user would notice has
to be equal: the bytes on stdout and stderr, the exit status or signal, and every file in the working directory with its type,
permissions and content. On machines that cannot run i386 programs the VM is compared with what was recorded.

Beside these, test/programs/terminal.test.ts uses bash (job control, history), vi and python3 on a terminal, and
test/cli what a shell sees of Tallship itself.

| Program | Task | Compared |
|---|---|---|
${rows.join('\n')}

## Test suites of others

\`npm run test:suites [NAME]\` makes a sysroot of Debian's packages, runs each case natively and here, and keeps the results in
fixtures/suites. What passes natively must pass here.
${SUITES.map(suiteSection).join('')}`,
);
