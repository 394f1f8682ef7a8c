/** What run takes, and other commands with it. */
import { CPU_MODEL_NAMES, DEFAULT_MODEL } from '../cpu/isa/cpuid.ts';
import type { Option, Values } from './options.ts';

/** Fixes literal types, and checks the shape. */
export function options<const O extends { readonly [name: string]: Option }>(table: O): O {
  return table;
}

/** strace's own letters, as far as run does not use them for something else. */
export const TRACE_OPTIONS = options({
  strace: { kind: 'flag', describe: "show system calls on stderr, in strace's format; its options follow" },
  expression: {
    letter: 'e',
    kind: 'list',
    value: 'EXPR',
    describe: 'trace=SET, signal=SET, status=SET, inject=..., abbrev=SET, verbose=SET',
  },
  follow: { letter: 'f', kind: 'count', describe: 'children too; -ff with -o: a file per process' },
  output: { letter: 'o', kind: 'string', value: 'FILE', describe: "to a file, or to a command: '|command'" },
  summary: { letter: 'c', kind: 'flag', describe: 'only counts, times and errors by call' },
  elapsed: { letter: 'T', kind: 'flag', describe: 'time spent in each call' },
  relative: { letter: 'r', kind: 'flag', describe: 'time since the call before' },
  timestamps: { letter: 't', kind: 'count', describe: 'time of day; -tt with microseconds, -ttt since 1970' },
  paths: { letter: 'y', kind: 'count', describe: 'what descriptors refer to' },
  only: { letter: 'P', kind: 'list', value: 'PATH', describe: 'only calls that have to do with this path' },
  strings: { letter: 's', kind: 'number', value: 'N', describe: 'show so much of strings (default 32)' },
  numbers: {
    letter: 'X',
    kind: 'choice',
    choices: ['raw', 'abbrev', 'verbose'],
    value: 'FORMAT',
    describe: 'of flags and constants',
  },
  backtrace: { letter: 'k', kind: 'flag', describe: "the guest's stack after each call" },
  inject: { kind: 'list', value: 'SET:WHAT', describe: "tamper with calls, in strace's grammar" },
});

/** Images that a running machine makes of itself. */
/** Where images share what is the same in them. */
export const STORE_OPTIONS = options({
  store: {
    kind: 'string',
    value: 'DIR',
    describe: 'keep images in this store, each by its name: they cost what has changed (DIR/images/NAME)',
  },
  compress: {
    kind: 'choice',
    choices: ['deflate', 'zstd'],
    value: 'HOW',
    describe: 'with --store: packed; zstd can only be read where Node has it (22.15 and later)',
  },
});

export const SAVE_OPTIONS = options({
  image: { kind: 'string', value: 'DIR', describe: 'where images go that a run makes of itself (default: NAME.image)' },
  every: { kind: 'string', value: 'TIME', describe: 'make an image every so often: 90s, 30m, 2h' },
  'checkpoint-exit-code': {
    kind: 'number',
    value: 'N',
    describe: 'end with this status after each image of --every and save-exit, when it has been verified',
  },
  'on-signal': {
    kind: 'list',
    value: 'SIGNAL=save|save-exit',
    describe: 'make an image when this signal comes (USR1=save), and end then (USR2=save-exit)',
  },
  'on-request': {
    kind: 'flag',
    describe: 'let programs ask for an image: echo save (or save-exit) > /proc/tallship/checkpoint',
  },
  ...STORE_OPTIONS,
});

/** What opening trees of other machines needs. */
export const CONNECTION_OPTIONS = options({
  io: {
    kind: 'choice',
    choices: ['direct', 'cached', 'session'],
    value: 'MODE',
    describe:
      'of served trees: every call goes there; reads ahead and writes behind (default); or changes stay here until the program ends',
  },
  retry: { kind: 'string', value: 'TIME', describe: 'how long a lost connection is tried again (default: 40m)' },
  token: { kind: 'string', value: 'FILE', describe: "holds the server's token (default: $TALLSHIP_TOKEN)" },
  'tls-cert': { kind: 'string', value: 'FILE', describe: 'our certificate for tls: and wss:, in PEM' },
  'tls-key': { kind: 'string', value: 'FILE', describe: 'its key' },
  'tls-ca': { kind: 'string', value: 'FILE', describe: "whose signature the server's certificate must have" },
});

/** Files that are elsewhere. */
const REMOTE_OPTIONS = options({
  remote: {
    kind: 'string',
    value: 'URL',
    describe:
      'root file system from another machine: ssh://HOST/DIR, exec:COMMAND, unix:, tcp:, tls:, ws:, chirp:, condor',
  },
  mount: { letter: 'M', kind: 'list', value: 'GUEST=URL', describe: "another machine's files at this place" },
  forward: {
    kind: 'list',
    value: 'CALLS[@HOST[:PORT]]',
    describe: 'these calls are made at home: sockets (connect, listen), hostname, time',
  },
  ...CONNECTION_OPTIONS,
  on: {
    kind: 'string',
    value: 'URL',
    describe: 'run on another machine, with files and terminal of this one: ssh://[USER@]HOST[:PORT] or exec:COMMAND',
  },
  install: { kind: 'flag', describe: 'with --on: copy Tallship there first where it is missing' },
});

export const RUN_OPTIONS = options({
  layer: {
    kind: 'list',
    value: 'NAME|FILE[:ARG]',
    describe: 'put a layer in front of system calls; the first is outermost',
  },
  ...TRACE_OPTIONS,
  sysroot: { letter: 'L', kind: 'string', value: 'DIR|TAR', describe: 'root file system: a directory or a tar file' },
  volume: {
    letter: 'v',
    kind: 'list',
    value: 'HOST:GUEST[:MODE]',
    describe: 'grant a host path; MODE is rw (default), ro, or cow: writable, changes are dropped',
  },
  write: { letter: 'w', kind: 'list', value: 'DIR', describe: 'write changes in DIR through to the host (-w .)' },
  ...REMOTE_OPTIONS,
  force: { kind: 'flag', describe: 'let -w and -v write to a whole home directory or /' },
  chdir: { letter: 'C', kind: 'string', value: 'DIR', describe: 'start in this directory of the guest' },
  env: { letter: 'E', kind: 'list', value: 'NAME=VALUE', describe: 'set an environment variable' },
  unset: { letter: 'U', kind: 'list', value: 'NAME', describe: 'remove an environment variable' },
  argv0: { letter: '0', kind: 'string', value: 'NAME', describe: "the program's argv[0] (short: -0)" },
  user: { kind: 'string', value: 'UID[:GID]', describe: 'run as this user (default: the one who calls)' },
  ...SAVE_OPTIONS,
  state: {
    kind: 'string',
    value: 'DIR',
    describe: 'a batch job: images go to DIR, and the same command goes on from there',
  },
  resume: {
    kind: 'choice',
    choices: ['auto', 'never'],
    value: 'WHEN',
    describe: 'with --state: go on where an image is (auto, the default), or begin anew',
  },
  detach: { letter: 'd', kind: 'flag', describe: 'run in the background, output to a log (tallship logs)' },
  tty: { kind: 'flag', describe: 'with -d: on a terminal of its own (tallship attach)' },
  name: { kind: 'string', value: 'NAME', describe: 'what tallship ps, kill and layer call it (default: the program)' },
  timeout: { kind: 'number', value: 'SECONDS', describe: 'kill everything after this time; exit status 124' },
  'max-insns': {
    kind: 'number',
    value: 'N',
    describe: 'stop everything after exactly N instructions; exit status 124',
  },
  'checkpoint-at': {
    kind: 'number',
    value: 'N',
    describe: 'make an image after exactly N instructions, and go on',
  },
  record: { kind: 'string', value: 'DIR', describe: 'record the run into a new directory, for tallship replay' },
  protection: {
    kind: 'choice',
    choices: ['hardware', 'software'],
    value: 'MODE',
    describe: 'who checks page permissions (default: hardware where it works)',
  },
  cpu: {
    kind: 'choice',
    choices: CPU_MODEL_NAMES,
    value: 'MODEL',
    describe: `the processor that the program finds (default: ${DEFAULT_MODEL})`,
  },
  jit: {
    kind: 'choice',
    choices: ['on', 'off', 'always'],
    value: 'MODE',
    describe: 'compile hot code (default), none, or all of it as soon as it is reached',
  },
  seed: { kind: 'number', value: 'N', describe: 'fix addresses, random numbers and scheduling' },
  quiet: { letter: 'q', kind: 'flag', describe: 'no line about dropped changes at exit' },
  stats: { kind: 'flag', describe: 'system calls, instructions and memory on stderr at exit' },
  json: { kind: 'flag', describe: '--stats and --strace as JSON' },
});

export type RunValues = Values<typeof RUN_OPTIONS>;
