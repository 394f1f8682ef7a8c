import asyncio
import socket
import threading
import time
from probe import events, probe

SO_ERROR = 4
PAUSE = 0.05


def connected():
    c = socket.create_connection(("127.0.0.1", port))
    return c, listener.accept()[0]


listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", 0))
port = listener.getsockname()[1]
probe("refused", socket.socket().connect, ("127.0.0.1", port))
listener.listen(5)

print("== not blocking")
c = socket.socket()
events("new", c)
probe("send", c.send, b"x")
probe("receive", c.recv, 1)
c.setblocking(False)
probe("connect", c.connect, ("127.0.0.1", port))
time.sleep(PAUSE)
events("connected", c)
probe("SO_ERROR", c.getsockopt, socket.SOL_SOCKET, SO_ERROR)
probe("connect again", c.connect, ("127.0.0.1", port))
probe("and again", c.connect, ("127.0.0.1", port))
d, _ = listener.accept()
d.send(b"bye")
d.close()
time.sleep(PAUSE)
events("closed by the peer", c)
probe("receive", c.recv, 10)
probe("receive", c.recv, 10)
probe("first send", c.send, b"x")
time.sleep(PAUSE)
events("reset", c)
probe("second send", c.send, b"x")
probe("receive", c.recv, 10)
unused = socket.socket()
unused.bind(("127.0.0.1", 0))
n = socket.socket()
n.setblocking(False)
probe("nobody listens", n.connect, unused.getsockname())
time.sleep(PAUSE)
events("refused", n)
probe("SO_ERROR", n.getsockopt, socket.SOL_SOCKET, SO_ERROR)
probe("SO_ERROR", n.getsockopt, socket.SOL_SOCKET, SO_ERROR)

print("== ends")
c, d = connected()
c.send(b"unread")
time.sleep(PAUSE)
d.close()
time.sleep(PAUSE)
events("closed without reading", c)
probe("send", c.send, b"x")
probe("receive", c.recv, 10)
c, d = connected()
c.shutdown(socket.SHUT_WR)
time.sleep(PAUSE)
events("half closed, here", c)
events("half closed, there", d)
d.send(b"still")
probe("receive", c.recv, 10)
probe("send", c.send, b"x")
d.shutdown(socket.SHUT_RDWR)
time.sleep(PAUSE)
events("closed, here", c)
events("closed, there", d)
probe("peer name", d.getpeername)

print("== names and options")
probe("in use", socket.socket().bind, ("127.0.0.1", port))
probe("not here", socket.socket().bind, ("1.2.3.4", 0))
c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
probe("TCP_NODELAY", c.getsockopt, socket.IPPROTO_TCP, socket.TCP_NODELAY)
probe("IP_TTL", c.getsockopt, socket.IPPROTO_IP, socket.IP_TTL)
probe("bad type", socket.socket, socket.AF_INET, 9)
probe("bad protocol", socket.socket, socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_UDP)
six = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
c = socket.create_connection(("127.0.0.1", six.getsockname()[1]))
print(six.accept()[1][0])

print("== datagrams")
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind(("127.0.0.1", 0))
v = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
v.connect(u.getsockname())
v.send(b"abc")
probe("cut", lambda: u.recvfrom(2)[0])
events("receiver", u)
events("sender", v)
address = u.getsockname()
u.close()
probe("send to nobody", v.send, b"x")
time.sleep(PAUSE)
events("told so", v)
probe("send", v.send, b"x")
probe("receive", v.recv, 1, socket.MSG_DONTWAIT)
probe("no address", socket.socket(socket.AF_INET, socket.SOCK_DGRAM).send, b"x")
probe("too long", v.send, b"x" * 65508)
probe("empty", v.sendto, b"", address)

print("== a million bytes, both ways")


def serve():
    d, _ = listener.accept()
    count = 0
    while data := d.recv(65536):
        count += len(data)
    d.sendall(b"z" * count)
    d.close()


thread = threading.Thread(target=serve)
thread.start()
c = socket.create_connection(("127.0.0.1", port))
c.sendall(b"z" * 1000000)
c.shutdown(socket.SHUT_WR)
count = 0
while data := c.recv(65536):
    count += len(data)
thread.join()
print(count)


async def main():
    async def answer(reader, writer):
        writer.write((await reader.readline()).upper())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    where = server.sockets[0].getsockname()[1]
    for _ in range(3):
        reader, writer = await asyncio.open_connection("127.0.0.1", where)
        writer.write(b"asyncio\n")
        print(await reader.read())


asyncio.run(main())
