/** The suites. */
import type { Suite } from './suite.ts';

const lines = (text: string) => text.split('\n').filter((line) => line !== '');

const cpython: Suite = {
  name: 'cpython',
  title: "CPython 3.11's own tests, a module each",
  packages: ['python3.11', 'libpython3.11-testsuite', 'coreutils', 'bash', 'libc-bin', 'tzdata', 'media-types'],
  patience: 30,
  async cases(native) {
    const modules = lines(await native(['python3.11', '-m', 'test', '--list-tests']));
    return modules.map((name) => ({ name, argv: ['python3.11', '-m', 'test', name] }));
  },
};

/** Stressors that need root, hardware, a network or minutes, or that are there to take the machine down. */
const HARMFUL =
  /^(apparmor|bad-altstack|bad-ioctl|binderfs|cpu-online|cyclic|dekker|dev.*|enosys|gpu|idle-page|iomix|io-uring|klog|kvm|l1cache|ldt|mcontend|memhotplug|module|netdev|netlink.*|numa|oom-pipe|opcode|peterson|physpage|ptrace|quota|race-sched|raw.*|rawdev|rdrand|resources|rseq|rtc|sched.*|smi|softlockup|spawn|swap|sysbadaddr|sysfs|sysinval|tsc|tun|uprobe|usersyscall|userfaultfd|vm86|watchdog|x86syscall|yield|zlib|zombie)$/;

const stressNg: Suite = {
  name: 'stress-ng',
  title: "stress-ng's stressors with --verify and a few operations",
  packages: ['stress-ng', 'coreutils', 'bash'],
  patience: 10,
  async cases(native) {
    const names = (await native(['stress-ng', '--stressors'])).trim().split(/\s+/);
    const run = (name: string) => ['stress-ng', '--verify', '--timeout', '60', '--temp-path', '/tmp', `--${name}`, '1'];
    return names
      .filter((name) => !HARMFUL.test(name))
      .map((name) => ({ name, argv: [...run(name), `--${name}-ops`, '4'] }));
  },
};

const shell = (script: string) => ['sh', '-c', script];
const SUM =
  'class Sum { public static void main(String[] a) { long s=0; for (int i=0;i<3000000;i++) s=s*31+i; System.out.println(s); } }';
const java = (option: string) =>
  shell(`cd /tmp && echo '${SUM}' > Sum.java && /usr/lib/jvm/java-17-openjdk-i386/bin/java ${option} Sum.java`);

/** Programs that bring a compiler or a collector of their own: each computes the same, prints it, and ends with 0. */
const RUNTIMES: Readonly<Record<string, readonly string[]>> = {
  lua: ['lua5.4', '-e', 'local t={} for i=1,200000 do t[#t+1]=i*i end print(#t, t[777])'],
  luajit: ['luajit', '-e', 'local s=0 for i=1,3e6 do s=(s*31+i)%65521 end print(s)'],
  ruby: [
    'ruby',
    '-e',
    'puts (1..20000).map { |i| i * i }.select(&:even?).sum; puts "x".encode("UTF-16").bytes.inspect',
  ],
  php: ['php8.2', '-r', '$a=[]; for($i=0;$i<50000;$i++) $a[]=md5((string)$i); echo count(array_unique($a)), "\\n";'],
  tcl: shell('echo "set s 0; for {set i 0} {\\$i<100000} {incr i} {incr s \\$i}; puts \\$s" | tclsh8.6'),
  guile: ['guile', '-c', '(display (let loop ((i 0) (s 0)) (if (= i 300000) s (loop (+ i 1) (+ s i))))) (newline)'],
  clisp: ['clisp', '-q', '-x', '(loop for i below 20000 sum (isqrt i))'],
  sbcl: ['sbcl', '--noinform', '--eval', '(progn (print (loop for i below 1000000 sum (logxor i 5))) (sb-ext:exit))'],
  node: ['node', '-e', 'let s=0; for (let i=0;i<3e6;i++) s=(s*31+i)%65521; console.log(s, process.version)'],
  erlang: [
    '/usr/lib/erlang/bin/erl',
    '-noshell',
    '-eval',
    'io:format("~p~n",[lists:sum(lists:seq(1,100000))]), halt().',
  ],
  ocaml: shell('echo "print_int (List.fold_left (+) 0 (List.init 1000 Fun.id));;" | ocaml'),
  'java, interpreted': java('-Xint'),
  'java, C1': java('-XX:TieredStopAtLevel=1'),
  java: java('-Xshare:auto'),
};

const runtimes: Suite = {
  name: 'runtimes',
  title: 'Interpreters and compilers with collectors of their own, a computation each',
  packages: [
    ...[
      'lua5.4',
      'luajit',
      'ruby',
      'php-cli',
      'tcl',
      'guile-3.0',
      'clisp',
      'sbcl',
      'nodejs',
      'erlang-base',
      'ocaml-nox',
    ],
    'coreutils',
  ],
  patience: 20,
  cases: async () => Object.entries(RUNTIMES).map(([name, argv]) => ({ name, argv })),
};

export const SUITES: readonly Suite[] = [cpython, stressNg, runtimes];
