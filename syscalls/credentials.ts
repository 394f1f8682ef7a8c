/** User and group ids, in their 16-bit and 32-bit generations, and capabilities (credentials(7), capabilities(7)). */
import { EFAULT, EINVAL, EPERM, ESRCH } from '../src/abi/errno.ts';
import { capDataLayout, capHeaderLayout } from '../src/abi/process.ts';
import { u16, u32 } from '../src/abi/struct.ts';
import type { Task } from '../src/kernel/task.ts';
import {
  type Arg,
  inOutStruct,
  int,
  type Out,
  outStruct,
  pointer,
  readValue,
  syscall,
  uint,
  writeValue,
} from '../src/syscall/index.ts';
import { CAP_SETGID, CAP_SETPCAP, CAP_SETUID, type Credentials, capable } from '../src/vfs/credentials.ts';

const family = { class: 'process' } as const;
const NGROUPS_MAX = 65536;
const OVERFLOW_ID = 65534;
/** -1: leave as it is. */
const KEEP = 0xffffffff;

/** A 16-bit id; 65535 means -1. */
function id16(name: string): Arg<number> {
  return {
    ...uint(name),
    kind: 'uid16_t',
    decode: (_task, words, at) => ((words[at] & 0xffff) === 0xffff ? KEEP : words[at] & 0xffff),
  };
}
const low = (id: number) => (id > 0xffff ? OVERFLOW_ID : id);

type UserKey = 'uid' | 'euid' | 'suid';
type GroupKey = 'gid' | 'egid' | 'sgid';

/** cap_emulate_setxuid(): capabilities follow the user ids. */
function userChanged(task: Task, before: Credentials): void {
  const { credentials } = task;
  const root = (c: Credentials) => c.uid === 0 || c.euid === 0 || c.suid === 0;
  if (root(before) && !root(credentials) && !task.keepCapabilities) {
    credentials.permitted = 0n;
    credentials.effective = 0n;
    credentials.ambient = 0n;
  }
  if (before.euid === 0 && credentials.euid !== 0) credentials.effective = 0n;
  if (before.euid !== 0 && credentials.euid === 0) credentials.effective = credentials.permitted;
  if (before.euid !== credentials.euid || before.egid !== credentials.egid) task.group.dumpable = 0;
}

function change(task: Task, changes: Partial<Credentials>): number {
  const before = task.credentials;
  task.credentials = { ...before, ...changes };
  userChanged(task, before);
  return 0;
}

/** setuid and setgid: with the capability all three ids, else the effective one to the real or saved one. */
function setOne(
  task: Task,
  id: number,
  names: readonly [UserKey, UserKey, UserKey] | readonly [GroupKey, GroupKey, GroupKey],
  fs: 'fsuid' | 'fsgid',
  capability: number,
): number {
  const [real, effective, saved] = names;
  const { credentials } = task;
  if (id === KEEP) return -EINVAL;
  if (capable(credentials, capability)) return change(task, { [real]: id, [effective]: id, [saved]: id, [fs]: id });
  if (id !== credentials[real] && id !== credentials[saved]) return -EPERM;
  return change(task, { [effective]: id, [fs]: id });
}

function setPair(task: Task, realId: number, effectiveId: number, kind: 'u' | 'g', capability: number): number {
  const { credentials } = task;
  const [real, effective, saved, fs] = keys(kind);
  const privileged = capable(credentials, capability);
  const r = realId === KEEP ? credentials[real] : realId;
  const e = effectiveId === KEEP ? credentials[effective] : effectiveId;
  if (!privileged && r !== credentials[real] && r !== credentials[effective]) return -EPERM;
  if (!privileged && ![credentials[real], credentials[effective], credentials[saved]].includes(e)) return -EPERM;
  const follow = realId !== KEEP || (effectiveId !== KEEP && e !== credentials[real]);
  return change(task, { [real]: r, [effective]: e, [saved]: follow ? e : credentials[saved], [fs]: e });
}

function setThree(task: Task, r: number, e: number, s: number, kind: 'u' | 'g', capability: number): number {
  const { credentials } = task;
  const [real, effective, saved, fs] = keys(kind);
  const own = [credentials[real], credentials[effective], credentials[saved]];
  const allowed = capable(credentials, capability) || [r, e, s].every((id) => id === KEEP || own.includes(id));
  if (!allowed) return -EPERM;
  const pick = (id: number, old: number) => (id === KEEP ? old : id);
  const after = pick(e, credentials[effective]);
  return change(task, {
    [real]: pick(r, credentials[real]),
    [effective]: after,
    [saved]: pick(s, credentials[saved]),
    [fs]: after,
  });
}

function keys(kind: 'u' | 'g') {
  return kind === 'u' ? (['uid', 'euid', 'suid', 'fsuid'] as const) : (['gid', 'egid', 'sgid', 'fsgid'] as const);
}

/** setfsuid, setfsgid: answer the old id, whether it changed or not. */
function setFs(task: Task, id: number, kind: 'u' | 'g', capability: number): number {
  const { credentials } = task;
  const [real, effective, saved, fs] = keys(kind);
  const before = credentials[fs];
  const own = [credentials[real], credentials[effective], credentials[saved], before];
  if (id !== KEEP && (own.includes(id) || capable(credentials, capability)))
    task.credentials = { ...credentials, [fs]: id };
  return before;
}

const userIds = ['uid', 'euid', 'suid'] as const;
const groupIds = ['gid', 'egid', 'sgid'] as const;
const setUser = (task: Task, id: number) => setOne(task, id, userIds, 'fsuid', CAP_SETUID);
const setGroup = (task: Task, id: number) => setOne(task, id, groupIds, 'fsgid', CAP_SETGID);

export const getuid = syscall(24, 'getuid', [], (task) => low(task.credentials.uid), family);
export const geteuid = syscall(49, 'geteuid', [], (task) => low(task.credentials.euid), family);
export const getgid = syscall(47, 'getgid', [], (task) => low(task.credentials.gid), family);
export const getegid = syscall(50, 'getegid', [], (task) => low(task.credentials.egid), family);
export const getuid32 = syscall(199, 'getuid32', [], (task) => task.credentials.uid, family);
export const geteuid32 = syscall(201, 'geteuid32', [], (task) => task.credentials.euid, family);
export const getgid32 = syscall(200, 'getgid32', [], (task) => task.credentials.gid, family);
export const getegid32 = syscall(202, 'getegid32', [], (task) => task.credentials.egid, family);

export const setuid = syscall(23, 'setuid', [id16('uid')], setUser, family);
export const setuid32 = syscall(213, 'setuid32', [uint('uid')], setUser, family);
export const setgid = syscall(46, 'setgid', [id16('gid')], setGroup, family);
export const setgid32 = syscall(214, 'setgid32', [uint('gid')], setGroup, family);

const setUsers = (task: Task, r: number, e: number) => setPair(task, r, e, 'u', CAP_SETUID);
const setGroups2 = (task: Task, r: number, e: number) => setPair(task, r, e, 'g', CAP_SETGID);
export const setreuid = syscall(70, 'setreuid', [id16('ruid'), id16('euid')], setUsers, family);
export const setreuid32 = syscall(203, 'setreuid32', [uint('ruid'), uint('euid')], setUsers, family);
export const setregid = syscall(71, 'setregid', [id16('rgid'), id16('egid')], setGroups2, family);
export const setregid32 = syscall(204, 'setregid32', [uint('rgid'), uint('egid')], setGroups2, family);

const setUsers3 = (task: Task, r: number, e: number, s: number) => setThree(task, r, e, s, 'u', CAP_SETUID);
const setGroups3 = (task: Task, r: number, e: number, s: number) => setThree(task, r, e, s, 'g', CAP_SETGID);
export const setresuid = syscall(164, 'setresuid', [id16('ruid'), id16('euid'), id16('suid')], setUsers3, family);
export const setresuid32 = syscall(208, 'setresuid32', [uint('ruid'), uint('euid'), uint('suid')], setUsers3, family);
export const setresgid = syscall(170, 'setresgid', [id16('rgid'), id16('egid'), id16('sgid')], setGroups3, family);
export const setresgid32 = syscall(210, 'setresgid32', [uint('rgid'), uint('egid'), uint('sgid')], setGroups3, family);

const fsUser = (task: Task, id: number) => setFs(task, id, 'u', CAP_SETUID);
const fsGroup = (task: Task, id: number) => setFs(task, id, 'g', CAP_SETGID);
export const setfsuid = syscall(138, 'setfsuid', [id16('fsuid')], fsUser, family);
export const setfsuid32 = syscall(215, 'setfsuid32', [uint('fsuid')], fsUser, family);
export const setfsgid = syscall(139, 'setfsgid', [id16('fsgid')], fsGroup, family);
export const setfsgid32 = syscall(216, 'setfsgid32', [uint('fsgid')], fsGroup, family);

type IdOut = Out<number>;
const users = (task: Task, r: IdOut, e: IdOut, s: IdOut) =>
  r.write(task.credentials.uid) || e.write(task.credentials.euid) || s.write(task.credentials.suid);
const groups = (task: Task, r: IdOut, e: IdOut, s: IdOut) =>
  r.write(task.credentials.gid) || e.write(task.credentials.egid) || s.write(task.credentials.sgid);
const three = (layout: typeof u16, kind: string) =>
  [outStruct('real', kind, layout), outStruct('effective', kind, layout), outStruct('saved', kind, layout)] as const;
export const getresuid = syscall(165, 'getresuid', three(u16, 'uid16_t'), users, family);
export const getresuid32 = syscall(209, 'getresuid32', three(u32, 'uid_t'), users, family);
export const getresgid = syscall(171, 'getresgid', three(u16, 'gid16_t'), groups, family);
export const getresgid32 = syscall(211, 'getresgid32', three(u32, 'gid_t'), groups, family);

function listGroups(layout: typeof u32) {
  return (task: Task, size: number, list: number) => {
    const { groups: ids } = task.credentials;
    if (size < 0 || (size > 0 && size < ids.length)) return -EINVAL;
    if (size === 0) return ids.length;
    for (const [i, id] of ids.entries()) {
      if (writeValue(task.mm, list + i * layout.size, layout, layout.size === 2 ? low(id) : id) < 0) return -EFAULT;
    }
    return ids.length;
  };
}

function setList(layout: typeof u32) {
  return (task: Task, size: number, list: number) => {
    if (!capable(task.credentials, CAP_SETGID)) return -EPERM;
    if (size < 0 || size > NGROUPS_MAX) return -EINVAL;
    const ids: number[] = [];
    for (let i = 0; i < size; i++) {
      const id = readValue(task.mm, list + i * layout.size, layout);
      if (id === undefined) return -EFAULT;
      ids.push(id);
    }
    task.credentials = { ...task.credentials, groups: ids.sort((a, b) => a - b) };
    return 0;
  };
}

const listArgs = [int('size'), pointer('list')] as const;
export const getgroups = syscall(80, 'getgroups', listArgs, listGroups(u16), family);
export const getgroups32 = syscall(205, 'getgroups32', listArgs, listGroups(u32), family);
export const setgroups = syscall(81, 'setgroups', listArgs, setList(u16), family);
export const setgroups32 = syscall(206, 'setgroups32', listArgs, setList(u32), family);

const CAPABILITY_VERSION_1 = 0x19980330;
const CAPABILITY_VERSION_2 = 0x20071026;
const CAPABILITY_VERSION_3 = 0x20080522;
/** How many 32-bit blocks a version has; 0: an unknown version. */
const blocks = (version: number) =>
  version === CAPABILITY_VERSION_1 ? 1 : version === CAPABILITY_VERSION_2 || version === CAPABILITY_VERSION_3 ? 2 : 0;
const header = inOutStruct('hdrp', 'cap_user_header_t', capHeaderLayout);

export const capget = syscall(
  184,
  'capget',
  [header, pointer('datap')],
  (task, { value, out }, data) => {
    const count = blocks(value.version);
    if (count === 0) {
      const failed = out.write({ ...value, version: CAPABILITY_VERSION_3 });
      return failed || (data === 0 ? 0 : -EINVAL);
    }
    const subject = value.pid === 0 ? task : task.kernel.tasks.get(value.pid);
    if (subject === undefined) return -ESRCH;
    const { effective, permitted, inheritable } = subject.credentials;
    for (let i = 0; data !== 0 && i < count; i++) {
      const part = (set: bigint) => Number((set >> BigInt(32 * i)) & 0xffffffffn);
      const shown = { effective: part(effective), permitted: part(permitted), inheritable: part(inheritable) };
      if (writeValue(task.mm, data + i * capDataLayout.size, capDataLayout, shown) < 0) return -EFAULT;
    }
    return 0;
  },
  family,
);

export const capset = syscall(
  185,
  'capset',
  [header, pointer('datap')],
  (task, { value, out }, data) => {
    const count = blocks(value.version);
    if (count === 0) return out.write({ ...value, version: CAPABILITY_VERSION_3 }) || -EINVAL;
    if (value.pid !== 0 && value.pid !== task.tid) return -EPERM;
    const sets = { effective: 0n, permitted: 0n, inheritable: 0n };
    for (let i = 0; i < count; i++) {
      const part = readValue(task.mm, data + i * capDataLayout.size, capDataLayout);
      if (part === undefined) return -EFAULT;
      for (const name of ['effective', 'permitted', 'inheritable'] as const)
        sets[name] |= BigInt(part[name]) << BigInt(32 * i);
    }
    const { permitted, inheritable, bounding } = task.credentials;
    if ((sets.permitted & ~permitted) !== 0n || (sets.effective & ~sets.permitted) !== 0n) return -EPERM;
    const gained = sets.inheritable & ~(inheritable | permitted);
    if (gained !== 0n && !capable(task.credentials, CAP_SETPCAP)) return -EPERM;
    if ((sets.inheritable & ~(inheritable | bounding)) !== 0n) return -EPERM;
    task.credentials = {
      ...task.credentials,
      ...sets,
      ambient: task.credentials.ambient & sets.permitted & sets.inheritable,
    };
    return 0;
  },
  family,
);
