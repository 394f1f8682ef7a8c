/** One function of the vDSO: machine code, and how to unwind from within it. */
export interface VdsoFunction {
  readonly name: string;
  readonly version: 'LINUX_2.5' | 'LINUX_2.6';
  readonly code: readonly number[];
  /** DWARF call frame instructions after the CIE's; null: no unwind entry (signal frames are known by their code). */
  readonly frame: readonly number[] | null;
}

const u32 = (value: number) => [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, value >>> 24];
const INT80 = [0xcd, 0x80];
const MOV_EAX = 0xb8;
const POP_EAX = 0x58;
const RET = 0xc3;

/** push %ebx: one byte on, the CFA is 8 above ESP and EBX is 8 below it; until pop %ebx. */
const frameOfEbx = (length: number) => [0x41, 0x0e, 8, 0x83, 2, 0x40 + (length - 2), 0x0e, 4, 0xc3];

/** A C function of one or two arguments that is one system call. */
function call(name: string, number: number, args: 1 | 2): VdsoFunction {
  const code = [
    0x53, // push %ebx
    ...[0x8b, 0x5c, 0x24, 8], // mov 8(%esp), %ebx
    ...(args === 2 ? [0x8b, 0x4c, 0x24, 12] : []), // mov 12(%esp), %ecx
    MOV_EAX,
    ...u32(number),
    ...INT80,
    0x5b, // pop %ebx
    RET,
  ];
  return { name, version: 'LINUX_2.6', code, frame: frameOfEbx(code.length) };
}

/**
 * Time is asked of the kernel: no data page behind its back. The two trampolines must be exactly the bytes by which
 * unwinders and debuggers know signal frames.
 */
export const FUNCTIONS: readonly VdsoFunction[] = [
  { name: '__kernel_vsyscall', version: 'LINUX_2.5', code: [...INT80, RET], frame: [] },
  { name: '__kernel_sigreturn', version: 'LINUX_2.5', code: [POP_EAX, MOV_EAX, ...u32(119), ...INT80], frame: null },
  { name: '__kernel_rt_sigreturn', version: 'LINUX_2.5', code: [MOV_EAX, ...u32(173), ...INT80], frame: null },
  call('__vdso_clock_gettime', 265, 2),
  call('__vdso_gettimeofday', 78, 2),
  call('__vdso_time', 13, 1),
  call('__vdso_clock_gettime64', 403, 2),
  call('__vdso_clock_getres', 266, 2),
];
