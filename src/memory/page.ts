/** Pages and the limits of the guest's address space (i386: 4 KiB pages, 3 GiB of user space). */

export const PAGE_SHIFT = 12;
export const PAGE_SIZE = 4096;
export const TASK_SIZE = 0xc0000000;
/** The lowest address that may be mapped (vm.mmap_min_addr). */
export const MMAP_MIN = 0x10000;
/** Nothing is placed by choice within 1 MiB below a growing stack (stack_guard_gap, 256 pages). */
export const STACK_GUARD_GAP = 256 * PAGE_SIZE;

export const PROT_READ = 1;
export const PROT_WRITE = 2;
export const PROT_EXEC = 4;

/** Bits of a page's permission byte. The first three are what the page allows now: 0 while its content is not in place. */
export const R = 1;
export const W = 2;
export const X = 4;
/** The content is in place: of a file page that is filled lazily, only after its first use. */
export const PRESENT = 8;

export const pageDown = (address: number): number => Math.floor(address / PAGE_SIZE) * PAGE_SIZE;
export const pageUp = (address: number): number => Math.ceil(address / PAGE_SIZE) * PAGE_SIZE;

/** What a page with this protection allows on i386, where write and execute imply read. */
export const allowed = (prot: number): number => (prot & 7 ? R | (prot & (W | X)) : 0);
