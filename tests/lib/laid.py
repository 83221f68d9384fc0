"""WALs laid out on disk as a test wants them, and servers that say of themselves what it wants and have no
storage: the situations are there at once, and nothing here knows how the program is built."""

import http.server
import json
import os
import threading
import time
import zlib

from harness import PROGRAM, Case, FakeServer, run
import nodes  # noqa: F401  (puts the test servers' folder on the path)

from wal2 import encode_entry  # noqa: E402
from wal3 import MAGIC, encode_header, snapshot_name, wal_name  # noqa: E402

HEALTHY, WARNING, CRITICAL, NO_SAMPLE = range(4)
MIB = 1 << 20
ENTRY = encode_entry([("pump,site=a", "float", [(time.time_ns(), 1.5)])])


def segment_name(number):
    return "_%05d.wal" % number


def wal_file(number, magic=MAGIC, payload=None):
    now = time.time_ns()
    if payload is None:
        payload = encode_header(now // 10**6, now - 10**9, now, number) + b"\0" * 24
    return magic + zlib.crc32(payload).to_bytes(4, "big") + payload


class Fake3(http.server.ThreadingHTTPServer):
    """An InfluxDB 3 that says of itself what a test wants, and has no storage."""

    def __init__(self, version="3.10.0", rows=None, build="Core", tables=()):
        self.version, self.rows, self.build, self.tables = version, rows or [], build, tables
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.url = "http://127.0.0.1:%d" % self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def end(self):
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        pass  # whoever hung up

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            rows = []
            if "system.nodes" in self.path:
                rows = self.server.rows
            elif "information_schema" in self.path:
                rows = [{"table_name": name} for name in self.server.tables]
            elif "generation" in self.path:
                rows = [{"level": 1, "duration_seconds": 600}]
            elif "/ping" in self.path:
                rows = {"version": self.server.version, "process_id": "1"}
            body = json.dumps(rows).encode()
            self.send_response(200)
            self.send_header("x-influxdb-version", self.server.version)
            self.send_header("x-influxdb-build", self.server.build)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass


class Fake8088(FakeServer):
    """The backup port of a 1.x that empties shards of the WAL in `folder` after `delay`, or that `fails` to. It
    answers after `pause`, but for the shards that it does not know, where it hangs up. `databases`: those of
    shards by number, where a question may name another one: a server goes by the number."""

    def __init__(self, folder, delay=0.0, pause=0.0, fails=False, unknown=(), databases=None):
        self.folder, self.delay, self.pause, self.fails = folder, delay, pause, fails
        self.unknown, self.databases, self.asked = unknown, databases or {}, []
        super().__init__(self.reply)

    def reply(self, connection):
        kind = connection.recv(2)
        line = b""
        while not line.endswith(b"\n"):
            got = connection.recv(4096)
            if not got:
                return
            line += got
        if kind != b"\x03\x00":
            return  # a 1.x that does not know the question
        shard = json.loads(line)
        self.asked.append(shard["ShardID"])
        if shard["ShardID"] in self.unknown:
            return
        time.sleep(self.pause)
        database = self.databases.get(shard["ShardID"], shard["BackupDatabase"])
        folder = os.path.join(self.folder, database, shard["BackupRetentionPolicy"], str(shard["ShardID"]))

        if self.delay:
            threading.Timer(self.delay, self.snapshot, (folder,)).start()
        else:
            self.snapshot(folder)
        if not self.fails:
            connection.sendall(b"\0" * 1024)

    def snapshot(self, folder):
        """Closes the open segment, and removes what was closed unless it fails; then that one gets what is in memory."""
        names = sorted(os.listdir(folder))
        open(os.path.join(folder, segment_name(int(names[-1][1:6]) + 1)), "wb").close()
        if self.fails:
            with open(os.path.join(folder, names[-1]), "ab") as file:
                file.write(ENTRY)
            return
        for name in names:
            os.remove(os.path.join(folder, name))


class Laid(Case):
    """Lays WALs, and asks the program about them."""

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def lay(self, path, data=b""):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)

    def node(self, name, numbers):
        for number in numbers:
            self.lay(self.path(name, "wal", wal_name(number)), wal_file(number))
        return self.path(name)

    def snapshot(self, name, sequence, covers, extra=b""):
        fields = {"writer_id": "n", "snapshot_sequence_number": sequence, "wal_file_sequence_number": covers,
                  "row_count": 1, "parquet_size_bytes": 1, "min_time": 1, "max_time": 2, "databases": []}
        text = json.dumps(fields).encode()[:-2]
        self.lay(self.path(name, "snapshots", snapshot_name(sequence)), text + extra + b"]}")

    def segments(self, shard, count, root="wal"):
        for number in range(1, count + 1):
            self.lay(self.path(root, shard, segment_name(number)), ENTRY * 4)
        return self.path(root)

    def once(self, directory, *more, command=(PROGRAM,)):
        command = [*command, "--once", "--format=json", f"--wal.directory={directory}",
                   f"--state.directory={self.path('none')}", *more]
        self.result = run(*command[1:], program=command[0])
        try:
            return json.loads(self.result.stdout)["targets"][0]
        except (ValueError, KeyError):
            return {"health": None, "error": self.result.stdout + self.result.stderr}

    def verdict(self, directory, *more, **arguments):
        """(pending files or the error, exit code)."""
        shown = self.once(directory, *more, **arguments)
        return shown["error"] or shown["pending"]["files"], self.result.returncode

    def prepare(self, directory, *more):
        result = run("--prepare-restart", f"--wal.directory={directory}", f"--state.directory={self.path('own')}",
                     "--max-wait=3s", *more)
        return result.returncode, result.stdout + result.stderr

    def daemon(self, **sections):
        target = {"name": "plant", "wal": {"directory": self.path("wal")}, "sampling": {"interval": "200ms"},
                  "checkpoint": {"schedule": "off"}}
        wrapper, environment = sections.pop("wrapper", ()), sections.pop("environment", None)
        for name, values in sections.items():
            target[name] = {**target.get(name, {}), **values}
        return self.exporter(json.dumps({"targets": [target]}), wrapper=wrapper, environment=environment)

    def checkpoint(self, exporter):
        """What became of one that was asked for."""
        exporter.post("/wal-management/checkpoint", timeout=60)
        return exporter.target("plant")["checkpoint"]["last_run"]
