"""Ports of the loopback that are opened and closed on demand.

The argument says how many. Prints the ports, then a line for each line that it
reads: `close` or `open`, and the numbers of the first port and of the one after
the last. Ends with its standard input.
"""

import selectors
import socket
import struct
import sys

# Below what the system hands out by itself, so that nothing else takes a port
# while it is closed.
FIRST_PORT = 20_000


def listen(port):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
    return listener


def some(count):
    found, port = [], FIRST_PORT
    while len(found) < count:
        try:
            found.append(listen(port))
        except OSError:
            pass
        port += 1
    return found


def serve(sock):
    # It may have been closed a moment ago.
    if sock.fileno() == -1:
        return
    if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        visitor, _ = sock.accept()
        events.register(visitor, selectors.EVENT_READ)
        return
    # Whoever came leaves. Reset, so that thousands of checks a minute leave
    # nothing behind.
    events.unregister(sock)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def obey(line):
    word, first, end = line.split()
    for door in range(int(first), int(end)):
        if word == "close":
            events.unregister(listeners[door])
            listeners[door].close()
        else:
            listeners[door] = listen(ports[door])
            events.register(listeners[door], selectors.EVENT_READ)
    print(word, flush=True)


events = selectors.DefaultSelector()
listeners = some(int(sys.argv[1]))
ports = [listener.getsockname()[1] for listener in listeners]
for listener in listeners:
    events.register(listener, selectors.EVENT_READ)
events.register(sys.stdin, selectors.EVENT_READ)
print(*ports, flush=True)
while True:
    for event, _ in events.select():
        if event.fileobj is not sys.stdin:
            serve(event.fileobj)
        elif line := sys.stdin.readline():
            obey(line)
        else:
            sys.exit()
