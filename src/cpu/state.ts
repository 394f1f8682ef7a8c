/**
 * The register file: where each register of one task lies, in bytes from its start.
 *
 * While a task runs, its register file is in the VM's own data beside the guest's memory, and the interpreter works on
 * it there; while it sleeps, the same bytes are plain data that a checkpoint can save. All little-endian.
 */
export const STATE = {
  /** eax ecx edx ebx esp ebp esi edi: 8 x u32, in the order of ModRM.reg. */
  gpr: 0,
  /** Address of the next instruction to execute (of the faulting one after a fault). */
  eip: 32,
  /** Lazy flags (see emit/flags.ts): the last result, sign-extended to 32 bits, and the carries it came with. */
  flagResult: 36,
  flagAux: 40,
  /** EFLAGS bits that are neither arithmetic nor DF: TF 0x100, IF 0x200, NT, AC, ID. */
  flagSystem: 44,
  /** String direction: +1 (DF clear) or -1 (DF set), as i32. */
  direction: 48,
  /** Selectors es cs ss ds fs gs: 6 x u32 (ModRM.reg order of Sreg); their base addresses, which Cpu.run derives. */
  selector: 52,
  segmentBase: 76,
  /** A word that always holds 0: stands in for an absent base, index or segment. */
  zero: 100,
  /** x87: control word, status word without TOP, TOP (0..7), tag word with one byte per physical register (1 = empty). */
  fpuControl: 104,
  fpuStatus: 108,
  fpuTop: 112,
  fpuEmpty: 116, // 8 bytes
  fpuOpcode: 124,
  fpuIp: 128,
  fpuDataPointer: 132,
  mxcsr: 136,
  /** Set by `int n`, faults: see exit.ts. */
  exitReason: 140,
  exitDetail: 144,
  /** Linear address of the last guest access that was begun: the address of a #PF. */
  lastAccess: 148,
  /** Guest instructions left in this slice. */
  budget: 152,
  /** Pointer to the decoded record that is executing. */
  record: 156,
  /** Instructions retired since the task began: u64. */
  retired: 160,
  /** A linear address that one decoded record computes for the next. */
  address: 184,
  /** Which processor this is and what it does without (isa/cpuid.ts): set by Cpu.run. */
  processor: 188,
  /** Physical x87 registers 0..7, 16 bytes each: u64 significand, u16 sign and exponent (in a u32). MMn is the significand of n. */
  fpr: 192,
  /** xmm0..xmm7, 16 bytes each. */
  xmm: 320,
  /** Scratch for bodies that need memory of their own. */
  scratch: 448, // 60 bytes
  /** Times that a repeated string instruction left for its next part, in this entry: it counts once, at its end. */
  restarts: 508,
  /** GDT entries 12, 13 and 14: the descriptors of the task's TLS segments, 8 bytes each. Filled by the kernel. */
  tls: 512,
} as const;

/** Bytes in one register file. */
export const STATE_SIZE = 536;

export const EAX = 0,
  ECX = 1,
  EDX = 2,
  EBX = 3,
  ESP = 4,
  EBP = 5,
  ESI = 6,
  EDI = 7;
export const ES = 0,
  CS = 1,
  SS = 2,
  DS = 3,
  FS = 4,
  GS = 5;
