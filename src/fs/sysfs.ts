/** /sys: the one processor, the loopback, and the places that programs look for before they do without. */
import { type Maker, ProcDirectory, ProcFs, ProcText } from './proc.ts';
import type { ProcSource } from './proc-source.ts';

const value =
  (text: string | number): Maker =>
  (fs) =>
    new ProcText(fs, 0o444, () => `${text}\n`);
const directory =
  (table: Record<string, Maker>): Maker =>
  (fs) =>
    new ProcDirectory(fs, table);

const topology = directory({
  core_cpus: value(1),
  core_cpus_list: value(0),
  core_id: value(0),
  physical_package_id: value(0),
  thread_siblings: value(1),
  thread_siblings_list: value(0),
});

const loopback = directory({
  address: value('00:00:00:00:00:00'),
  addr_len: value(6),
  flags: value('0x9'),
  ifindex: value(1),
  mtu: value(65536),
  operstate: value('unknown'),
  type: value(772),
});

const ROOT: Record<string, Maker> = {
  block: directory({}),
  bus: directory({}),
  class: directory({ block: directory({}), net: directory({ lo: loopback }), tty: directory({}) }),
  dev: directory({ block: directory({}), char: directory({}) }),
  devices: directory({
    system: directory({
      cpu: directory({
        cpu0: directory({ topology }),
        kernel_max: value(0),
        online: value(0),
        possible: value(0),
        present: value(0),
      }),
      node: directory({ online: value(0), possible: value(0) }),
    }),
  }),
  fs: directory({ cgroup: directory({}) }),
  kernel: directory({
    mm: directory({ transparent_hugepage: directory({ enabled: value('always madvise [never]') }) }),
  }),
  module: directory({}),
};

export function makeSysfs(device: number, source: ProcSource, now: bigint): ProcFs {
  return new ProcFs('sysfs', device, source, now, (fs) => new ProcDirectory(fs, ROOT));
}
