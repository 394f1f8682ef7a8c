import ctypes
import errno
import os
import select
import signal
import struct
import time

libc = ctypes.CDLL(None, use_errno=True)
NAME = b"/tallship-%d" % os.getpid()


def call(label, function, *arguments):
    answer = getattr(libc, function)(*arguments)
    print(label, "->", errno.errorcode[ctypes.get_errno()] if answer < 0 else answer if label[0] != "=" else "a queue")
    return answer


def attributes(maxmsg, msgsize):
    return ctypes.create_string_buffer(struct.pack("llll4l", 0, maxmsg, msgsize, 0, 0, 0, 0, 0))


def receive(label, queue, room=16):
    buffer = ctypes.create_string_buffer(room)
    priority = ctypes.c_uint(0)
    count = call(label, "mq_receive", queue, buffer, room, ctypes.byref(priority))
    if count >= 0:
        print("   ", buffer.raw[:count], priority.value)


def events(label, queue):
    poll = select.poll()
    poll.register(queue, select.POLLIN | select.POLLOUT)
    print(label, "polls", poll.poll(0)[0][1])


call("absent", "mq_open", NAME, os.O_RDWR)
call("no slash", "mq_open", b"name", os.O_RDWR)
call("two slashes", "mq_open", b"/a/b", os.O_RDWR)
call("bad size", "mq_open", NAME, os.O_RDWR | os.O_CREAT, 0o600, attributes(0, 16))
q = call("= create", "mq_open", NAME, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, 0o600, attributes(3, 16))
call("exclusive", "mq_open", NAME, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600, None)
receive("empty", q)
events("empty", q)
for text, priority in ((b"low", 1), (b"high", 9), (b"low too", 1)):
    call("send", "mq_send", q, text, len(text), priority)
call("full", "mq_send", q, b"x", 1, 0)
events("full", q)
call("too long", "mq_send", q, b"x" * 17, 17, 0)
call("bad priority", "mq_send", q, b"x", 1, 32768)
receive("small buffer", q, 8)
for _ in range(3):
    receive("receive", q)
attr = attributes(0, 0)
call("getattr", "mq_getattr", q, attr)
print(struct.unpack("llll", attr.raw[:16])[1:])

got = []
signal.signal(signal.SIGUSR1, lambda number, frame: got.append(number))
event = ctypes.create_string_buffer(struct.pack("iii", 7, signal.SIGUSR1, 0) + bytes(52))
call("notify", "mq_notify", q, event)
call("notify again", "mq_notify", q, event)
call("send", "mq_send", q, b"first", 5, 0)
call("send", "mq_send", q, b"second", 6, 0)
time.sleep(0.01)
print("signals", len(got))
call("notify", "mq_notify", q, event)
call("no more", "mq_notify", q, None)

reader = call("= read only", "mq_open", NAME, os.O_RDONLY)
call("send to it", "mq_send", reader, b"x", 1, 0)
receive("receive", reader)
receive("receive", reader)
buffer = ctypes.create_string_buffer(16)
past = ctypes.create_string_buffer(struct.pack("ll", 1, 0))
call("too late", "mq_timedreceive", reader, buffer, 16, None, past)
child = os.fork()
if child == 0:
    time.sleep(0.05)
    libc.mq_send(q, b"from the child", 14, 3)
    os._exit(0)
receive("wait", reader)
os.waitpid(child, 0)
call("unlink", "mq_unlink", NAME)
call("unlink again", "mq_unlink", NAME)
call("still there", "mq_send", q, b"x", 1, 0)
call("not a queue", "mq_send", 0, b"x", 1, 0)
