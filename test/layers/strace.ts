/** Traces of two runs of a program, made comparable: what differs from run to run is named alike, processes are paired. */

/** A process's calls and signals, in its order. */
export type Calls = readonly string[];

/** By process: the first, its first child, ... in the order in which each was made by its parent. */
export function parseTrace(text: string, program: string): Calls[] {
  const byPid = new Map<string, string[]>();
  const open = new Map<string, string>();
  let first: string | undefined;
  for (const line of text.split('\n')) {
    const match = /^(\d+) +(.*)$/.exec(line);
    if (match === null) continue; // strace's remarks
    let [, pid, call] = match;
    // The real strace starts chroot and env first.
    if (call.startsWith(`execve("${program}"`) && /= 0$/.test(call)) first ??= pid;
    if (first === undefined) continue;
    if (call.endsWith(' <unfinished ...>')) {
      open.set(pid, call.slice(0, -' <unfinished ...>'.length));
      continue;
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(call);
    if (resumed !== null) call = `${open.get(pid) ?? ''}${resumed[1]}`;
    const calls = byPid.get(pid);
    if (calls === undefined) byPid.set(pid, [call]);
    else calls.push(call);
  }
  return paired(byPid, first ?? '');
}

function paired(byPid: Map<string, string[]>, first: string): Calls[] {
  const order = [first];
  for (const pid of order) {
    for (const call of byPid.get(pid) ?? []) {
      const child = /^(?:clone3?|v?fork)\(.* = (\d+)$/.exec(call)?.[1];
      if (child !== undefined && byPid.has(child)) order.push(child);
    }
  }
  return order.map((pid) =>
    (byPid.get(pid) ?? []).filter((call) => !CLOCKS.test(call)).map((call) => alike(call, order)),
  );
}

/** The vDSO answers these without a call on a real machine. */
const CLOCKS = /^(clock_gettime(64)?|gettimeofday|time)\(/;
/** Calls that take or give process ids, outside of quotes. */
const WITH_PIDS =
  /^(--- SIG|(clone3?|v?fork|wait4|waitpid|waitid|t?g?kill|get(p?p|t|pg|s)id|getpgrp|setpgid|set_tid_address|prlimit64)\()/;

/** What no two runs have in common, under one name. */
function alike(call: string, pids: readonly string[]): string {
  let text = call
    .replace(/0x[0-9a-f]{5,8}\b/g, 'ADDRESS')
    .replace(/\) += /g, ') = ')
    .replace(/, {2,}\)/, ', )')
    .replace(/\b(tv_n?u?sec|si_[us]time|st_ino|tms_c?[us]time)=\d+/g, '$1=N')
    .replace(/\/\* \d+ vars \*\//, '/* N vars */')
    .replace(/htons\(\d+\)/g, 'htons(N)')
    .replace(/^(times\(.*\)|sigreturn\(.*\)|getppid\(\)|getpgrp\(\)|futex\(.*\)) = \d+$/, '$1 = N')
    .replace(/^sysinfo\(\{.*\}\)/, 'sysinfo({})')
    .replace(/^sched_getaffinity\((.*)\[[\d ]*\]\) = \d+/, 'sched_getaffinity($1[])')
    .replace(/^getrandom\("[^"]*"/, 'getrandom("R"');
  // File systems and machines differ.
  text = text
    .replace(/^read\(\d+, "nodev.*/, 'read(/proc/filesystems)')
    .replace(/\bnodename="[^"]*"/, 'nodename="N"')
    .replace(/\{f_type=.*f_flags=[^}]*\}/, '{}')
    .replace(/stx_mask=[^,]*, stx_attributes=[^,]*/, 'stx_mask=M, stx_attributes=A')
    .replace(/(stx_mode=S_IFDIR.*stx_size)=\d+/, '$1=N');
  // A 64-bit process has opened what these are asked about.
  if (text.startsWith('fcntl64('))
    text = text
      .replace(/\|?O_LARGEFILE/, '')
      .replace(/0x8([0-9a-f]{3}) /, '0x$1 ')
      .replace(/0x0+(?=[0-9a-f])/, '0x');
  if (!WITH_PIDS.test(text)) return text;
  return text.replace(/"(?:[^"\\]|\\.)*"|(?<=[(= [])\d+\b(?!\|)/g, (word, at: number) => {
    const status = /(si_status|WEXITSTATUS\(s\) =)=? ?$/.test(text.slice(0, at));
    return pids.includes(word) && !status ? `P${pids.indexOf(word)}` : word;
  });
}

/** Calls of both with the same name and outcome, in the same order: what both could show alike. */
export function common(a: Calls, b: Calls): [string, string][] {
  const [x, y] = [a.map(outcome), b.map(outcome)];
  const length = Array.from({ length: x.length + 1 }, () => new Uint16Array(y.length + 1));
  for (let i = x.length - 1; i >= 0; i--) {
    for (let j = y.length - 1; j >= 0; j--) {
      length[i][j] = x[i] === y[j] ? length[i + 1][j + 1] + 1 : Math.max(length[i + 1][j], length[i][j + 1]);
    }
  }
  const pairs: [string, string][] = [];
  for (let i = 0, j = 0; i < x.length && j < y.length; ) {
    if (x[i] === y[j]) pairs.push([a[i++], b[j++]]);
    else if (length[i + 1][j] >= length[i][j + 1]) i++;
    else j++;
  }
  return pairs;
}

/** Name, first argument (of some the second too), and whether it succeeded. */
function outcome(call: string): string {
  const match = /^((?:openat\(\w+, |futex\(\w+, |\w+\()(?:"[^"]*"|[^,)]*)).* = (\?|-1 \w+)?/.exec(call);
  return match === null ? call : `${match[1]} ${match[2]}`;
}
