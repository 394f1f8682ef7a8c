/** Who a task is (credentials(7)): plain data, copied by fork, part of an image. */
export interface Credentials {
  uid: number;
  euid: number;
  suid: number;
  fsuid: number;
  gid: number;
  egid: number;
  sgid: number;
  fsgid: number;
  groups: number[];
  /** Bit n: capability n (CAP_*). */
  effective: bigint;
  permitted: bigint;
  inheritable: bigint;
  bounding: bigint;
  ambient: bigint;
  securebits: number;
}

export const CAP_CHOWN = 0;
export const CAP_DAC_OVERRIDE = 1;
export const CAP_DAC_READ_SEARCH = 2;
export const CAP_FOWNER = 3;
export const CAP_FSETID = 4;
export const CAP_KILL = 5;
export const CAP_SETGID = 6;
export const CAP_SETUID = 7;
export const CAP_SETPCAP = 8;
export const CAP_LINUX_IMMUTABLE = 9;
export const CAP_NET_BIND_SERVICE = 10;
export const CAP_NET_ADMIN = 12;
export const CAP_NET_RAW = 13;
export const CAP_IPC_LOCK = 14;
export const CAP_IPC_OWNER = 15;
export const CAP_SYS_CHROOT = 18;
export const CAP_SYS_PTRACE = 19;
export const CAP_SYS_ADMIN = 21;
export const CAP_SYS_NICE = 23;
export const CAP_SYS_RESOURCE = 24;
export const CAP_SYS_TIME = 25;
export const CAP_MKNOD = 27;
export const CAP_LEASE = 28;
export const CAP_SETFCAP = 31;
export const CAP_WAKE_ALARM = 35;
export const CAP_LAST_CAP = 40;
export const ALL_CAPABILITIES = (1n << BigInt(CAP_LAST_CAP + 1)) - 1n;

/** Credentials of a process started by this user: root has every capability, others none. */
export function makeCredentials(uid: number, gid: number, groups: readonly number[] = []): Credentials {
  const owned = uid === 0 ? ALL_CAPABILITIES : 0n;
  return {
    uid,
    euid: uid,
    suid: uid,
    fsuid: uid,
    gid,
    egid: gid,
    sgid: gid,
    fsgid: gid,
    groups: [...groups],
    effective: owned,
    permitted: owned,
    inheritable: 0n,
    bounding: ALL_CAPABILITIES,
    ambient: 0n,
    securebits: 0,
  };
}

export function cloneCredentials(credentials: Credentials): Credentials {
  return { ...credentials, groups: [...credentials.groups] };
}

export function capable(credentials: Credentials, capability: number): boolean {
  return credentials.effective !== 0n && ((credentials.effective >> BigInt(capability)) & 1n) === 1n;
}

/**
 * ptrace_may_access: the same user in all of its guises, or the capability. `uid`: files of /proc ask for the file system
 * uid (PTRACE_MODE_FSCREDS), system calls for the real one (PTRACE_MODE_REALCREDS).
 */
export function mayInspect(who: Credentials, whose: Credentials, uid = who.uid): boolean {
  return [whose.uid, whose.euid, whose.suid].every((id) => id === uid) || capable(who, CAP_SYS_PTRACE);
}

/** Whether the group is the file system gid or one of the supplementary ones. */
export function inGroup(credentials: Credentials, gid: number): boolean {
  return credentials.fsgid === gid || credentials.groups.includes(gid);
}
