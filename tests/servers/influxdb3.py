#!/usr/bin/python3
"""A test server that behaves like InfluxDB 3 Core towards whoever watches its
WAL: real files in a real directory, the snapshot rule to the letter, and the
HTTP answers of tests/fixtures/http. See README.md.

As a program it prints `listening 127.0.0.1:PORT` once its WAL is replayed (the
real server opens its port no sooner), and `admin 127.0.0.1:PORT` where asked.
"""

import argparse
import json
import os
import re
import sys
import threading
import time
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import line_protocol
from catalog3 import TooManyDatabases
from engine3 import Engine, Options, Panicked, StartFailed, WriteFailed
from serving import Clock, HttpServer, Response, admin_application, json_response, on, parse_duration, run_until_told

CORS = ("access-control-allow-origin", "*")
SECRET = "*******"
OPEN_ROUTES = ("health", "ping", "metrics")
# Flags that 3.11 calls otherwise; both names are taken, as there.
RENAMED = {
    "wal-snapshot-size": "wal-files-per-snapshot",
    "force-snapshot-mem-threshold": "force-snapshot-mem-size",
    "wal-max-write-buffer-size": "wal-max-buffered-writes",
}
TABLES_OF_THE_UPGRADED_ENGINE = (
    "select table_name from information_schema.tables where table_schema = 'system' and table_name like 'pt_%'"
)
NODE_COLUMNS = ("node_id", "node_catalog_id", "instance_id", "mode", "core_count", "state", "updated_at", "cli_params")


def request_id():
    """A UUID of version 7: the time first."""
    stamp = int(time.time() * 1000).to_bytes(6, "big")
    data = bytearray(stamp + os.urandom(10))
    data[6], data[8] = 0x70 | data[6] & 0x0F, 0x80 | data[8] & 0x3F
    return str(uuid.UUID(bytes=bytes(data)))


class InfluxDB3:
    """One running server. `cli_params` is what system.nodes shows as given."""

    def __init__(
        self, options, token=None, without_auth=False, open_routes=(), version="3.10.0-nightly",
        cli_params=None, bind="127.0.0.1:0", clock=None, build="Core", mode=("core",),
    ):  # fmt: skip
        self.options, self.token, self.without_auth = options, token, without_auth
        self.open_routes, self.version = tuple(open_routes), version
        self.build, self.mode = build, list(mode)
        self.cli_params = cli_params if cli_params is not None else {}
        self.clock = clock or Clock()
        self.process_id = str(uuid.uuid4())
        self._bind = bind
        self._state = threading.Condition()
        self._hanging = False
        self._closed = False
        self._gone = threading.Event()
        self._fail_writes = 0
        self._on_end = []
        self.ended = False  # by itself, as after a WAL file was there already
        self.counters = {"requests": 0, "writes": 0, "failed_writes": 0, "lines": 0, "rejected_lines": 0}
        self._by_database = {}  # name -> points, bytes, rejected
        self.engine = Engine(options, self.clock, self._end)
        self.http = None
        self.admin = None

    def start(self, admin_bind=None):
        self.engine.open()
        self.http = HttpServer(self._bind, self.serve, self.clock)
        if admin_bind is not None:
            self.admin = HttpServer(admin_bind, admin_application(self.actions(), self.all_counters))
        return self

    @property
    def port(self):
        return self.http.port

    def when_ended(self, callback):
        with self._state:
            self._on_end.append(callback)
            if not self.ended:
                return
        callback()

    def _end(self):
        with self._state:
            self.ended = True
            callbacks = list(self._on_end)
        for callback in callbacks:
            callback()
        threading.Thread(target=self.close, daemon=True).start()

    def close(self, kill=False):
        """Returns once the server is gone, whoever closed it first."""
        with self._state:
            first, self._closed = not self._closed, True
            self._state.notify_all()
        if not first:
            self._gone.wait(timeout=20)
            return
        self.engine.kill() if kill else self.engine.close()
        for http in (self.http, self.admin):
            if http is not None:
                http.close()
        self._gone.set()

    def kill(self):
        self.close(kill=True)

    # --- the tests' side ------------------------------------------------------

    def actions(self):
        return {
            "stall": lambda value="true": self.stall(on(value)),
            "hang": lambda value="true": self.hang(on(value)),
            "fail-writes": lambda count: self.fail_writes(int(count)),
            "hold-snapshot": lambda how="none": self.engine.hold({"none": None, "before": "before", "half": "half"}[how]),
            "write-void": lambda: self.engine.write_void(),
            "clock": lambda offset_ns: self.clock.set_offset(int(offset_ns)),
        }

    def stall(self, value=True):
        """Goes on writing WAL files, but no flush looks at the rule."""
        self.engine.stalled = value

    def hang(self, value=True):
        """Takes connections and requests, answers none until told otherwise."""
        with self._state:
            self._hanging = value
            self._state.notify_all()

    def fail_writes(self, count):
        """The next `count` writes get a 500 and are not written."""
        with self._state:
            self._fail_writes = count

    def all_counters(self):
        with self._state:
            points = {name: values["points"] for name, values in self._by_database.items()}
            return self.counters | self.engine.counters | {"pending": len(self.engine.pending()), "points": points}

    # --- HTTP -----------------------------------------------------------------

    def serve(self, request):
        with self._state:
            self.counters["requests"] += 1
            self._state.wait_for(lambda: not self._hanging or self._closed)
            if self._hanging:
                return None
        route = (request.method, request.path)
        if not self._allowed(request):
            return self._error(401, "Unauthorized", b'{"error": "the request was not authenticated"}')
        if request.path == "/health":
            return self._ok("text/plain; charset=utf-8", b"OK")
        if route in (("GET", "/ping"), ("POST", "/ping")):
            return self._ping()
        if route == ("GET", "/metrics"):
            return self._ok("text/plain; version=0.0.4", self._metrics())
        if route == ("POST", "/api/v3/write_lp"):
            return self._write(request)
        if route == ("GET", "/api/v3/query_sql"):
            return self._query(request.query)
        if route == ("POST", "/api/v3/query_sql"):
            try:
                return self._query(json.loads(request.body))
            except ValueError as error:
                return self._error(400, "Bad Request", f"serde json error: {error}".encode())
        return self._error(404, "Not Found", b"Not found")

    def _allowed(self, request):
        if self.without_auth or request.path.strip("/") in self.open_routes:
            return True
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return self.token is not None and scheme in ("Bearer", "Token") and token.strip() == self.token

    @property
    def _cluster(self):
        return ("cluster-uuid", self.engine.catalog.cluster_uuid)

    def _ok(self, content_type, body, chunked=False):
        return Response(200, "OK", [("content-type", content_type), CORS, self._cluster], body, chunked=chunked)

    def _error(self, status, reason, body):
        return Response(status, reason, [self._cluster], body)

    def _json_error(self, status, reason, value):
        return json_response(status, reason, value, [self._cluster])

    def _ping(self):
        known = request_id()
        headers = [
            ("content-type", "application/json"), ("request-id", known), ("x-influxdb-build", self.build),
            ("x-influxdb-version", self.version), ("x-request-id", known), CORS, self._cluster,
        ]  # fmt: skip
        body = {"product_name": f"InfluxDB 3 {self.build}", "version": self.version, "revision": "dev", "process_id": self.process_id}
        return json_response(200, "OK", body, headers)

    def _metrics(self):
        families = [
            ("influxdb3_write_bytes_total", "track total number of bytes written to the database", "bytes"),
            ("influxdb3_write_lines_total", "track total number of lines written to the database", "points"),
            ("influxdb3_write_lines_rejected_total",
             "track total number of lines written to the database that were rejected", "rejected"),
        ]  # fmt: skip
        lines = ["# HELP http_requests_total accumulated total requests", "# TYPE http_requests_total counter"]
        with self._state:
            for name, text, key in families:
                lines += [f"# HELP {name} {text}", f"# TYPE {name} counter"]
                lines += [f'{name}{{db="{db}"}} {values[key]}' for db, values in self._by_database.items() if values[key]]
        return ("\n".join(lines) + "\n").encode()

    # --- writes ---------------------------------------------------------------

    def _write(self, request):
        with self._state:
            self.counters["writes"] += 1
            if self._fail_writes > 0:
                self._fail_writes -= 1
                self.counters["failed_writes"] += 1
                return self._error(500, "Internal Server Error", b"error writing wal file: told to fail by the test")
        name = request.param("db")
        if name is None:
            return self._json_error(400, "Bad Request", {"error": "missing query parameters 'db'"})
        wrong = database_name_error(name)
        if wrong:
            return self._json_error(400, "Bad Request", {"error": wrong})
        precision = request.param("precision", "auto")
        if precision != "auto" and precision not in line_protocol.PRECISIONS:
            return self._json_error(400, "Bad Request", {"error": f"serde error: unknown variant `{precision}`"})
        try:
            points, errors = self._parse(request.body, precision)
        except UnicodeDecodeError as error:
            return self._error(400, "Bad Request", f"invalid utf-8 sequence: {error.reason}".encode())
        partial = request.param("accept_partial", "true") == "true"
        if errors and not partial:
            return self._json_error(400, "Bad Request", {"error": "parsing failed for write_lp endpoint", "data": errors[0]})
        try:
            refused = self.engine.write(name, points, request.param("no_sync", "false") != "true") if points else []
        except TooManyDatabases as error:
            return self._json_error(422, "Unprocessable Entity", {"error": str(error)})
        except WriteFailed as error:
            with self._state:
                self.counters["failed_writes"] += 1
            return self._error(500, "Internal Server Error", str(error).encode())
        errors += [line_error(message, point.line_number, point.line) for point, message in refused]
        self._count(name, len(points) - len(refused), len(errors), len(request.body))
        if errors:
            errors.sort(key=lambda error: error["line_number"])
            return self._json_error(400, "Bad Request", {"error": "partial write of line protocol occurred", "data": errors})
        return Response(204, "No Content", [CORS, self._cluster], length=False)

    def _parse(self, body, precision):
        points, errors, now = [], [], self.clock.now_ns()
        for number, line in line_protocol.lines_of(body):
            try:
                point = line_protocol.parse_line(line)
            except line_protocol.LineError as error:
                errors.append(line_error(str(error), number, line))
                continue
            point.line_number, point.line = number, line
            if point.time is None:
                point.time = now
            else:
                auto = precision == "auto"
                point.time *= line_protocol.guess_precision(point.time) if auto else line_protocol.PRECISIONS[precision]
            if not -(2**63) <= point.time < 2**63:
                errors.append(line_error("Could not parse timestamp: out of range", number, line))
                continue
            points.append(point)
        return points, errors

    def _count(self, database, points, rejected, size):
        with self._state:
            values = self._by_database.setdefault(database, {"points": 0, "rejected": 0, "bytes": 0})
            values["points"] += points
            values["rejected"] += rejected
            values["bytes"] += size
            self.counters["lines"] += points
            self.counters["rejected_lines"] += rejected

    # --- queries --------------------------------------------------------------

    def _query(self, query):
        database, sql = query.get("db"), query.get("q")
        if not database or not sql:
            missing = "db" if not database else "q"
            return self._json_error(400, "Bad Request", {"error": f"missing query parameters '{missing}'"})
        if database != "_internal" and database not in self.engine.catalog.databases:
            return self._error(404, "Not Found", f"database not found: {database}".encode())
        words = sql.split()
        if not words or words[0].upper() != "SELECT":
            found = words[0] if words else "EOF"
            text = f'SQL error: ParserError("Expected: an SQL statement, found: {found} at Line: 1, Column: 1")'
            return self._error(400, "Bad Request", text.encode())
        if database == "_internal" and " ".join(words).lower() == TABLES_OF_THE_UPGRADED_ENGINE:
            names = ("pt_ingest_files", "pt_ingest_wal") if self.options.upgraded else ()
            rows = [json.dumps({"table_name": name}, separators=(",", ":")).encode() for name in names]
            return self._ok("application/json", b"[" + b",".join(rows) + b"]", chunked=True)
        match = re.fullmatch(r"select\s+(.+?)\s+from\s+([\w.]+)\s*;?", sql.strip(), re.IGNORECASE | re.DOTALL)
        rows = self._system_table(match.group(2).lower()) if match and database == "_internal" else None
        if rows is None:
            table = match.group(2) if match else "?"
            return self._error(400, "Bad Request", f"Error during planning: table 'public.{table}' not found".encode())
        wanted = [column.strip().strip('"') for column in match.group(1).split(",")]
        wanted = list(rows[0]) if wanted == ["*"] else wanted
        for column in wanted:
            if column not in rows[0]:
                return self._error(400, "Bad Request", f"Schema error: No field named {column}.".encode())
        rows = [{column: row[column] for column in wanted} for row in rows]
        texts = [json.dumps(row, separators=(",", ":")).encode() for row in rows]
        wanted_format = query.get("format", "json")
        if wanted_format == "json":
            return self._ok("application/json", b"[" + b",".join(texts) + b"]", chunked=True)
        if wanted_format == "jsonl":
            return self._ok("application/jsonl", b"\n".join(texts) + b"\n", chunked=True)
        return self._error(400, "Bad Request", f"this test server does not write {wanted_format}".encode())

    def _system_table(self, table):
        if table == "system.nodes":
            text = json.dumps(self.cli_params, separators=(",", ":"))
            values = (self.options.node_id, 0, self.process_id, self.mode, os.cpu_count(), "running", "1970-01-01T00:00:00", text)
            return [dict(zip(NODE_COLUMNS, values))]
        if table == "system.generation_durations":
            return [{"level": 1, "duration_seconds": self.options.gen1_ns // 10**9}]
        return None


def line_error(message, number, line):
    return {"error_message": message, "line_number": number, "original_line": line}


def database_name_error(name):
    if not name:
        return "db name cannot be empty"
    if not (name[0].isascii() and name[0].isalnum()):
        return "db name did not start with a number or letter"
    if not re.fullmatch(r"[A-Za-z0-9_\-/]+", name):
        return "invalid character in database or rp name: must be ASCII, containing only letters, numbers, underscores, or hyphens"
    if name.count("/") > 1 or name.endswith("/"):
        return "db name with invalid retention policy, if providing a retention policy name, must be of form '<db_name>/<rp_name>'"
    return None


def arguments():
    parser = argparse.ArgumentParser(description="A test server that keeps its WAL as InfluxDB 3 Core does.", allow_abbrev=False)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--node-id", required=True)
    parser.add_argument("--object-store", choices=["file"])
    parser.add_argument("--http-bind", default="127.0.0.1:0")
    parser.add_argument("--wal-snapshot-size", "--wal-files-per-snapshot", dest="wal_snapshot_size", type=int)
    parser.add_argument("--wal-flush-interval")
    parser.add_argument("--snapshotted-wal-files-to-keep", type=int)
    parser.add_argument("--wal-replay-fail-on-error", action="store_true")
    parser.add_argument("--gen1-duration", choices=["1m", "5m", "10m"])
    parser.add_argument("--without-auth", action="store_true")
    parser.add_argument("--disable-authz", help="comma separated: " + ", ".join(OPEN_ROUTES))
    ours = parser.add_argument_group("of this test server, not of InfluxDB")
    ours.add_argument("--token", help="the only token that is taken; without it and --without-auth all is refused")
    ours.add_argument("--version", default="3.10.0-nightly", help="from 3.11 on system.nodes shows the new flag names")
    ours.add_argument("--enterprise", metavar="CLUSTER", help="the edition, and the folder of its catalog")
    ours.add_argument("--mode", help="of the node, as system.nodes shows it: ingest,query; all")
    ours.add_argument("--upgraded-engine", action="store_true", help="that of new Enterprise clusters: no WAL in NODE/wal")
    ours.add_argument("--clock-file", help="a file that holds an offset in ns, added to the real time")
    ours.add_argument("--admin-bind", help="where to serve the tests' side: POST /stall, /hang, ...; GET /counters")
    ours.add_argument("--force-snapshot-mem-bytes", type=int, help="snapshot all when this much is buffered")
    ours.add_argument("--mem-check-interval", default="10s")
    ours.add_argument("--replay-cost", help="time each pending file takes at start, for example 5ms")
    ours.add_argument("--snapshot-delay", default="20ms", help="from the answer to the trigger to the snapshot file")
    ours.add_argument("--wal-put-retries", type=int, default=100, help="100 ms apart, before a write gets 500")
    ours.add_argument("--exit-with-stdin", action="store_true", help="end when stdin does")
    return parser.parse_args()


def given_flags(args):
    """The flags of InfluxDB that were given, as system.nodes shows them."""
    parts = re.match(r"(\d+)\.(\d+)", args.version)
    renamed = parts is not None and (int(parts[1]), int(parts[2])) >= (3, 11)
    flags = {}
    for name in (
        "object-store", "node-id", "http-bind", "wal-snapshot-size", "wal-flush-interval",
        "snapshotted-wal-files-to-keep", "gen1-duration", "disable-authz", "data-dir",
    ):  # fmt: skip
        value = getattr(args, name.replace("-", "_"))
        if value is not None:
            flags[RENAMED.get(name, name) if renamed else name] = str(value)
    if args.wal_replay_fail_on_error:
        flags["wal-replay-fail-on-error"] = "true"
    if args.without_auth:
        flags["without-auth"] = SECRET
    return flags


def main():
    args = arguments()
    options = Options(args.data_dir, args.node_id, args.enterprise or "", args.upgraded_engine)
    build = "Enterprise" if args.enterprise else "Core"
    mode = (args.mode or ("all" if args.enterprise else "core")).split(",")
    options.snapshot_size = args.wal_snapshot_size or options.snapshot_size
    if args.snapshotted_wal_files_to_keep is not None:
        options.kept_files = args.snapshotted_wal_files_to_keep
    options.force_snapshot_mem_bytes = args.force_snapshot_mem_bytes
    options.put_retries = args.wal_put_retries
    options.fail_on_error = args.wal_replay_fail_on_error
    open_routes = [route for route in (args.disable_authz or "").split(",") if route]
    try:
        options.flush_ns = parse_duration(args.wal_flush_interval or "1s")
        options.gen1_ns = parse_duration(args.gen1_duration or "10m")
        options.mem_check_ns = parse_duration(args.mem_check_interval)
        options.replay_cost_ns = parse_duration(args.replay_cost or "0s")
        options.snapshot_delay_ns = parse_duration(args.snapshot_delay)
        if any(route not in OPEN_ROUTES for route in open_routes):
            raise ValueError(f"--disable-authz takes {', '.join(OPEN_ROUTES)}")
        server = InfluxDB3(
            options, args.token, args.without_auth, open_routes, args.version, given_flags(args),
            args.http_bind, Clock(args.clock_file), build, mode,
        )  # fmt: skip
        server.start(args.admin_bind)
    except Panicked as panic:
        print(f"thread 'main' panicked: {panic}", file=sys.stderr)
        return 101
    except (StartFailed, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return run_until_told(server, args.exit_with_stdin)


if __name__ == "__main__":
    sys.exit(main())
