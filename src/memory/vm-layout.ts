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
export const VM_SIZE = 0x400_0000;
