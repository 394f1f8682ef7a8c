/** /proc/sys: sysctls as files. */
import { EINVAL, EPERM } from '../abi/errno.ts';
import { CAP_SYS_ADMIN, capable } from '../vfs/credentials.ts';
import type { Sleeper } from '../wait/wait.ts';
import { callerOf, type RandomSource } from './caller.ts';
import { PIPE_MAX_SIZE } from './pipe.ts';
import { type Maker, ProcDirectory, type ProcFs, ProcText } from './proc.ts';
import type { ProcSource } from './proc-source.ts';

const constant =
  (value: string | number): Maker =>
  (fs) =>
    new ProcText(fs, 0o444, () => `${value}\n`);

const text =
  (show: (source: ProcSource) => string): Maker =>
  (fs) =>
    new ProcText(fs, 0o444, () => `${show(fs.source)}\n`);

/** hostname and domainname: what sethostname(2) sets. */
const name =
  (field: 'nodename' | 'domainname'): Maker =>
  (fs) => {
    const store = (s: Sleeper, given: string) => {
      if (!capable(callerOf(s).credentials, CAP_SYS_ADMIN)) return -EPERM;
      const value = given.replace(/\n.*$/s, '');
      if (value.length > 64) return -EINVAL;
      fs.source.uts[field] = value;
      return 0;
    };
    return new ProcText(fs, 0o644, () => `${fs.source.uts[field]}\n`, store);
  };

const directory =
  (table: Record<string, Maker>): Maker =>
  (fs) =>
    new ProcDirectory(fs, table);

/** A random UUID of version 4. */
export function randomUuid(random: RandomSource): string {
  const bytes = new Uint8Array(16);
  random.fill(bytes);
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

export function makeSys(fs: ProcFs): ProcDirectory {
  const bootId = randomUuid(fs.source.random);
  return new ProcDirectory(fs, {
    fs: directory({
      'file-max': constant(1048576),
      'file-nr': constant('0\t0\t1048576'),
      'lease-break-time': constant(45),
      mqueue: directory({ msg_max: constant(10), msgsize_max: constant(8192), queues_max: constant(256) }),
      nr_open: constant(1048576),
      overflowgid: constant(65534),
      overflowuid: constant(65534),
      'pipe-max-size': constant(PIPE_MAX_SIZE),
      protected_fifos: constant(0),
      protected_hardlinks: constant(0),
      protected_regular: constant(0),
      protected_symlinks: constant(0),
      suid_dumpable: constant(0),
      inotify: directory({
        max_queued_events: constant(16384),
        max_user_instances: constant(128),
        max_user_watches: constant(65536),
      }),
      epoll: directory({ max_user_watches: constant(65536) }),
    }),
    kernel: directory({
      cap_last_cap: constant(40),
      core_pattern: constant('core'),
      core_uses_pid: constant(0),
      domainname: name('domainname'),
      hostname: name('nodename'),
      msgmax: constant(8192),
      msgmnb: constant(16384),
      msgmni: constant(32000),
      ngroups_max: constant(65536),
      osrelease: text(({ uts }) => uts.release),
      ostype: text(({ uts }) => uts.sysname),
      overflowgid: constant(65534),
      overflowuid: constant(65534),
      pid_max: constant(4194304),
      pty: directory({ max: constant(4096), nr: constant(0), reserve: constant(1024) }),
      random: directory({
        boot_id: constant(bootId),
        entropy_avail: constant(256),
        poolsize: constant(256),
        uuid: (fs) => new ProcText(fs, 0o444, () => `${randomUuid(fs.source.random)}\n`),
      }),
      randomize_va_space: constant(2),
      sem: constant('32000\t1024000000\t500\t32000'),
      shmall: constant(2097152),
      shmmax: constant(4294967295),
      shmmni: constant(4096),
      sched_rt_period_us: constant(1000000),
      'threads-max': constant(63355),
      version: text(({ uts }) => uts.version),
      yama: directory({ ptrace_scope: constant(0) }),
    }),
    net: directory({
      core: directory({
        rmem_default: constant(212992),
        rmem_max: constant(212992),
        somaxconn: constant(4096),
        wmem_default: constant(212992),
        wmem_max: constant(212992),
      }),
      ipv4: directory({
        ip_local_port_range: constant('32768\t60999'),
        ip_unprivileged_port_start: constant(1024),
        tcp_fin_timeout: constant(60),
      }),
      unix: directory({ max_dgram_qlen: constant(512) }),
    }),
    vm: directory({
      max_map_count: constant(65530),
      mmap_min_addr: constant(65536),
      overcommit_memory: constant(0),
      overcommit_ratio: constant(50),
      swappiness: constant(60),
    }),
  });
}
