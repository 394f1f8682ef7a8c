import fcntl
import mmap
import os
from probe import probe

ADD, GET = 1033, 1034
SEAL, SHRINK, GROW, WRITE = 1, 2, 4, 8

fd = os.memfd_create("hello", os.MFD_ALLOW_SEALING)
probe("write", os.write, fd, b"abcdef")
stat = os.fstat(fd)
print(oct(stat.st_mode), stat.st_nlink, stat.st_size)
m = mmap.mmap(fd, 6)
m[0:1] = b"X"
print(os.pread(fd, 6, 0))
os.pwrite(fd, b"Y", 1)
print(m[:])
probe("seal while mapped", fcntl.fcntl, fd, ADD, WRITE)
m.close()
probe("seals", fcntl.fcntl, fd, GET)
probe("seal growing", fcntl.fcntl, fd, ADD, GROW)
probe("write over the end", os.pwrite, fd, b"zz", 5)
probe("write", os.pwrite, fd, b"z", 5)
probe("grow", os.ftruncate, fd, 10)
probe("shrink", os.ftruncate, fd, 3)
probe("seal shrinking", fcntl.fcntl, fd, ADD, SHRINK)
probe("shrink", os.ftruncate, fd, 1)
probe("seal writing", fcntl.fcntl, fd, ADD, WRITE)
probe("write", os.pwrite, fd, b"q", 0)
probe("map for writing", mmap.mmap, fd, 3)
probe("map for reading", lambda: mmap.mmap(fd, 3, prot=mmap.PROT_READ)[:])
probe("seal sealing", fcntl.fcntl, fd, ADD, SEAL)
probe("seal more", fcntl.fcntl, fd, ADD, SHRINK)
probe("seals", fcntl.fcntl, fd, GET)
probe("never sealable", fcntl.fcntl, os.memfd_create("x", os.MFD_CLOEXEC), ADD, SHRINK)
probe("a usual file", fcntl.fcntl, os.open("/etc/passwd", os.O_RDONLY), GET)
probe("bad flag", os.memfd_create, "x", 64)
probe("long name", os.memfd_create, "x" * 250)
