import fcntl
import os
import struct
from probe import events, probe

F_SETPIPE_SZ, F_GETPIPE_SZ, FIONREAD = 1031, 1032, 0x541B

r, w = os.pipe2(os.O_NONBLOCK)
print("size", fcntl.fcntl(w, F_GETPIPE_SZ))
probe("grow", fcntl.fcntl, w, F_SETPIPE_SZ, 5000)
probe("read empty", os.read, r, 1)
probe("fill", os.write, w, b"x" * 100000)
probe("write full", os.write, w, b"x")
events("reader", r)
events("writer", w)
os.read(r, 4095)
events("writer after 4095 bytes", w)
os.read(r, 1)
events("writer after a page", w)
probe("write more", os.write, w, b"y" * 5000)
probe("shrink", fcntl.fcntl, w, F_SETPIPE_SZ, 4096)
print("unread", struct.unpack("i", fcntl.ioctl(r, FIONREAD, b"\0" * 4))[0])
os.close(r)
probe("write without reader", os.write, w, b"x")
events("writer without reader", w)

r, w = os.pipe()
os.write(w, b"abc")
os.close(w)
events("reader without writer", r)
probe("read", os.read, r, 10)
events("empty reader without writer", r)
probe("read at the end", os.read, r, 10)
probe("seek", os.lseek, r, 0, 0)
probe("write to the reader", os.write, r, b"x")
stat = os.fstat(r)
print(oct(stat.st_mode), stat.st_nlink, stat.st_size, stat.st_blksize)

r, w = os.pipe2(os.O_DIRECT | os.O_NONBLOCK)
os.write(w, b"one")
os.write(w, b"two")
probe("packet, cut", os.read, r, 2)
probe("packet", os.read, r, 20)

os.mkfifo("fifo")
probe("open for writing alone", os.open, "fifo", os.O_WRONLY | os.O_NONBLOCK)
reader = os.open("fifo", os.O_RDONLY | os.O_NONBLOCK)
events("fifo before a writer", reader)
probe("read without writer", os.read, reader, 1)
writer = os.open("fifo", os.O_WRONLY)
os.write(writer, b"z")
os.close(writer)
events("fifo after a writer", reader)
os.read(reader, 5)
events("empty fifo after a writer", reader)
both = os.open("fifo", os.O_RDWR)
events("fifo opened for both", both)
os.write(both, b"q")
events("fifo opened for both, full", both)
probe("splice", os.splice, reader, w, 10) if hasattr(os, "splice") else None
again = os.open("/proc/self/fd/%d" % r, os.O_RDONLY | os.O_NONBLOCK) if os.path.exists("/proc/self") else r
os.write(w, b"through /proc")
probe("read", os.read, again, 100)
os.unlink("fifo")
