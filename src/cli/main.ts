// First of all: which descriptors came from our caller, before anything here opens one.
import { inheritedDescriptors } from '../host/inherited.ts';
import { say } from '../host/node.ts';
import { exitAtOnce } from '../host/signals.ts';
import { COMMANDS, findCommand } from './commands.ts';
import { CliError, EXIT } from './error.ts';
import { parse } from './parse.ts';

inheritedDescriptors();

const REPORT = 'this is a bug in Tallship; please report it with the command line and this line';

async function main(argv: string[]): Promise<number> {
  const named = findCommand(argv[0]);
  const command = named ?? COMMANDS[0];
  if (named === undefined) {
    if (argv[0] === '--version') {
      process.stdout.write(`${(await import('./version.ts')).version()}\n`);
      return 0;
    }
    if (argv.length === 0 || argv[0] === '--help' || argv[0] === '-h' || argv[0] === 'help') {
      const topic = findCommand(argv[1]);
      return (await import('./help.ts')).showHelp(topic, argv.length === 0);
    }
  }
  const { values, operands, help } = parse(command.options, named ? argv.slice(1) : argv, command.passThrough === true);
  if (help) return (await import('./help.ts')).showHelp(command, false);
  return command.run(values as never, operands);
}

/** One line, never a stack trace: what went wrong, and what to do about it. */
function complain(error: unknown): number {
  if (error instanceof CliError) {
    say(`${error.message}`);
    return error.status;
  }
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  if (process.env.TALLSHIP_DEBUG) say(String(stack));
  // By name: loading src/memory for this would cost every command.
  if (name === 'HostLimitError') {
    say(`${message}`);
    return EXIT.failure;
  }
  say(`${message.split('\n')[0]} (${REPORT})`);
  return EXIT.failure;
}

function fatal(error: unknown): void {
  exitAtOnce(complain(error));
}

process.on('uncaughtException', fatal);
process.on('unhandledRejection', fatal);
main(process.argv.slice(2)).then(
  (status) => exitAtOnce(status),
  (error) => fatal(error),
);
