/** poll, select and epoll facts (asm-generic/poll.h, linux/eventpoll.h). */
import { i16, i32, struct, u32, u64 } from './struct.ts';

export const pollfdLayout = struct({ fd: i32, events: i16, revents: i16 });

/** struct epoll_event: without padding on i386, as 64-bit values are aligned to 4 bytes there. */
export const epollEventLayout = struct({ events: u32, data: u64 });

export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLL_CTL_MOD = 3;
export const EPOLL_CLOEXEC = 0o2000000;
export const EPOLLEXCLUSIVE = 1 << 28;
export const EPOLLWAKEUP = 1 << 29;
export const EPOLLONESHOT = 1 << 30;
export const EPOLLET = 1 << 31;

export const EFD_SEMAPHORE = 1;
export const TFD_TIMER_ABSTIME = 1;
export const TFD_TIMER_CANCEL_ON_SET = 2;

/** FD_SETSIZE of the C library; the kernel takes any size, rounded up to words. */
export const FD_SETSIZE = 1024;
