/** Why the CPU stopped. The numbers below 32 are the vectors of the IA-32 exceptions (SDM Vol. 3A, table 6-1). */
export const Exit = {
  /** #DE divide error. */ divideError: 0,
  /** #DB trap flag, after one instruction, or INT1; detail = DR6's BS bit for the former. */ debug: 1,
  /** #BP int3: EIP is after it. */ breakpoint: 3,
  /** #OF into: EIP is after it. */ overflow: 4,
  /** #BR bound range exceeded. */ bound: 5,
  /** #UD undefined opcode. */ undefinedOpcode: 6,
  /** #NP, #SS, #GP; detail = error code. */ segmentNotPresent: 11,
  stackFault: 12,
  generalProtection: 13,
  /** #PF: `address` and `detail` = error code bits (1 present, 2 write, 4 user, 16 fetch). */ pageFault: 14,
  /** #MF x87 error. */ x87: 16,
  /** #AC alignment check. */ alignment: 17,
  /** #XM SIMD error. */ simd: 19,
  /** The slice's budget is used up: at an instruction boundary. */ budget: 32,
  /** `int 0x80`: EIP is after it. */ syscall: 33,
  /** `int n` with n other than 3, 4, 0x80; detail = n. Linux: SIGSEGV with err = n * 8 + 2. EIP is at it. */ interrupt: 34,
  /** The instruction at EIP must read the time-stamp counter; the kernel writes edx:eax and resumes after it. */ rdtsc: 35,
} as const;
export type ExitReason = (typeof Exit)[keyof typeof Exit];
