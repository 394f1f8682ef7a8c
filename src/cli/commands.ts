/** The commands: their options, help text, and the module that runs them, loaded when asked for. */
import { compileInterpreter } from './ahead.ts';
import type { Options, Values } from './options.ts';
import {
  CONNECTION_OPTIONS,
  options,
  RUN_OPTIONS,
  type RunValues,
  SAVE_OPTIONS,
  STORE_OPTIONS,
} from './run-options.ts';

export const SERVE_OPTIONS = options({
  export: {
    letter: 'e',
    kind: 'list',
    value: 'DIR[:ro|rw]',
    describe: 'serve this directory (default: the current one, read and write)',
  },
  listen: {
    letter: 'l',
    kind: 'list',
    value: 'WHERE',
    describe: 'stdio (default), unix:PATH, tcp:HOST:PORT, tls:HOST:PORT, ws:HOST:PORT or wss:HOST:PORT',
  },
  stdio: { kind: 'flag', describe: 'serve whoever started this, on standard input and output' },
  token: { kind: 'string', value: 'FILE', describe: 'write the token there in place of showing it' },
  'tls-cert': { kind: 'string', value: 'FILE', describe: 'our certificate for tls: and wss:, in PEM' },
  'tls-key': { kind: 'string', value: 'FILE', describe: 'its key' },
  'tls-ca': { kind: 'string', value: 'FILE', describe: "whose signature clients' certificates must have" },
  log: { kind: 'string', value: 'FILE', describe: 'append comings, goings and every change' },
  allow: {
    kind: 'list',
    value: 'forward:CALLS[@HOST[:PORT]]',
    describe: 'let clients make these calls here: connect, listen, uname, ... (run --forward)',
  },
  durable: {
    kind: 'flag',
    describe: 'note on the disk what is about to be done: exactly once after a power failure, too',
  },
  force: { kind: 'flag', describe: 'serve as root' },
  quiet: { letter: 'q', kind: 'flag', describe: 'no lines about clients' },
});

export const RESTORE_OPTIONS = options({
  map: {
    kind: 'list',
    value: 'OLD=NEW',
    describe: "a directory, tar file or another machine's tree that is somewhere else now: paths or URLs",
  },
  volume: { letter: 'v', kind: 'list', value: 'HOST:GUEST', describe: 'what the program sees at GUEST is HOST now' },
  mount: { letter: 'M', kind: 'list', value: 'GUEST=URL', describe: "the same, another machine's files" },
  remote: { kind: 'string', value: 'URL', describe: 'what the program sees as its root is there now' },
  ...CONNECTION_OPTIONS,
  fd: {
    kind: 'list',
    value: 'N=WHAT',
    describe:
      'what descriptor N of the program that ran (or PID:N, or others) is now: a file, caller, reopen, eof, error or fail',
  },
  layer: RUN_OPTIONS.layer,
  ...SAVE_OPTIONS,
  detach: RUN_OPTIONS.detach,
  stopped: { kind: 'flag', describe: 'all processes stopped, until SIGCONT comes' },
  name: RUN_OPTIONS.name,
  timeout: RUN_OPTIONS.timeout,
  protection: RUN_OPTIONS.protection,
  quiet: { letter: 'q', kind: 'flag', describe: 'no lines about what could not be restored as it was' },
});

export const SYSROOT_OPTIONS = options({
  sources: { kind: 'string', value: 'FILE', describe: "a sources.list to use in place of the host's" },
  recommends: { kind: 'flag', describe: 'also packages that are only recommended' },
});

export const REPLAY_OPTIONS = options({
  events: { kind: 'flag', describe: 'list what was recorded, a line of JSON for each event, and run nothing' },
  protection: { ...RUN_OPTIONS.protection, describe: 'who checks page permissions (default: as recorded)' },
  stats: RUN_OPTIONS.stats,
  json: { kind: 'flag', describe: '--stats as JSON' },
});

export const COMPLETION_OPTIONS = options({});
export const CREW_OPTIONS = options({});
export const LAYER_OPTIONS = options({
  pid: { kind: 'string', value: 'PID|NAME', describe: 'of this running machine (tallship ps)' },
  at: { kind: 'number', value: 'N', describe: 'place in its list; 0 is outermost, the default innermost' },
});

export const PS_OPTIONS = options({
  json: { kind: 'flag', describe: 'as JSON' },
});

export const KILL_OPTIONS = options({
  signal: { letter: 's', kind: 'string', value: 'SIGNAL', describe: 'name or number (default: TERM)' },
  process: { letter: 'p', kind: 'number', value: 'PID', describe: "one of the machine's processes, not its first" },
  all: { letter: 'a', kind: 'flag', describe: "all of the machine's processes; KILL always means all" },
});

export const CHECKPOINT_OPTIONS = options({
  output: {
    letter: 'o',
    kind: 'string',
    value: 'DIR',
    describe: 'where to (default: NAME.image); in a store, its name',
  },
  ...STORE_OPTIONS,
  stop: { kind: 'flag', describe: 'the machine ends when its image is complete and verified' },
  wait: {
    kind: 'string',
    value: 'TIME',
    describe: 'how long for calls under way at layers and other machines (default: 5s); then there is no image',
  },
  check: {
    kind: 'flag',
    describe: 'save nothing: say what an image would hold of each descriptor; status 1: it cannot be made',
  },
  fd: {
    kind: 'list',
    value: 'N=POLICY',
    describe:
      'what a restore does about descriptor N that leads outside (or PID:N, or others): caller, reopen, eof, error, fail',
  },
  files: {
    kind: 'choice',
    choices: ['reference', 'content'],
    value: 'HOW',
    describe: 'unmodified pages of files: by name (default), or what is in them',
  },
  json: { kind: 'flag', describe: 'the report as JSON' },
});

export const MIGRATE_OPTIONS = options({
  install: { kind: 'flag', describe: 'copy Tallship there first where it is missing' },
  json: { kind: 'flag', describe: 'the report as JSON' },
});

export const IMAGE_OPTIONS = options({
  pid: { kind: 'number', value: 'PID', describe: 'of fds and maps: only this process' },
  json: { kind: 'flag', describe: 'as JSON' },
});

export const ATTACH_OPTIONS = options({});
export const LOGS_OPTIONS = options({
  follow: { letter: 'f', kind: 'flag', describe: 'go on as more is written, until the program ends' },
  json: { kind: 'flag', describe: 'the list as JSON' },
});

export type { RunValues };
export type RestoreValues = Values<typeof RESTORE_OPTIONS>;
export type ServeValues = Values<typeof SERVE_OPTIONS>;
export type ReplayValues = Values<typeof REPLAY_OPTIONS>;
export type SysrootValues = Values<typeof SYSROOT_OPTIONS>;
export type LayerValues = Values<typeof LAYER_OPTIONS>;
export type PsValues = Values<typeof PS_OPTIONS>;
export type KillValues = Values<typeof KILL_OPTIONS>;
export type CheckpointValues = Values<typeof CHECKPOINT_OPTIONS>;
export type MigrateValues = Values<typeof MIGRATE_OPTIONS>;
export type ImageValues = Values<typeof IMAGE_OPTIONS>;
export type AttachValues = Values<typeof ATTACH_OPTIONS>;
export type LogsValues = Values<typeof LOGS_OPTIONS>;
export type CompletionValues = Values<typeof COMPLETION_OPTIONS>;

export interface Command {
  readonly name: string;
  readonly operands: string;
  readonly summary: string;
  readonly options: Options;
  readonly examples: readonly (readonly [line: string, meaning: string])[];
  /** Not for people to type. */
  readonly hidden?: true;
  /** Everything after the first operand belongs to the guest. */
  readonly passThrough?: true;
  /** Words that complete the first operand; absent: file names. */
  readonly words?: readonly string[];
  /** Answers the exit status. */
  run(values: never, operands: string[]): Promise<number>;
}

export const COMMANDS: readonly Command[] = [
  {
    name: 'run',
    operands: 'PROGRAM [ARGS...]',
    summary: 'run a Linux/i386 program (the default: tallship PROGRAM ARGS)',
    options: RUN_OPTIONS,
    passThrough: true,
    examples: [
      ['tallship ./hello world', 'a static program'],
      ['tallship -L sysroot /bin/ls -l', 'a dynamic program; libraries come from the sysroot'],
      ['tallship -L sysroot -w . make', 'what it writes in this directory is kept'],
      ['tallship -v ~/data:/data:ro ./scan /data', 'grant one more directory, read-only'],
      ['tallship -L debian-i386.tar bash', 'a container image, as docker export writes it'],
      ['tallship run --on ssh://fast -L ~/i386 -w . make', 'on another machine, with the files of this one'],
    ],
    run: async (values: RunValues, operands) => {
      await compileInterpreter(values.protection);
      return (await import('./run.ts')).main(values, operands);
    },
  },
  {
    name: 'checkpoint',
    operands: 'PID|NAME',
    summary: 'make an image of a running machine, which goes on',
    options: CHECKPOINT_OPTIONS,
    words: [],
    examples: [
      ['tallship checkpoint job -o job.image', 'later, or elsewhere: tallship restore job.image'],
      ['tallship checkpoint job --stop', 'and end it here'],
      ['tallship checkpoint job --store ~/images', 'what has changed since the last one; restore ~/images/images/job'],
      ['tallship checkpoint job --check', 'save nothing: what would become of each descriptor?'],
    ],
    run: async (values, operands) => (await import('./checkpoint.ts')).main(values, operands),
  },
  {
    name: 'restore',
    operands: 'IMAGE',
    summary: 'go on where an image was made',
    options: RESTORE_OPTIONS,
    examples: [
      ['tallship run --on-signal USR1=save --image job.image ./job', 'kill -USR1 makes an image'],
      ['tallship restore job.image', 'goes on, on this terminal'],
      ['tallship restore --map /home/me/i386=/srv/i386 job.image', 'the sysroot is somewhere else here'],
    ],
    run: async (values: RestoreValues, operands) => {
      await compileInterpreter(values.protection);
      return (await import('./restore.ts')).main(values, operands);
    },
  },
  {
    name: 'migrate',
    operands: 'PID|NAME ssh://[USER@]HOST[:PORT][/DIR]|exec:COMMAND',
    summary: 'let a running machine go on on another host, with the files and terminal of this one',
    options: MIGRATE_OPTIONS,
    words: [],
    examples: [['tallship migrate job ssh://fast', 'what it reads and writes stays here']],
    run: async (values, operands) => (await import('./migrate.ts')).main(values, operands),
  },
  {
    name: 'serve',
    operands: '',
    summary: 'serve directories to programs that run elsewhere',
    options: SERVE_OPTIONS,
    examples: [
      ['tallship serve -e ~/project -l unix:/tmp/project', 'then: tallship run --remote unix:/tmp/project make'],
      ['tallship serve -e /data:ro -l tcp:0.0.0.0:7000', 'a token is shown: clients need it'],
    ],
    run: async (values, operands) => (await import('./serve.ts')).main(values, operands),
  },
  {
    name: 'replay',
    operands: 'DIR',
    summary: 'run again what tallship run --record DIR has recorded, from the recording alone',
    options: REPLAY_OPTIONS,
    examples: [
      ['tallship run --record trip ./hello', 'then: tallship replay trip'],
      ['tallship replay --events trip', 'what the program got from outside, in order'],
    ],
    run: async (values, operands) => (await import('./replay.ts')).main(values, operands),
  },
  {
    name: 'sysroot',
    operands: 'DIR PACKAGE...',
    summary: 'make or extend a Debian i386 sysroot, without root privileges',
    options: SYSROOT_OPTIONS,
    examples: [
      ['tallship sysroot ~/i386 bash coreutils python3', 'then: tallship -L ~/i386 bash'],
      ['tallship sysroot ~/i386 gcc libc6-dev', 'add a compiler to it'],
    ],
    run: async (values, operands) => (await import('./sysroot.ts')).main(values, operands),
  },
  {
    name: 'layer',
    operands: 'new NAME | list | add LAYER | remove NAME | move NAME',
    summary: 'start a layer of your own, list those that are there, or change those of a running machine',
    options: LAYER_OPTIONS,
    words: ['new', 'list', 'add', 'remove', 'move'],
    examples: [
      ['tallship layer new guard', 'writes guard.ts'],
      ['tallship run --layer ./guard.ts:/etc ls /etc', 'runs with it'],
      ['tallship layer add --pid build trace:calls.txt --at 0', 'traces a machine that runs already'],
      ['tallship layer list --pid build', 'its layers, outermost first'],
    ],
    run: async (values, operands) => (await import('./layer.ts')).main(values, operands),
  },
  {
    name: 'ps',
    operands: '',
    summary: 'list running machines and their processes',
    options: PS_OPTIONS,
    words: [],
    examples: [],
    run: async (values, operands) => (await import('./ps.ts')).main(values, operands),
  },
  {
    name: 'kill',
    operands: 'PID|NAME',
    summary: 'send a signal to a running machine',
    options: KILL_OPTIONS,
    words: [],
    examples: [
      ['tallship kill build', 'SIGTERM to the first process of the machine that --name or its program names'],
      ['tallship kill 4711 -s KILL', 'ends it at once'],
      ['tallship kill build -p 7 -s USR1', 'to process 7 in it'],
    ],
    run: async (values, operands) => (await import('./kill.ts')).main(values, operands),
  },
  {
    name: 'image',
    operands: 'ls [DIR] | show|ps|fds|maps|verify IMAGE | diff OLD NEW | export IMAGE DIR | gc STORE',
    summary: 'what is in an image of a machine, and whether it is whole',
    options: IMAGE_OPTIONS,
    words: ['ls', 'show', 'ps', 'fds', 'maps', 'verify', 'diff', 'export', 'gc'],
    examples: [
      ['tallship image fds job.image', 'open descriptors of its processes'],
      ['tallship image export ~/images/images/job job.image', 'out of a store: core files for a debugger'],
      ['tallship image gc ~/images', 'remove from a store what no image needs'],
    ],
    run: async (values, operands) => (await import('./image.ts')).main(values, operands),
  },
  {
    name: 'attach',
    operands: 'PID|NAME',
    summary: 'the terminal of a machine that was started with run -d --tty; Ctrl-\\ leaves it',
    options: ATTACH_OPTIONS,
    words: [],
    examples: [['tallship run -d --tty --name edit -L sysroot -w . vi notes', 'then: tallship attach edit']],
    run: async (values, operands) => (await import('./attach.ts')).main(values, operands),
  },
  {
    name: 'logs',
    operands: '[PID|NAME]',
    summary: 'what a detached machine has written; without a name: list those that ran',
    options: LOGS_OPTIONS,
    words: [],
    examples: [['tallship logs -f build', 'and what it goes on to write; ends as the program ends']],
    run: async (values, operands) => (await import('./logs.ts')).main(values, operands),
  },
  {
    name: 'crew',
    operands: '',
    summary: 'the other side of run --on, started by it',
    options: CREW_OPTIONS,
    examples: [],
    hidden: true,
    run: async () => (await import('./on/crew.ts')).main(),
  },
  {
    name: 'berth',
    operands: '',
    summary: 'the other side of migrate, started by it',
    options: CREW_OPTIONS,
    examples: [],
    hidden: true,
    run: async () => (await import('./migrate/berth.ts')).main(),
  },
  {
    name: 'completion',
    operands: 'bash|zsh',
    summary: 'print a completion script for the shell',
    options: COMPLETION_OPTIONS,
    words: ['bash', 'zsh'],
    examples: [['source <(tallship completion bash)', 'in ~/.bashrc']],
    run: async (values, operands) => (await import('./completion.ts')).main(values, operands),
  },
];

export function findCommand(name: string | undefined): Command | undefined {
  return COMMANDS.find((command) => command.name === name);
}
