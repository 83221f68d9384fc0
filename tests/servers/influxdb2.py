#!/usr/bin/python3
"""A test server that behaves like InfluxDB 2.x towards whoever watches its WAL:
segments per shard in engine/wal, emptied by a shard backup with a start time in
the future, and the HTTP answers of tests/fixtures/http. See README.md.
"""

import argparse
import datetime
import io
import json
import os
import re
import secrets
import sys
import tarfile
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import line_protocol
from serving import Clock, HttpServer, Response, admin_application, json_response, on, run_until_told
from wal2 import ShardWal, encode_entry

JSON = ("Content-Type", "application/json; charset=utf-8")
VARY = ("Vary", "Accept-Encoding")
SHARD_GROUP_NS = 7 * 24 * 3600 * 10**9
BUSY_BACKOFF_S = (0.001, 0.032, 1.024)  # how long a backup waits for a running snapshot before it goes without


class Shard:
    """One shard's WAL and the files its snapshots left."""

    def __init__(self, engine_dir, bucket_id, shard_id, segment_bytes):
        self.bucket_id, self.id = bucket_id, shard_id
        self.wal_dir = os.path.join(engine_dir, "wal", bucket_id, "autogen", str(shard_id))
        self.data_dir = os.path.join(engine_dir, "data", bucket_id, "autogen", str(shard_id))
        self.lock = threading.Condition()
        self.wal = ShardWal(self.wal_dir, segment_bytes)
        os.makedirs(self.data_dir, exist_ok=True)
        self.cached = bool(self.wal.segments())
        self.running = None  # closed segments of a snapshot that a test holds
        self.writes = 0
        self.latest_snapshot_ns = 0

    def wal_size(self):
        with self.lock:
            return self.wal.size()

    def write(self, entry):
        with self.lock:
            self.wal.append(entry)
            self.cached = True
            self.writes += 1

    def begin_snapshot(self):
        """Closes the segment; None where a snapshot is running already. The
        segment is closed even then, as upstream does."""
        closed = self.wal.close_segment()
        if self.running is not None:
            return None
        self.running = closed if self.cached else []
        self.cached = False
        return self.running

    def finish_snapshot(self, now_ns):
        closed, self.running = self.running or [], None
        if closed:
            size = sum(os.path.getsize(path) for path in closed)
            number = len(os.listdir(self.data_dir)) + 1
            with open(os.path.join(self.data_dir, f"{number:09d}-000000001.tsm"), "wb") as file:
                file.write(b"\x16\xd1\x16\xd1\x01" + bytes(size))
            for path in closed:
                os.unlink(path)
        self.latest_snapshot_ns = now_ns
        self.lock.notify_all()

    def snapshot(self, now_ns, stopped):
        """False where another one was running all the time; raises OSError, the open segment
        closed, where the shard's folder below data is gone."""
        with self.lock:
            if not os.path.isdir(self.data_dir):
                self.wal.close_segment()
                raise FileNotFoundError(f"open {self.data_dir}: no such file or directory")
            for backoff in (0, *BUSY_BACKOFF_S):
                self.lock.wait_for(lambda: stopped() or (backoff and self.running is None), timeout=backoff)
                if self.begin_snapshot() is not None:
                    self.finish_snapshot(now_ns)
                    return True
        return False

    def archive(self, since):
        """A tar of the shard's files changed after `since` (seconds since 1970).
        With none it is 1,024 zero bytes."""
        out = io.BytesIO()
        tar = tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT)
        for name in sorted(os.listdir(self.data_dir)):
            path = os.path.join(self.data_dir, name)
            if os.path.getmtime(path) > since:
                tar.add(path, f"{self.bucket_id}/autogen/{self.id}/{name}")
        return out.getvalue() + bytes(2 * tarfile.BLOCKSIZE)


class InfluxDB2:
    def __init__(
        self, engine_dir, token=None, limited_token=None, buckets=None, version="dev",
        segment_bytes=10 * 1024 * 1024, bind="127.0.0.1:0", clock=None,
    ):  # fmt: skip
        self.engine_dir = os.path.abspath(engine_dir)
        self.token, self.limited_token, self.version = token, limited_token, version
        self.segment_bytes, self._bind = segment_bytes, bind
        self.clock = clock or Clock()
        self._lock = threading.Condition()
        self._meta_path = os.path.join(os.path.dirname(self.engine_dir), "test_server_meta.json")
        self._meta = {"buckets": {}, "shards": []}  # shards: [id, bucket id, shard group's begin in ns or null]
        self._wanted_buckets = buckets or {}
        self._shards = {}
        self._hanging = self._closed = self._held = False
        self.counters = {"requests": 0, "writes": 0, "points": 0, "backups": 0, "backups_without_since": 0}
        self.counters |= {"snapshots": 0, "busy_backups": 0, "refused": 0}
        self.dropped = {}  # id -> bytes: shards that are gone and stay in /metrics (influxdata/influxdb#24094)
        self.http = self.admin = None

    def start(self, admin_bind=None):
        os.makedirs(os.path.join(self.engine_dir, "wal"), exist_ok=True)
        if os.path.exists(self._meta_path):
            with open(self._meta_path, encoding="utf-8") as file:
                self._meta = json.load(file)
        for name, bucket_id in self._wanted_buckets.items():
            self._meta["buckets"].setdefault(name, bucket_id or f"{secrets.randbits(64) | 1 << 60:016x}")
        self._adopt_directories()
        for shard_id, bucket_id, _ in self._meta["shards"]:
            self._shards[shard_id] = Shard(self.engine_dir, bucket_id, shard_id, self.segment_bytes)
        self._save()
        self.http = HttpServer(self._bind, self.serve, self.clock)
        if admin_bind is not None:
            self.admin = HttpServer(admin_bind, admin_application(self.actions(), self.all_counters))
        return self

    def _adopt_directories(self):
        """Buckets and shards met on disk of which no meta file tells."""
        known = {shard[0] for shard in self._meta["shards"]}
        root = os.path.join(self.engine_dir, "wal")
        for bucket_id in sorted(os.listdir(root)):
            if not re.fullmatch(r"[0-9a-f]{16}", bucket_id):
                continue
            if bucket_id not in self._meta["buckets"].values():
                self._meta["buckets"][bucket_id] = bucket_id
            retention = os.path.join(root, bucket_id, "autogen")
            for name in sorted(os.listdir(retention)) if os.path.isdir(retention) else []:
                if name.isdigit() and int(name) not in known:
                    self._meta["shards"].append([int(name), bucket_id, None])

    def _save(self):
        with open(self._meta_path + ".tmp", "w", encoding="utf-8") as file:
            json.dump(self._meta, file)
        os.rename(self._meta_path + ".tmp", self._meta_path)

    @property
    def port(self):
        return self.http.port

    def when_ended(self, callback):
        """It never ends by itself."""

    def close(self):
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._lock.notify_all()
        self.hold_snapshots(False)
        for http in (self.http, self.admin):
            if http is not None:
                http.close()
        for shard in self._shards.values():
            with shard.lock:
                shard.wal.close()

    # --- the tests' side ------------------------------------------------------

    def actions(self):
        return {
            "hang": lambda value="true": self.hang(on(value)),
            "hold-snapshots": lambda value="true": self.hold_snapshots(on(value)),
            "clock": lambda offset_ns: self.clock.set_offset(int(offset_ns)),
        }

    def hang(self, value=True):
        with self._lock:
            self._hanging = value
            self._lock.notify_all()

    def hold_snapshots(self, value=True):
        """While held, every shard has a snapshot running that does not end, so
        a backup is answered with 200 and empties nothing. Afterwards those
        snapshots end and take what was in the WAL when they began."""
        with self._lock:
            if value == self._held:
                return
            self._held = value
            shards = list(self._shards.values())
        for shard in shards:
            with shard.lock:
                shard.begin_snapshot() if value else shard.finish_snapshot(self.clock.now_ns())

    def all_counters(self):
        with self._lock:
            wal = {str(shard.id): shard.wal_size() for shard in self._shards.values()}
            return self.counters | {"wal_bytes": wal, "buckets": self._meta["buckets"]}

    def bucket_id(self, name):
        return self._meta["buckets"][name]

    # --- HTTP -----------------------------------------------------------------

    def serve(self, request):
        with self._lock:
            self.counters["requests"] += 1
            self._lock.wait_for(lambda: not self._hanging or self._closed)
            if self._hanging:
                return None
        if request.path == "/ping" and request.method in ("GET", "HEAD"):
            return Response(204, "No Content", [VARY, *self._own()], length=False, lower_case=False)
        if request.path == "/health" and request.method == "GET":
            body = (
                '{"name":"influxdb", "message":"ready for queries and writes", "status":"pass", '
                f'"checks":[], "version": "{self.version}", "commit": "none"}}\n'
            )
            return Response(200, "OK", [JSON, *self._own()], body.encode(), lower_case=False)
        if request.path == "/metrics" and request.method == "GET":
            headers = [("Content-Type", "text/plain; version=0.0.4; charset=utf-8"), VARY, *self._own()]
            return Response(200, "OK", headers, self._metrics(), lower_case=False)
        backup = re.fullmatch(r"/api/v2/backup/shards/([^/]+)", request.path)
        if not backup and request.path != "/api/v2/write":
            return self._error(404, "Not Found", "not found", "path not found")
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        known = [other for other in (self.token, self.limited_token) if other is not None]
        if scheme not in ("Token", "Bearer") or token not in known:
            return self._unauthorized("unauthorized access")
        if request.path == "/api/v2/write" and request.method == "POST":
            return self._write(request)
        if backup and request.method == "GET":
            if token != self.token:
                return self._unauthorized("read:authorizations is unauthorized")
            return self._backup(backup.group(1), request)
        return self._error(405, "Method Not Allowed", "method not allowed", "allow: GET, POST")

    def _own(self):
        return [("X-Influxdb-Build", "OSS"), ("X-Influxdb-Version", self.version)]

    def _error(self, status, reason, code, message, vary=True):
        headers = [JSON, *([VARY] if vary else []), *self._own(), ("X-Platform-Error-Code", code)]
        response = json_response(status, reason, {"code": code, "message": message}, headers)
        response.lower_case = False
        return response

    def _unauthorized(self, message):
        with self._lock:
            self.counters["refused"] += 1
        return self._error(401, "Unauthorized", "unauthorized", message, vary=False)

    def _write(self, request):
        name, bucket_id = request.param("bucket", ""), request.param("bucketID")
        bucket_id = bucket_id or self._meta["buckets"].get(name)
        bucket_id = bucket_id or (name if name in self._meta["buckets"].values() else None)
        if bucket_id not in self._meta["buckets"].values():
            return self._error(404, "Not Found", "not found", f'bucket "{name}" not found')
        unit = line_protocol.PRECISIONS.get(request.param("precision", "ns"))
        if unit is None:
            return self._error(400, "Bad Request", "invalid", "invalid precision; valid precision units are ns, us, ms, and s")
        groups, now, points = {}, self.clock.now_ns(), 0
        for _, line in line_protocol.lines_of(request.body):
            try:
                point = line_protocol.parse_line(line)
            except line_protocol.LineError as error:
                return self._error(400, "Bad Request", "invalid", f"unable to parse '{line}': {error}")
            when = now if point.time is None else point.time * unit
            key = ",".join([point.measurement] + [f"{tag}={value}" for tag, value in sorted(point.tags)])
            series = [(f"{key}#!~#{field}", kind, [(when, value)]) for field, kind, value in point.fields]
            groups.setdefault(when - when % SHARD_GROUP_NS, []).extend(series)
            points += 1
        for begin, series in groups.items():
            self._shard(bucket_id, begin).write(encode_entry(series))
        with self._lock:
            self.counters["writes"] += 1
            self.counters["points"] += points
        return Response(204, "No Content", self._own(), length=False, lower_case=False)

    def _shard(self, bucket_id, begin):
        with self._lock:
            mine = [shard for shard in self._meta["shards"] if shard[1] == bucket_id]
            for shard in mine:
                if shard[2] in (begin, None):
                    shard[2] = begin
                    return self._shards[shard[0]]
            shard_id = max([shard[0] for shard in self._meta["shards"]], default=0) + 1
            self._meta["shards"].append([shard_id, bucket_id, begin])
            self._shards[shard_id] = Shard(self.engine_dir, bucket_id, shard_id, self.segment_bytes)
            self._save()
            return self._shards[shard_id]

    def _backup(self, shard_text, request):
        since_text = request.param("since", "")
        with self._lock:
            self.counters["backups"] += 1
            self.counters["backups_without_since"] += not since_text
        if not shard_text.isdigit():
            return self._error(400, "Bad Request", "invalid", f'strconv.ParseUint: parsing "{shard_text}": invalid syntax')
        try:
            since = parse_rfc3339(since_text) if since_text else 0
        except ValueError:
            return self._error(400, "Bad Request", "invalid", f'parsing time "{since_text}": cannot parse')
        shard = self._shards.get(int(shard_text))
        if shard is None:
            return self._error(404, "Not Found", "not found", f"shard {shard_text} not found")
        try:
            done = shard.snapshot(self.clock.now_ns(), lambda: self._closed)
        except OSError as error:
            return self._error(500, "Internal Server Error", "internal error", str(error))
        with self._lock:
            self.counters["snapshots" if done else "busy_backups"] += 1
        headers = [VARY, *self._own(), ("Content-Type", "application/octet-stream")]
        return Response(200, "OK", headers, shard.archive(since), lower_case=False)

    def _metrics(self):
        families = [
            ("storage_cache_disk_bytes", "Gauge of size of most recent snapshot", "gauge", lambda shard: "0"),
            ("storage_cache_inuse_bytes", "Gauge of current memory consumption of cache", "gauge",
             lambda shard: str(shard.wal.size() if shard.cached else 0)),
            ("storage_cache_latest_snapshot", "Unix time of most recent snapshot", "gauge",
             lambda shard: go_float(shard.latest_snapshot_ns / 1e9)),
            ("storage_wal_size", "Gauge of size of WAL in bytes", "gauge", lambda shard: str(shard.wal.size())),
            ("storage_wal_writes", "Number of write attempts to the WAL", "counter", lambda shard: str(shard.writes)),
            ("storage_wal_writes_err", "Number of failed write attempts to the WAL", "counter", lambda shard: "0"),
        ]  # fmt: skip
        lines = []
        with self._lock:
            for name, text, kind, value in families:
                lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
                for shard in self._shards.values():
                    labels = f'bucket="{shard.bucket_id}",engine="tsm1",id="{shard.id}",path="{shard.data_dir}",walPath="{shard.wal_dir}"'
                    with shard.lock:
                        lines.append(f"{name}{{{labels}}} {value(shard)}")
                for number, size in self.dropped.items() if name == "storage_wal_size" else ():
                    path = os.path.join(self.engine_dir, "wal", "d0d0d0d0d0d0d0d0", "autogen", str(number))
                    lines.append(f'{name}{{engine="tsm1",id="{number}",walPath="{path}"}} {size}')
        return ("\n".join(lines) + "\n").encode()


def go_float(value):
    """A float as Go's text encoder writes it: 1.7953984606063373e+09."""
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.16e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{exponent}"


def parse_rfc3339(text):
    if not re.fullmatch(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[-+]\d\d:\d\d)", text):
        raise ValueError(text)
    return datetime.datetime.fromisoformat(text.upper().replace("Z", "+00:00")).timestamp()


def arguments():
    parser = argparse.ArgumentParser(description="A test server that keeps its WAL as InfluxDB 2.x does.", allow_abbrev=False)
    parser.add_argument("--engine-path", required=True, help="the folder that holds wal and data")
    parser.add_argument("--http-bind", default="127.0.0.1:0")
    parser.add_argument("--token", required=True, help="the operator token")
    parser.add_argument("--limited-token", help="a token that may write but not back up")
    parser.add_argument("--bucket", action="append", default=[], metavar="NAME[=ID]", help="16 hex digits; else one is made up")
    parser.add_argument("--version", default="dev", help="for example v2.7.12")
    parser.add_argument("--segment-bytes", type=int, default=10 * 1024 * 1024)
    parser.add_argument("--clock-file", help="a file that holds an offset in ns, added to the real time")
    parser.add_argument("--admin-bind", help="where to serve the tests' side: POST /hang, /hold-snapshots; GET /counters")
    parser.add_argument("--exit-with-stdin", action="store_true", help="end when stdin does")
    return parser.parse_args()


def main():
    args = arguments()
    buckets = {}
    for text in args.bucket:
        name, _, bucket_id = text.partition("=")
        if not name or (bucket_id and not re.fullmatch(r"[0-9a-f]{16}", bucket_id)):
            print(f"error: --bucket {text}: NAME or NAME=ID with 16 hex digits", file=sys.stderr)
            return 1
        buckets[name] = bucket_id
    try:
        server = InfluxDB2(
            args.engine_path, args.token, args.limited_token, buckets, args.version, args.segment_bytes,
            args.http_bind, Clock(args.clock_file),
        )  # fmt: skip
        server.start(args.admin_bind)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return run_until_told(server, args.exit_with_stdin)


if __name__ == "__main__":
    sys.exit(main())
