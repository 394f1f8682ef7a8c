/** The files of /proc that tell of the whole machine. */
import type { MachineFacts, ProcSource } from './proc-source.ts';

const TICK = 10_000_000;
const ticks = (nanoseconds: number) => Math.floor(nanoseconds / TICK);
const seconds = (nanoseconds: number) => (Math.floor(nanoseconds / TICK) / 100).toFixed(2);

/** i386's layout of /proc/cpuinfo, for the one processor there is (arch/x86/kernel/cpu/proc.c). */
export function cpuinfoText({ cpu }: MachineFacts): string {
  const fpu = cpu.flags.includes('fpu') ? 'yes' : 'no';
  return (
    `processor\t: 0\nvendor_id\t: ${cpu.vendor}\ncpu family\t: ${cpu.family}\nmodel\t\t: ${cpu.model}\n` +
    `model name\t: ${cpu.name}\nstepping\t: ${cpu.stepping}\ncpu MHz\t\t: 1000.000\ncache size\t: 256 KB\n` +
    'physical id\t: 0\nsiblings\t: 1\ncore id\t\t: 0\ncpu cores\t: 1\napicid\t\t: 0\ninitial apicid\t: 0\n' +
    `fdiv_bug\t: no\nf00f_bug\t: no\ncoma_bug\t: no\nfpu\t\t: ${fpu}\nfpu_exception\t: ${fpu}\n` +
    `cpuid level\t: 1\nwp\t\t: yes\nflags\t\t: ${cpu.flags.join(' ')}\nbugs\t\t:\nbogomips\t: 2000.00\n` +
    'clflush size\t: 64\ncache_alignment\t: 64\naddress sizes\t: 32 bits physical, 32 bits virtual\n' +
    'power management:\n\n'
  );
}

/** What is not counted is nothing: there are no caches, no swap and no devices below this machine. */
const MEMINFO = (
  'MemTotal MemFree MemAvailable Buffers Cached SwapCached Active Inactive Active(anon) Inactive(anon) Active(file) ' +
  'Inactive(file) Unevictable Mlocked HighTotal HighFree LowTotal LowFree SwapTotal SwapFree Dirty Writeback AnonPages ' +
  'Mapped Shmem KReclaimable Slab SReclaimable SUnreclaim KernelStack PageTables NFS_Unstable Bounce WritebackTmp ' +
  'CommitLimit Committed_AS VmallocTotal VmallocUsed VmallocChunk Percpu'
).split(' ');

export function meminfoText({ memory, memoryFree }: MachineFacts): string {
  const used = memory - memoryFree;
  const bytes: Record<string, number> = {
    MemTotal: memory,
    MemFree: memoryFree,
    MemAvailable: memoryFree,
    Active: used,
    'Active(anon)': used,
    LowTotal: memory,
    LowFree: memoryFree,
    AnonPages: used,
    CommitLimit: memory,
    Committed_AS: used,
    VmallocTotal: 122880 * 1024,
  };
  const kib = (name: string) => String(Math.floor((bytes[name] ?? 0) / 1024));
  return MEMINFO.map((name) => `${`${name}:`.padEnd(16)}${kib(name).padStart(8)} kB\n`).join('');
}

export function machineStatText(facts: MachineFacts): string {
  const times = [facts.user, 0, facts.system, facts.idle, 0, 0, 0, 0, 0, 0].map(ticks).join(' ');
  return (
    `cpu  ${times}\ncpu0 ${times}\nintr 0\nctxt ${facts.contextSwitches}\nbtime ${facts.bootTime}\n` +
    `processes ${facts.forks}\nprocs_running ${Math.max(1, facts.running)}\nprocs_blocked 0\n` +
    'softirq 0 0 0 0 0 0 0 0 0 0 0\n'
  );
}

/** What vmstat(8) looks for. */
export function vmstatText({ memoryFree, pageFaults }: MachineFacts): string {
  return (
    `nr_free_pages ${Math.floor(memoryFree / 4096)}\npgpgin 0\npgpgout 0\npswpin 0\npswpout 0\n` +
    `pgfault ${pageFaults}\npgmajfault 0\n`
  );
}

export const uptimeText = ({ uptime, idle }: MachineFacts) => `${seconds(uptime)} ${seconds(idle)}\n`;

/** No averages are kept: what runs now stands for them. */
export function loadavgText({ running, tasks, lastPid }: MachineFacts): string {
  const load = Math.max(0, running - 1).toFixed(2);
  return `${load} ${load} ${load} ${Math.max(1, running)}/${tasks} ${lastPid}\n`;
}

export function versionText({ uts }: ProcSource): string {
  return `${uts.sysname} version ${uts.release} (tallship) ${uts.version}\n`;
}

export const FILESYSTEMS = ['proc', 'tmpfs', 'devtmpfs', 'devpts', 'sysfs', 'sockfs', 'pipefs', 'overlay']
  .map((name) => `nodev\t${name}\n`)
  .join('');

export const DEVICES =
  'Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n128 ptm\n136 pts\n\nBlock devices:\n';
