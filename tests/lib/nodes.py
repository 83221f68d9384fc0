"""Our test servers of InfluxDB 3 and 2 (tests/servers) for end to end tests: they
run in the test's own process, write real directories, and can be killed and
started again on the same port."""

import json
import os
import re
import sys
import threading
import time

from harness import ROOT, Case, free_port, request, target

sys.path.insert(0, os.path.join(ROOT, "tests", "servers"))

from engine3 import Options  # noqa: E402
from influxdb2 import InfluxDB2  # noqa: E402
from influxdb3 import InfluxDB3  # noqa: E402
from wal3 import encode_snapshot, snapshot_name  # noqa: E402

SECOND = 10**9
CLOSED = re.compile(r"[0-9]{11}\.wal")


def gen1_far_from_its_boundary():
    """A gen1 duration in seconds no multiple of which is near now, so that none
    passes in the middle of a test."""
    now = time.time()
    return max((600, 660, 780, 1020, 1140), key=lambda seconds: min(now % seconds, seconds - now % seconds))


class Node3:
    """An InfluxDB 3 node: S = 20 and F = 10 ms unless told otherwise."""

    backup_address = ""

    def __init__(self, folder, token=None, gen1=None, port=None, snapshot_size=20, flush_ms=10, **options):
        self.data, self.token = folder, token
        self.node = os.path.join(folder, "n1")
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.wal = self.node  # what wal.directory of a target is
        self.gen1 = gen1 or gen1_far_from_its_boundary()
        self.options = {"snapshot_size": snapshot_size, "flush_ms": flush_ms, **options}
        self.server = None

    def start(self, **changes):
        self.options |= changes
        options = dict(self.options)
        size, flush = options.pop("snapshot_size"), options.pop("flush_ms")
        flags = {"node-id": "n1", "object-store": "file", "data-dir": self.data,
                 "wal-snapshot-size": str(size), "wal-flush-interval": f"{flush}ms"}
        if "kept_files" in options:
            flags["snapshotted-wal-files-to-keep"] = str(options["kept_files"])
        if options.get("fail_on_error"):
            flags["wal-replay-fail-on-error"] = "true"
        version = options.pop("version", "3.10.0-nightly")
        routes = options.pop("open_routes", ())
        identity = {name: options.pop(name) for name in ("build", "mode") if name in options}
        if options.get("cluster_id"):
            identity = {"build": "Enterprise", "mode": ("all",)} | identity
        self.clock_ahead = int(options.pop("clock_ahead", 0) * SECOND)  # of ours
        storage = Options(self.data, "n1", snapshot_size=size, flush_ns=flush * 10**6, gen1_ns=self.gen1 * SECOND,
                          put_retries=0, **options)
        self.server = InfluxDB3(storage, self.token, without_auth=self.token is None, open_routes=routes,
                                version=version, cli_params=flags, bind=f"127.0.0.1:{self.port}", **identity)
        self.server.clock.set_offset(self.clock_ahead)
        self.server.start()
        return self

    def stop(self):
        if self.server is not None:
            self.server.close()

    def kill(self):
        self.server.kill()

    def write(self, count=1, when=None, database="plant", line="pump,site=a flow=1"):
        """`count` files of one point each; `when` in ns, else now by the server's clock."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        for _ in range(count):
            answer = request("POST", f"{self.url}/api/v3/write_lp?db={database}&precision=nanosecond",
                             body=f"{line} {when or time.time_ns() + self.clock_ahead}", headers=headers)
            if answer.status != 204:
                raise AssertionError(f"the test server answered {answer.status}: {answer.text}")

    def counters(self):
        return self.server.all_counters()

    def points(self, database="wal_checkpoint"):
        return self.counters()["points"].get(database, 0)

    def next_boundary(self):
        """The next multiple of the gen1 duration, in ns."""
        return (time.time_ns() // (self.gen1 * SECOND) + 1) * self.gen1 * SECOND

    def files(self):
        """{number: bytes} of the WAL files there are."""
        folder = os.path.join(self.node, "wal")
        files = {}
        for name in os.listdir(folder) if os.path.isdir(folder) else []:
            if not CLOSED.fullmatch(name):
                continue
            try:
                files[int(name[:11])] = os.path.getsize(os.path.join(folder, name))
            except FileNotFoundError:  # the server has just deleted it
                pass
        return files

    def snapshot(self):
        """The fields of the newest snapshot file, or None."""
        folder = os.path.join(self.node, "snapshots")
        listed = os.listdir(folder) if os.path.isdir(folder) else []
        names = sorted(name for name in listed if name.endswith(".info.json"))
        if not names:
            return None
        with open(os.path.join(folder, names[0]), encoding="utf-8") as file:
            return json.load(file)

    def covered(self):
        snapshot = self.snapshot()
        return snapshot["wal_file_sequence_number"] if snapshot else 0

    def pending(self):
        """{number: bytes} of the files that a restart would replay."""
        covered = self.covered()
        return {number: size for number, size in self.files().items() if number > covered}


class Writers:
    """`count` threads that write one point after the other until left."""

    def __init__(self, node, count=1, every=0.01):
        self.node, self.every = node, every
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(count)]

    def run(self):
        while not self.stopping.wait(self.every):
            try:
                self.node.write(database="live")
            except OSError:
                continue

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join(15)


class NodeCase(Case):
    def made_snapshots(self, ages):
        """What a node has that made snapshots `ages` seconds ago; before it is started."""
        folder = os.path.join(self.folder, "data", "n1", "snapshots")
        os.makedirs(folder)
        os.makedirs(os.path.join(self.folder, "data", "n1", "wal"))
        now = time.time()
        for sequence, age in enumerate(sorted(ages, reverse=True), 1):
            path = os.path.join(folder, snapshot_name(sequence))
            with open(path, "wb") as file:
                file.write(encode_snapshot({"snapshot_sequence_number": sequence, "wal_file_sequence_number": 1,
                                            "next_file_id": 1}))
            os.utime(path, (now - age, now - age))

    def node(self, token=None, **options):
        node = Node3(os.path.join(self.folder, "data"), token, **options)
        self.addCleanup(node.stop)
        return node.start()

    def file(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o600)
        return path

    def node_target(self, node, nudge=None, **sections):
        """The settings for it, with the nudge allowed; `nudge` is merged over that."""
        checkpoint = {"nudge": {"enabled": True, **(nudge or {})}, **sections.pop("checkpoint", {})}
        return target(node, checkpoint=checkpoint, **sections)


class Server2:
    """An InfluxDB 2.x with one bucket."""

    backup_address = ""
    bucket = "b171b2f71fd7029d"

    def __init__(self, folder, token="operator", limited_token="limited", version="dev", segment_bytes=1 << 20):
        self.engine = os.path.join(folder, "engine")
        self.wal = os.path.join(self.engine, "wal")
        self.token = token
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.server = InfluxDB2(self.engine, token, limited_token, {"plant": self.bucket}, version, segment_bytes,
                                f"127.0.0.1:{self.port}").start()

    def stop(self):
        self.server.close()

    def write(self, lines, **query):
        text = "&".join(f"{key}={value}" for key, value in ({"org": "o", "bucket": "plant"} | query).items())
        answer = request("POST", f"{self.url}/api/v2/write?{text}", body=lines,
                         headers={"Authorization": f"Token {self.token}"})
        if answer.status != 204:
            raise AssertionError(f"the test server answered {answer.status}: {answer.text}")

    def grow(self, size, when=None):
        """Writes until the WAL has grown by `size` bytes of what can't be compressed."""
        goal = sum(self.segments().values()) + size
        while sum(self.segments().values()) < goal:
            lines = [f'pump,site=a note="{os.urandom(700).hex()}" {(when or time.time_ns()) + number}' for number in range(200)]
            self.write("\n".join(lines))

    def counters(self):
        return self.server.all_counters()

    def segments(self):
        """{path: bytes} of the segments that are not empty."""
        found = {}
        for folder, _, names in os.walk(self.wal):
            for name in names:
                size = os.path.getsize(os.path.join(folder, name))
                if size > 0:
                    found[os.path.join(folder, name)] = size
        return found
