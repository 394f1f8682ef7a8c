/** npm run docs: writes docs/SYSCALLS.md and docs/ISA.md from the declarations and the instruction rows. */
import { writeFileSync } from 'node:fs';
import { isa } from '../src/cpu/isa/index.ts';
import type { Declaration } from '../src/syscall/syscall.ts';
import { DECLARATIONS } from '../syscalls/index.ts';

const docs = (name: string) => new URL(`../docs/${name}`, import.meta.url);
const cell = (text: string) => text.replaceAll('|', '\\|');

const LEVELS: Record<string, string> = {
  full: 'as Linux',
  partial: 'with what the note says',
  fixed: 'answers honestly that it is not there, or the same every time',
};

function syscalls(): string {
  const declarations = [...DECLARATIONS].sort((a, b) => a.nr - b.nr);
  const counts = new Map<string, number>();
  for (const { level } of declarations) counts.set(level, (counts.get(level) ?? 0) + 1);
  const summary = [...counts].map(([level, count]) => `${count} ${level} (${LEVELS[level] ?? level})`).join(', ');
  const rows = declarations.map(
    (one) => `| ${one.nr} | ${one.name} | ${cell(parameters(one))} | ${one.class} | ${one.level} | ${cell(one.note)} |`,
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
      ([name, { encodings, note }]) => `| ${name} | ${encodings.join('<br>')} | ${cell(note)} |`,
    );
    return `## ${feature}\n\n| Instruction | Encodings | Note |\n|---|---|---|\n${lines.join('\n')}\n`;
  });
  return `# Instructions

Written by \`npm run docs\` from src/cpu/isa, in the notation of src/cpu/isa/insn.ts. ${isa.length} instructions in ${rows}
rows. What is not here is #UD: SIGILL in the guest.

${sections.join('\n')}`;
}

writeFileSync(docs('SYSCALLS.md'), syscalls());
writeFileSync(docs('ISA.md'), instructions());
