/** Layouts of uname, sysinfo. */
import { array, i32, pad, struct, text, u16, u32 } from './struct.ts';

const field = text(65);
export const newUtsnameLayout = struct({
  sysname: field,
  nodename: field,
  release: field,
  version: field,
  machine: field,
  domainname: field,
});
/** struct old_utsname (uname 109) and struct oldold_utsname (59). */
export const oldUtsnameLayout = struct({
  sysname: field,
  nodename: field,
  release: field,
  version: field,
  machine: field,
});
const short = text(9);
export const oldestUtsnameLayout = struct({
  sysname: short,
  nodename: short,
  release: short,
  version: short,
  machine: short,
});

export const sysinfoLayout = struct({
  uptime: i32,
  loads: array(u32, 3),
  totalram: u32,
  freeram: u32,
  sharedram: u32,
  bufferram: u32,
  totalswap: u32,
  freeswap: u32,
  procs: u16,
  pad: u16,
  totalhigh: u32,
  freehigh: u32,
  memUnit: u32,
  rest: pad(8),
});
