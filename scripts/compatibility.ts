/** npm run docs: writes docs/COMPATIBILITY.md from the recorded results of test/programs. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

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
`,
);
