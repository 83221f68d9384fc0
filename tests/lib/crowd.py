"""A crowd of clients that misbehave, from one address of this machine's loopback.

usage: crowd.py KIND SOURCE PORT COUNT SECONDS

  idle      says nothing
  shaking   begins a TLS handshake and says no more
  trickle   sends a byte of a head now and then
  greedy    asks for one page after the other and reads none of them

Connections that are closed are opened anew, for SECONDS; at the end a line says how many connections there were, and how many
were open at most.
"""

import errno
import selectors
import socket
import sys
import time

HEAD = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
PAGES = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 50


class Crowd:
    def __init__(self, kind, source, port):
        self.kind, self.source, self.port = kind, source, port
        self.looked_at = selectors.DefaultSelector()
        self.open, self.opened, self.most = set(), 0, 0

    def join(self):
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        connection.setblocking(False)
        connection.bind((self.source, 0))
        if connection.connect_ex(("127.0.0.1", self.port)) not in (0, errno.EINPROGRESS):
            connection.close()
            return
        self.opened += 1
        self.open.add(connection)
        self.most = max(self.most, len(self.open))
        self.looked_at.register(connection, selectors.EVENT_READ if self.kind != "greedy" else selectors.EVENT_WRITE)

    def leave(self, connection):
        self.looked_at.unregister(connection)
        self.open.discard(connection)
        connection.close()

    def push(self, connection, data):
        try:
            connection.send(data)
        except BlockingIOError:
            return
        except OSError:
            self.leave(connection)

    def speak(self):
        for connection in list(self.open):
            self.push(connection, {"shaking": b"\x16", "trickle": b"x"}[self.kind])

    def run(self, count, seconds):
        end = time.monotonic() + seconds
        said, spoke = set(), 0
        while time.monotonic() < end:
            for _ in range(min(100, count - len(self.open))):
                self.join()
            for key, _ in self.looked_at.select(0.02):
                connection = key.fileobj
                if self.kind == "greedy":
                    self.push(connection, PAGES)
                    continue
                try:
                    if not connection.recv(65536):
                        self.leave(connection)
                except BlockingIOError:
                    continue
                except OSError:
                    self.leave(connection)
            if self.kind == "greedy":
                time.sleep(0.02)
            if self.kind == "trickle":
                for connection in self.open - said:
                    self.push(connection, HEAD)
                said = set(self.open)
            if self.kind in ("trickle", "shaking") and time.monotonic() > spoke + 0.5:
                spoke = time.monotonic()
                self.speak()
        print(f"{self.opened} connections, {self.most} at once", flush=True)


def main():
    kind, source, port, count, seconds = sys.argv[1:]
    Crowd(kind, source, int(port)).run(int(count), float(seconds))


if __name__ == "__main__":
    main()
