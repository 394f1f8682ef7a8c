/** npm run docs: writes docs/SYSCALLS.md, docs/ISA.md and docs/PROTOCOL.md from the declarations and the instruction rows. */
import { writeFileSync } from 'node:fs';
import { CPU_MODELS, DEFAULT_MODEL, FEATURE_BITS } from '../src/cpu/isa/cpuid.ts';
import { isa } from '../src/cpu/isa/index.ts';
import { byName } from '../src/syscall/multiplexer.ts';
import type { Declaration } from '../src/syscall/syscall.ts';
import { DECLARATIONS } from '../syscalls/index.ts';
import { EXCEPTIONS } from '../test/cpu/differ/exceptions.ts';
import { NOT_COMPARED } from '../test/cpu/differ/rows.ts';
import { LEFT_OUT } from './cpu-suites-left-out.ts';
import { protocol } from './protocol.ts';

const docs = (name: string) => new URL(`../docs/${name}`, import.meta.url);
const cell = (text: string) => text.replaceAll('|', '\\|');

const LEVELS: Record<string, string> = {
  full: 'as Linux',
  partial: 'with what the note says',
  fixed: 'answers honestly that it is not there, or the same every time',
};

function syscalls(): string {
  const numbered = new Set(DECLARATIONS.map(({ name }) => name));
  const through = [...byName(DECLARATIONS).values()].filter(({ name }) => !numbered.has(name));
  const declarations = [...DECLARATIONS, ...through].sort((a, b) => a.nr - b.nr);
  const counts = new Map<string, number>();
  for (const { level } of declarations) counts.set(level, (counts.get(level) ?? 0) + 1);
  const summary = [...counts].map(([level, count]) => `${count} ${level} (${LEVELS[level] ?? level})`).join(', ');
  const rows = declarations.map(
    (one) =>
      `| ${one.nr}${numbered.has(one.name) ? '' : ` (${one.through})`} | ${one.name} | ${cell(parameters(one))} | ${one.class} | ${one.level} | ${cell(one.note)} |`,
  );
  return `# System calls

Written by \`npm run docs\` from syscalls/. ${declarations.length} calls: ${summary}. Any other number answers ENOSYS, and
\`tallship run --stats\` counts it.

| Number | Name | Parameters | Class | Level | Note |
|---|---|---|---|---|---|
${rows.join('\n')}
`;
}

function parameters({ args }: Declaration): string {
  const declared = args.map(({ name, kind }) => {
    if (kind.endsWith('[]')) return `${kind.slice(0, -2).trimEnd()} ${name}[]`;
    return kind.endsWith('*') ? `${kind}${name}` : `${kind} ${name}`;
  });
  return declared.join(', ');
}

/** Sixteen instructions have the condition in their names. */
const CONDITIONAL = ['j', 'cmov', 'set'];
const spelled = (name: string): string => (CONDITIONAL.includes(name) ? `${name}cc` : name);

function models(): string {
  const models: [string, { signature: number; features: readonly string[] }][] = Object.entries(CPU_MODELS);
  const known = Object.keys(FEATURE_BITS).filter((feature) =>
    models.some(([, { features }]) => features.includes(feature)),
  );
  const rows = models.map(([name, { signature, features }]) => {
    const marks = known.map((feature) => (features.includes(feature) ? 'x' : ''));
    return `| ${name === DEFAULT_MODEL ? `**${name}**` : name} | ${signature.toString(16)} | ${marks.join(' | ')} |`;
  });
  return [`| Model | Signature | ${known.join(' | ')} |`, `|${'---|'.repeat(known.length + 2)}`, ...rows, ''].join(
    '\n',
  );
}

/** What the differential tester knows to differ, and does not ask. */
function differencesFromHardware(): string {
  const own = EXCEPTIONS.map(({ name, reason }) => `| ${name} | ${cell(reason)} |`);
  const rows = NOT_COMPARED.map(
    ({ row, reason }) => `| \`${cell(row.source.replace(/^\^/, '').trim())}\` | not compared: ${cell(reason)} |`,
  );
  return [...own, ...rows].join('\n');
}

function instructions(): string {
  /** Per feature the names, which several bodies may share (the conditions of Jcc). */
  const features = new Map<string, Map<string, { encodings: string[]; note: string }>>();
  let rows = 0;
  for (const { name, options, rows: encodings } of isa) {
    rows += encodings.length;
    const feature = options.feature ?? 'base';
    const names = features.get(feature) ?? new Map();
    features.set(feature, names);
    const entry = names.get(name) ?? { encodings: [], note: options.note ?? '' };
    names.set(name, entry);
    entry.encodings.push(...encodings.map((encoding) => `\`${cell(encoding)}\``));
  }
  const sections = [...features].map(([feature, names]) => {
    const lines = [...names].map(
      ([name, { encodings, note }]) => `| ${spelled(name)} | ${encodings.join('<br>')} | ${cell(note)} |`,
    );
    return `## ${feature}\n\n| Instruction | Encodings | Note |\n|---|---|---|\n${lines.join('\n')}\n`;
  });
  return `# Instructions

Written by \`npm run docs\` from src/cpu/isa, in the notation of src/cpu/isa/insn.ts. ${isa.length} instructions in ${rows}
rows. What is not here is #UD: SIGILL in the guest.

## Processors

\`tallship run --cpu MODEL\` chooses the processor that CPUID shows; what it does not have is #UD. Signatures are CPUID.1:EAX.
AES-NI and PCLMULQDQ came with the generation after the last of these, and RDRAND, AVX and BMI later: none of them is announced.

${models()}
## Beside hardware

\`npm run test:cpu\` runs every row in every operand, addressing and prefix form, and random sequences, on the processor at hand
and here: registers, flags (the undefined ones too, on Intel's processors), memory, x87, SSE, and the signal with all that it
carries. These are the differences that it knows, from an Intel Xeon of family 6, model 207; any other is a bug.

| Exception | Reason |
|---|---|
${differencesFromHardware()}
| FCS and FDS | they read as 0, as where CPUID says that they are deprecated |

\`npm run test:cpu-suites\` runs the programs of valgrind's none/tests/x86 and qemu's tests/tcg/i386, whose output must be the
native one, but for these:

| Program | Reason |
|---|---|
${Object.entries(LEFT_OUT)
  .map(([name, reason]) => `| ${name} | ${reason} |`)
  .join('\n')}

${sections.join('\n')}`;
}

export const documents = (): Record<string, string> => ({
  'SYSCALLS.md': syscalls(),
  'ISA.md': instructions(),
  'PROTOCOL.md': protocol(),
});
export const documentPath = docs;

if (process.argv[1]?.endsWith('docs.ts')) {
  for (const [name, text] of Object.entries(documents())) writeFileSync(docs(name), text);
}
