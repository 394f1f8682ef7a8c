/** Help, laid out by yargs from the options tables. */
import type { Argv } from 'yargs';
import { COMMANDS, type Command } from './commands.ts';
import type { Option } from './options.ts';

/** Writes help for one command, or for all; to stderr with status 125 when it answers an empty command line. */
export async function showHelp(command: Command | undefined, asError: boolean): Promise<number> {
  const { default: yargs } = await import('yargs');
  const parser = yargs([]).scriptName('tallship').help(false).version(false);
  parser.wrap(Math.min(100, process.stdout.columns || 100));
  if (command === undefined) overview(parser);
  else describe(parser, command);
  const text = `${await parser.getHelp()}\n`;
  (asError ? process.stderr : process.stdout).write(text);
  return asError ? 125 : 0;
}

function overview(parser: Argv): void {
  parser.usage('Usage: tallship [run] [OPTIONS] [--] PROGRAM [ARGS...]\n       tallship COMMAND ...');
  for (const { name, operands, summary } of COMMANDS.filter(({ hidden }) => !hidden))
    parser.command(`${name} ${operands}`, summary);
  addOptions(parser, COMMANDS[0]);
  for (const [line, meaning] of COMMANDS[0].examples) parser.example(line, meaning);
  parser.epilogue(
    'A program gets what it is granted and nothing else: its sysroot and the current directory (both read-only, ' +
      'changes are dropped unless -w or -v keeps them), /dev, /proc, /tmp; no network.\n\n' +
      "Exit status: the program's; 124 timeout, 125 Tallship itself failed, 126 not an i386 program, 127 not found.\n\n" +
      'tallship COMMAND --help tells more about a command.',
  );
}

function describe(parser: Argv, command: Command): void {
  const { name, operands, summary, examples } = command;
  parser.usage(`Usage: tallship ${name} [OPTIONS] ${operands}\n\n${summary}`);
  addOptions(parser, command);
  for (const [line, meaning] of examples) parser.example(line, meaning);
}

function addOptions(parser: Argv, { options }: Command): void {
  for (const [name, option] of Object.entries(options)) {
    parser.option(name, {
      // yargs would show a digit as a long option.
      alias: /[a-z]/i.test(option.letter ?? '') ? option.letter : undefined,
      type: yargsType(option),
      choices: option.choices,
      describe: option.value === undefined ? option.describe : `${option.value}: ${option.describe}`,
      requiresArg: option.kind !== 'flag' && option.kind !== 'count',
    });
  }
}

function yargsType({ kind }: Option): 'boolean' | 'count' | 'string' | 'number' | 'array' {
  if (kind === 'flag') return 'boolean';
  if (kind === 'count') return 'count';
  if (kind === 'list') return 'array';
  return kind === 'number' ? 'number' : 'string';
}
