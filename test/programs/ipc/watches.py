import ctypes
import os
import struct

libc = ctypes.CDLL(None)
ALL = 0xFFF


def show(label):
    found = []
    try:
        data = os.read(fd, 65536)
    except BlockingIOError:
        data = b""
    while data:
        wd, mask, cookie, length = struct.unpack("iIII", data[:16])
        found.append((wd, hex(mask), cookie != 0, data[16 : 16 + length].rstrip(b"\0").decode(), length))
        data = data[16 + length :]
    print(label, found)


def watch(path, mask=ALL):
    return libc.inotify_add_watch(fd, path.encode(), mask)


os.mkdir("d")
fd = libc.inotify_init1(os.O_NONBLOCK)
print(watch("d"))
f = open("d/a", "w")
show("open")
f.write("x")
f.flush()
show("write")
f.close()
show("close")
print(watch("d/a"))
open("d/a").read()
show("read")
os.chmod("d/a", 0o600)
show("chmod")
os.rename("d/a", "d/b")
show("rename")
os.link("d/b", "d/c")
show("link")
os.unlink("d/c")
show("unlink one name")
os.truncate("d/b", 0)
show("truncate")
os.utime("d/b")
show("utime")
os.mkdir("d/sub")
show("mkdir")
os.listdir("d")
show("list")
os.listdir("d/sub")
show("list below")
os.symlink("x", "d/link")
show("symlink")
os.mkfifo("d/fifo")
show("fifo")
os.unlink("d/b")
show("unlink")
os.rmdir("d/sub")
os.unlink("d/link")
os.unlink("d/fifo")
show("the rest")
print(libc.inotify_rm_watch(fd, 7))
os.rmdir("d")
show("the directory")
print(watch("/etc/passwd", 0x01000020), watch("/etc", 0))
