"""What both test servers need: HTTP with one thread per connection, a clock
that tests can move, durations, and a process that ends when told to.

A server hands `HttpServer` one function from Request to Response. Connections
are kept open as HTTP/1.1 says; header names go out exactly as given, because
the real servers differ in their case.
"""

import contextlib
import email.utils
import gzip
import json
import os
import re
import select
import signal
import socket
import socketserver
import sys
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

UNITS_NS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}


def parse_duration(text):
    """Nanoseconds of a duration such as `1s`, `100ms` or `1m30s`."""
    parts = re.findall(r"(\d+)\s*(ns|us|µs|ms|s|m|h)", text)
    if not parts or "".join(n + u for n, u in parts) != text.replace(" ", ""):
        raise ValueError(f"not a duration: {text!r}; use a number and a unit such as 1s, 100ms or 10m")
    return sum(int(number) * UNITS_NS[unit] for number, unit in parts)


class Clock:
    """Real time plus an offset in ns. The offset is what the file holds, read
    again at every look, so that a test can move time under a running server."""

    def __init__(self, path=None):
        self._path = path
        self._offset = 0

    def set_offset(self, offset_ns):
        self._offset = int(offset_ns)

    def now_ns(self):
        return time.time_ns() + self._offset + self._from_file()

    def _from_file(self):
        if self._path is None:
            return 0
        try:
            with open(self._path, encoding="ascii") as file:
                return int(file.read().strip() or 0)
        except FileNotFoundError:
            return 0


@dataclass
class Request:
    method: str
    path: str
    query: dict
    headers: object
    body: bytes

    def param(self, name, default=None):
        return self.query.get(name, default)


@dataclass
class Response:
    status: int
    reason: str
    headers: list = field(default_factory=list)  # (name, value) in the order sent, length and date excluded
    body: object = b""  # bytes, or an iterator of bytes that is sent in chunks
    length: bool = True  # False: no content-length, as 204 has none
    lower_case: bool = True
    chunked: bool = False


def read_chunked(stream):
    body = bytearray()
    while True:
        size = int(stream.readline().split(b";")[0], 16)
        body += stream.read(size)
        stream.readline()
        if size == 0:
            return bytes(body)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *args):
        pass

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _read_body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = read_chunked(self.rfile)
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Encoding", "") == "gzip":
            body = gzip.decompress(body)
        return body

    def _serve(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        request = Request(self.command, urllib.parse.unquote(url.path), query, self.headers, self._read_body())
        with self.server.request_in_progress():
            response = self.server.application(request)
            if response is None:  # end the connection without a word
                self.close_connection = True
                return
            self._send(response)

    def _send(self, response):
        name = (lambda text: text) if response.lower_case else str.title
        lines = [f"HTTP/1.1 {response.status} {response.reason}"]
        lines += [f"{key}: {value}" for key, value in response.headers]
        now = self.server.clock.now_ns() / 1e9
        date = f"{name('date')}: {email.utils.formatdate(now, usegmt=True)}"
        if response.chunked:
            lines += [f"{name('transfer-encoding')}: chunked", date]
        elif response.length:
            lines += [f"{name('content-length')}: {len(response.body)}", date]
        else:
            lines += [date]
        self.wfile.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        if response.chunked:
            for part in [response.body] if isinstance(response.body, bytes) else response.body:
                if part:
                    self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")
        elif response.length and self.command != "HEAD":
            self.wfile.write(response.body)
        self.wfile.flush()

    def handle(self):
        self.server.opened(self.connection)
        try:
            super().handle()
        except (OSError, ValueError):
            pass  # the client went away, or the server is closing
        finally:
            self.server.closed(self.connection)


class HttpServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Listens from construction on. close() lets answers that are due go out
    (2 s at most), then ends the connections that are left."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, bind, application, clock=None):
        host, _, port = bind.rpartition(":")
        self.clock = clock or Clock()
        self.application = application
        self._lock = threading.Condition()
        self._connections = set()
        self._in_progress = 0
        if ":" in host.strip("[]"):
            self.address_family = socket.AF_INET6
        super().__init__((host.strip("[]"), int(port)), _Handler)
        self.port = self.server_address[1]
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def opened(self, connection):
        with self._lock:
            self._connections.add(connection)

    def closed(self, connection):
        with self._lock:
            self._connections.discard(connection)

    @contextlib.contextmanager
    def request_in_progress(self):
        with self._lock:
            self._in_progress += 1
        try:
            yield
        finally:
            with self._lock:
                self._in_progress -= 1
                self._lock.notify_all()

    def handle_error(self, request, client_address):
        error = sys.exc_info()[1]
        print(f"error: request of {client_address}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)

    def close(self):
        self.shutdown()
        self.server_close()
        with self._lock:
            self._lock.wait_for(lambda: self._in_progress == 0, timeout=2)
            connections = list(self._connections)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self._thread.join()


def json_response(status, reason, value, headers=()):
    return Response(status, reason, list(headers), json.dumps(value, separators=(",", ":")).encode())


def admin_application(actions, counters):
    """The tests' side door: POST /<action>?k=v calls an action, GET /counters reads."""

    def serve(request):
        if request.method == "GET" and request.path == "/counters":
            return json_response(200, "OK", counters())
        action = actions.get(request.path.strip("/"))
        if action is None or request.method != "POST":
            known = ", ".join(sorted(actions))
            return Response(404, "Not Found", [], f"no such action; POST one of: {known}; GET /counters\n".encode())
        try:
            result = action(**request.query)
        except (TypeError, ValueError, KeyError) as error:
            return Response(400, "Bad Request", [], f"{request.path}: {error}\n".encode())
        return json_response(200, "OK", result if result is not None else {})

    return serve


def on(text):
    if text not in ("true", "false"):
        raise ValueError(f"{text!r} is neither true nor false")
    return text == "true"


def run_until_told(server, watch_stdin):
    """Says where it listens, then blocks until SIGTERM, SIGINT, the server's own end, or the end
    of stdin (so that a test that dies takes its server along). Returns the exit status."""
    wake_read, wake_write = os.pipe()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os.write(wake_write, b"x"))
    # Whoever reads this may end us at once.
    print(f"listening 127.0.0.1:{server.port}", flush=True)
    if server.admin is not None:
        print(f"admin 127.0.0.1:{server.admin.port}", flush=True)
    server.when_ended(lambda: os.write(wake_write, b"x"))
    inputs = [wake_read] + ([sys.stdin.fileno()] if watch_stdin else [])
    while True:
        ready, _, _ = select.select(inputs, [], [])
        if wake_read in ready:
            break
        if not os.read(sys.stdin.fileno(), 4096):
            break
    server.close()
    return 0
