/** Puts /proc together. */
import { EINVAL } from '../abi/errno.ts';
import type { Sleeper } from '../wait/wait.ts';
import { callerOf } from './caller.ts';
import { type Content, type Maker, ProcDirectory, ProcFs, ProcLink, ProcText } from './proc.ts';
import {
  cpuinfoText,
  DEVICES,
  FILESYSTEMS,
  loadavgText,
  machineStatText,
  meminfoText,
  uptimeText,
  versionText,
  vmstatText,
} from './proc-machine.ts';
import { ProcRoot } from './proc-pid.ts';
import type { MachineFacts, ProcSource } from './proc-source.ts';
import { makeSys } from './proc-sys.ts';

const file =
  (read: (source: ProcSource, s: Sleeper) => Content): Maker =>
  (fs) =>
    new ProcText(fs, 0o444, (s) => read(fs.source, s));
const facts = (show: (facts: MachineFacts) => string): Maker => file((source) => show(source.machine()));
const link =
  (target: string | ((s: Sleeper) => string)): Maker =>
  (fs) =>
    new ProcLink(fs, typeof target === 'string' ? () => target : target);

/** `echo save > /proc/tallship/checkpoint`: the write ends when the image is there, in every machine that has it behind it. */
const checkpoint: Maker = (fs) => {
  const { saves } = fs.source;
  const store = (s: Sleeper, text: string) => {
    const word = text.trim();
    if (word !== 'save' && word !== 'save-exit') return -EINVAL;
    return saves.request(s, word === 'save-exit');
  };
  return new ProcText(fs, 0o666, () => `${saves.save === null ? 'off' : 'on'}\n`, store);
};

const FIXED: Record<string, Maker> = {
  buddyinfo: file(() => ''),
  cgroups: file(() => '#subsys_name\thierarchy\tnum_cgroups\tenabled\n'),
  cmdline: file(() => 'tallship\n'),
  cpuinfo: facts(cpuinfoText),
  devices: file(() => DEVICES),
  diskstats: file(() => ''),
  filesystems: file(() => FILESYSTEMS),
  interrupts: file(() => '           CPU0       \n'),
  loadavg: facts(loadavgText),
  locks: file(() => ''),
  meminfo: facts(meminfoText),
  misc: file(() => ''),
  modules: file(() => ''),
  mounts: link('self/mounts'),
  net: link('self/net'),
  partitions: file(() => 'major minor  #blocks  name\n\n'),
  self: link((s) => String(callerOf(s).group.id)),
  stat: facts(machineStatText),
  swaps: file(() => 'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n'),
  sys: (fs) => makeSys(fs),
  sysvipc: (fs) => new ProcDirectory(fs, SYSVIPC),
  tallship: (fs) => new ProcDirectory(fs, { checkpoint }),
  'thread-self': link((s) => `${callerOf(s).group.id}/task/${callerOf(s).tid}`),
  uptime: facts(uptimeText),
  version: file(versionText),
  vmstat: facts(vmstatText),
};

const SYSVIPC: Record<string, Maker> = {
  msg: file(
    () =>
      '       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime      ctime\n',
  ),
  sem: file(() => '       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n'),
  shm: file(
    () =>
      '       key      shmid perms       size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime        rss       swap\n',
  ),
};

export function makeProc(device: number, source: ProcSource, now: bigint): ProcFs {
  return new ProcFs('proc', device, source, now, (fs) => new ProcRoot(fs, FIXED));
}
