/** Resource limits that the address space obeys, in bytes (RLIMIT_AS, DATA, STACK, MEMLOCK). The kernel owns them. */
export interface MemoryLimits {
  readonly as: number;
  readonly data: number;
  readonly stack: number;
  readonly memlock: number;
}

export const DEFAULT_LIMITS: MemoryLimits = {
  as: Number.POSITIVE_INFINITY,
  data: Number.POSITIVE_INFINITY,
  stack: 8 << 20,
  memlock: 8 << 20,
};

/** The host cannot give what a virtual machine needs. `message` is for the user; the command line exits with 125. */
export class HostLimitError extends Error {
  override name = 'HostLimitError';
}
