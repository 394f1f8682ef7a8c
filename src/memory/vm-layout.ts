/**
 * Where the VM's own data lies, in bytes from the start of the area that CpuMemory.vm shows. The memory reserves VM_SIZE
 * bytes (lazily) and keeps the permission table; everything after the table belongs to the CPU (cpu/layout.ts).
 */

/** One byte per guest page (2^20 of them): bit 0 read, bit 1 write, bit 2 execute. */
export const VM_PERMISSIONS = 0;
export const VM_PERMISSIONS_SIZE = 0x10_0000;
export const PERMISSION_READ = 1;
export const PERMISSION_WRITE = 2;
export const PERMISSION_EXECUTE = 4;

/** First byte after the memory's own tables. */
export const VM_CPU = VM_PERMISSIONS + VM_PERMISSIONS_SIZE;
/** Under 64 MB: V8 collects garbage as soon as buffers of that size come from outside, and this is one. */
export const VM_SIZE = 0x300_0000;

/**
 * Where the area lies in the wasm index space, as a constant index and a static offset (DESIGN section 2). The offset fits
 * into an x86 displacement: a larger one costs two more instructions at each access. Hardware: 64 KiB
 * beyond 4 GiB, so that an access which straddles the end faults and never reaches it. Software: above the guest's 3 GiB.
 */
export const HARDWARE_PLACE = { vmIndex: 0xf000_0000, vmOffset: 0x1001_0000 } as const;
export const SOFTWARE_PLACE = { vmIndex: 0xc000_0000, vmOffset: 0x1000_0000 } as const;
