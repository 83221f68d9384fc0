"""What the end to end tests share: a test case that owns processes and a folder,
settings as values, and servers that misbehave.

The program under test is WAL_EXPORTER_PROGRAM, else that of the release preset.
"""

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "deploy"))

import servers  # noqa: E402
from servers import MIB, Exporter, Failure, Influxd, Prometheus, free_port, get, request, until  # noqa: E402,F401

PROGRAM = os.environ.get("WAL_EXPORTER_PROGRAM", os.path.join(ROOT, "build", "release", "influxdb_wal_exporter"))
SANITIZED = os.path.basename(os.path.dirname(PROGRAM)) in ("asan", "tsan")
# Bounds are for a machine that runs two of these at once; sanitizers cost more.
PATIENCE = 60 if SANITIZED else 30


def target(influxd, name="plant", **sections):
    """The settings of one target; `sections` are merged over what makes tests fast."""
    settings = {
        "name": name,
        "influxdb": {"url": influxd.url, "backup_address": influxd.backup_address},
        "wal": {"directory": influxd.wal},
        "sampling": {"interval": "300ms"},
        "thresholds": {"max_size": "1GiB"},
        "checkpoint": {"schedule": "off", "timeout": "20s"},
    }
    for section, values in sections.items():
        if isinstance(values, dict):
            settings[section] = {key: value for key, value in {**settings.get(section, {}), **values}.items()
                                 if value is not None}
        else:
            settings[section] = values
    return settings


def settings(*targets):
    # JSON is YAML.
    return json.dumps({"targets": list(targets)}, indent=1) + "\n"


def run(*arguments, timeout=60, environment=None, program=PROGRAM):
    """Runs the program to its end."""
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=timeout,
                          stdin=subprocess.DEVNULL, env=dict(os.environ, **(environment or {})), check=False)


class Case(unittest.TestCase):
    """Owns a folder and the processes it starts. An exporter that was not killed on
    purpose has to end with 0 at the end of its test: so sanitizers are heard."""

    maxDiff = None

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="wal_exporter-")
        # For exporters that run as another user.
        os.chmod(self.folder, 0o755)
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def influxd(self, name="influxdb", databases=(), grow=11 * MIB, **arguments):
        server = Influxd(os.path.join(self.folder, name), **arguments)
        self.addCleanup(server.stop)
        server.start()
        for database in databases:
            server.create_database(database)
            server.grow(database, grow)
        return server

    def exporter(self, text, start=True, wrapper=(), environment=None, **arguments):
        exporter = Exporter(os.path.join(self.folder, "exporter"), arguments.pop("program", PROGRAM), text, **arguments)
        self.addCleanup(self.end, exporter)
        if start:
            exporter.start(wrapper, environment).wait_good_sample()
        return exporter

    def start_nginx(self, http, ready, user="root"):
        """With the servers in `http`, once `ready()`; as `user` where root runs the tests."""
        folder = tempfile.mkdtemp(prefix="nginx-", dir=self.folder)
        os.chmod(folder, 0o755)
        nginx = servers.Process("nginx", folder)
        self.addCleanup(nginx.stop)
        temporary = "".join(f"{kind}_temp_path {folder}/{kind}; " for kind in ("client_body", "proxy", "fastcgi",
                                                                               "uwsgi", "scgi"))
        config = os.path.join(folder, "nginx.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"{f'user {user}; ' if os.getuid() == 0 else ''}daemon off; pid {folder}/pid; error_log stderr;\n"
                       f"events {{}}\nhttp {{ access_log off; {temporary}\n{http} }}\n")
        nginx.spawn([servers.program("nginx"), "-e", "stderr", "-p", folder, "-c", config])
        nginx.wait_ready(ready, 20)
        return nginx

    def end(self, exporter):
        if exporter.running():
            code = exporter.stop()
            self.assertEqual(code, 0, f"the exporter ended with {code}; its log ends with:\n{exporter.tail(60)}")

    def until(self, condition, what, seconds=PATIENCE):
        try:
            return until(condition, seconds, what)
        except Failure as failure:
            self.fail(str(failure))

    def counter(self, exporter, name, **labels):
        """The sum of the series of `name` that have these labels."""
        found = [value for series, value in exporter.metrics().items() if series.partition("{")[0] == name and
                 all(f'{key}="{value}"' in series for key, value in labels.items())]
        self.assertTrue(found, f"/metrics has no {name} {labels}")
        return sum(found)

    def wait_checkpoint(self, exporter, seconds=PATIENCE, **labels):
        """Until a checkpoint with these labels is counted; says what came instead."""
        def what():
            series = [f"{name} {value:g}" for name, value in exporter.metrics().items()
                      if name.startswith("influxdb_wal_checkpoints_total") and value]
            return f"a checkpoint {labels}; there are {series}. Log:\n{exporter.tail(25)}"
        return self.until(lambda: self.counter(exporter, "influxdb_wal_checkpoints_total", **labels), what, seconds)

    def outcomes(self, exporter):
        return {outcome: self.counter(exporter, "influxdb_wal_checkpoints_total", outcome=outcome)
                for outcome in ("succeeded", "no_op", "busy", "failed", "unverified")}


class FakeServer(threading.Thread):
    """Accepts on a free port and hands each connection to `answer(connection)`.
    The default reads and never says a word."""

    def __init__(self, answer=None):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.answer = answer or self.hang
        self.stopping = threading.Event()
        self.connections = 0
        self.start()

    def run(self):
        workers = []
        while not self.stopping.is_set():
            if not select.select([self.listener], [], [], 0.1)[0]:
                continue
            connection, _ = self.listener.accept()
            self.connections += 1
            worker = threading.Thread(target=self.serve, args=(connection,), daemon=True)
            worker.start()
            workers.append(worker)
        self.listener.close()
        for worker in workers:
            worker.join(10)

    def serve(self, connection):
        with connection:
            try:
                self.answer(connection)
            except OSError:
                return

    def hang(self, connection):
        while not self.stopping.is_set():
            if select.select([connection], [], [], 0.1)[0] and not connection.recv(65536):
                return

    def close(self):
        self.stopping.set()
        self.join(15)


def main():
    # Ctrl-C and a time limit of ctest end the servers too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    unittest.main()
