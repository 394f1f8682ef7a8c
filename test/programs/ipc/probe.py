"""What the scripts beside it share: calls whose answer, value or errno, is printed with a label."""
import errno
import select
import signal

signal.signal(signal.SIGPIPE, signal.SIG_IGN)


def probe(label, function, *arguments):
    try:
        answer = function(*arguments)
    except OSError as error:
        answer = errno.errorcode[error.errno]
    except Exception as error:
        answer = repr(error)
    print(label, "->", answer)


def events(label, fd, mask=0x7FFF):
    """What poll(2) says now."""
    poll = select.poll()
    poll.register(fd, mask)
    ready = poll.poll(0)
    print(label, "polls", hex(ready[0][1]) if ready else 0)
