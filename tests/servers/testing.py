"""What the tests of the test servers share: folders that vanish, a client that
keeps its connection, recorded answers, servers as programs."""

import glob
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURES = os.path.join(HERE, "..", "fixtures")
MINUTE = 60 * 10**9


class Answer:
    def __init__(self, status, reason, headers, body):
        self.status, self.reason, self.headers, self.body = status, reason, dict(headers), body

    def json(self):
        return json.loads(self.body)


class Client:
    """One connection to a server on loopback."""

    def __init__(self, port, token=None):
        self.token = token
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)

    def request(self, method, path, body=None, headers=None, **query):
        headers = dict(headers or {})
        if self.token is not None:
            headers.setdefault("Authorization", f"Token {self.token}")
        url = path + ("?" + urllib.parse.urlencode(query) if query else "")
        self.connection.request(method, url, body, headers)
        response = self.connection.getresponse()
        return Answer(response.status, response.reason, response.getheaders(), response.read())

    def get(self, path, **query):
        return self.request("GET", path, **query)

    def close(self):
        self.connection.close()


def recorded(name):
    """A recorded HTTP answer of fixtures/http."""
    with open(os.path.join(FIXTURES, "http", name), "rb") as file:
        data = file.read()
    if data.startswith(b"# request"):
        data = data.partition(b"\n")[2]
    head, _, body = data.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    _, code, reason = status.split(" ", 2)
    return Answer(int(code), reason, [line.split(": ", 1) for line in lines], body)


class Program:
    """A test server as a program; its ports are read from its stdout."""

    def __init__(self, script, *arguments):
        self.process = subprocess.Popen(
            ["/usr/bin/python3", os.path.join(HERE, script), "--exit-with-stdin", *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        line = self.process.stdout.readline()
        if not line.startswith("listening 127.0.0.1:"):
            raise RuntimeError(f"{script} said {line!r}: {self.process.communicate(timeout=10)[1]}")
        self.port = int(line.rsplit(":", 1)[1])

    def admin_port(self):
        return int(self.process.stdout.readline().rsplit(":", 1)[1])

    def wait(self):
        """(exit status, stderr) once it ended."""
        _, errors = self.process.communicate(timeout=10)
        return self.process.returncode, errors

    def stop(self):
        self.process.terminate()
        return self.wait()


class Case(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="wal_exporter-server-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def client(self, port, token=None):
        client = Client(port, token)
        self.addCleanup(client.close)
        return client

    def program(self, script, *arguments):
        program = Program(script, *arguments)

        def end():
            if program.process.poll() is None:
                program.process.kill()
            program.process.communicate()

        self.addCleanup(end)
        return program

    def until(self, condition, message, seconds=10):
        """Waits for what another thread or process does, with a deadline."""
        deadline = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), deadline, message)
            threading.Event().wait(0.002)

    def assert_like(self, answer, fixture, changing=()):
        """Status, header names and values as recorded; of those named in
        `changing` (date among them) only the presence counts."""
        expected = recorded(fixture)
        self.assertEqual((answer.status, answer.reason), (expected.status, expected.reason))
        self.assertEqual(set(answer.headers), set(expected.headers), fixture)
        for name, value in expected.headers.items():
            if name.lower() not in ("date", "content-length", *changing):
                self.assertEqual(answer.headers[name], value, f"{fixture}: {name}")
        return expected


def names(directory, pattern="*"):
    return sorted(os.path.basename(path) for path in glob.glob(os.path.join(directory, pattern)))


if HERE not in sys.path:
    sys.path.insert(0, HERE)
