/** tallship completion bash|zsh: a script that knows the commands and options of this version. */
import { COMMANDS, type Command, type CompletionValues } from './commands.ts';
import { CliError, EXIT } from './error.ts';
import { spelling } from './options.ts';

export async function main(_values: CompletionValues, [shell]: string[]): Promise<number> {
  if (shell !== 'bash' && shell !== 'zsh') {
    throw new CliError(EXIT.failure, `completion: for which shell, bash or zsh?`);
  }
  process.stdout.write(shell === 'bash' ? bash() : `autoload -U +X bashcompinit && bashcompinit\n${bash()}`);
  return 0;
}

function words(command: Command): string {
  const long = Object.entries(command.options).map(([name, option]) => spelling(name, option));
  const short = Object.values(command.options).flatMap((option) => (option.letter ? [`-${option.letter}`] : []));
  return [...long, ...short, '--help', ...(command.words ?? [])].join(' ');
}

/** Options that take a value end in a file name; after the guest's program, file names again. */
function bash(): string {
  const shown = COMMANDS.filter(({ hidden }) => !hidden);
  const names = shown.map((command) => command.name).join(' ');
  const cases = shown.map((command) => `    ${command.name}) words="${words(command)}" ;;`).join('\n');
  return `_tallship() {
  local current="\${COMP_WORDS[COMP_CWORD]}" words
  case "\${COMP_WORDS[1]}" in
${cases}
    *) words="${words(COMMANDS[0])} --version" ;;
  esac
  [ "$COMP_CWORD" -eq 1 ] && words="$words ${names}"
  COMPREPLY=()
  case "$current" in
    -*) COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
    *) COMPREPLY=($(compgen -W "$(printf '%s\\n' $words | grep -v '^-')" -- "$current") $(compgen -f -- "$current")) ;;
  esac
}
complete -o filenames -F _tallship tallship
`;
}
