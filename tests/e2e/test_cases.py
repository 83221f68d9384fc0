#!/usr/bin/env python3
"""Situations that people met and reported, each laid out on disk, with the verdict of the program from outside:
its exit code, its JSON, its words. Nothing here knows how the program is built."""

import http.server
import json
import os
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import Case, FakeServer, main, run  # noqa: E402
import nodes  # noqa: E402,F401  (puts the test servers' folder on the path)

from wal2 import encode_entry  # noqa: E402
from wal3 import MAGIC, encode_header, snapshot_name, wal_name  # noqa: E402
import zlib  # noqa: E402

HEALTHY, WARNING, CRITICAL, NO_SAMPLE = range(4)
MIB = 1 << 20


def wal_file(number, magic=MAGIC, payload=None):
    now = time.time_ns()
    if payload is None:
        payload = encode_header(now // 10**6, now - 10**9, now, number) + b"\0" * 24
    return magic + zlib.crc32(payload).to_bytes(4, "big") + payload


class Fake3(http.server.ThreadingHTTPServer):
    """An InfluxDB 3 that says of itself what a test wants, and has no storage."""

    def __init__(self, version="3.10.0", rows=None, build="Core"):
        self.version, self.rows, self.build = version, rows or [], build
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
    """The backup port of a 1.x that empties shards after `delay`, in `folder`, and knows all of them."""

    def __init__(self, folder, delay=0.0, pause=0.0):
        self.folder, self.delay, self.pause, self.asked = folder, delay, pause, []
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
        time.sleep(self.pause)
        folder = os.path.join(self.folder, shard["BackupDatabase"], shard["BackupRetentionPolicy"], str(shard["ShardID"]))

        def empty():
            names = sorted(os.listdir(folder))
            open(os.path.join(folder, "_%05d.wal" % (int(names[-1][1:6]) + 1)), "wb").close()
            for name in names:
                os.remove(os.path.join(folder, name))

        if self.delay:
            threading.Timer(self.delay, empty).start()
        else:
            empty()
        connection.sendall(b"\0" * 1024)


class Cases(Case):
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
        entry = encode_entry([("pump,site=a", "float", [(time.time_ns(), 1.5)])])
        for number in range(1, count + 1):
            self.lay(self.path(root, shard, "_%05d.wal" % number), entry * 4)
        return self.path(root)

    def once(self, directory, *more):
        self.result = run("--once", "--format=json", f"--wal.directory={directory}", f"--state.directory={self.path('none')}",
                          *more)
        try:
            return json.loads(self.result.stdout)["targets"][0]
        except (ValueError, KeyError):
            return {"health": None, "error": self.result.stdout + self.result.stderr}

    def prepare(self, directory, *more):
        result = run("--prepare-restart", f"--wal.directory={directory}", f"--state.directory={self.path('own')}",
                     "--max-wait=3s", *more)
        return result.returncode, result.stdout + result.stderr

    def daemon(self, **sections):
        target = {"name": "plant", "wal": {"directory": self.path("wal")}, "sampling": {"interval": "200ms"},
                  "checkpoint": {"schedule": "off"}}
        for name, values in sections.items():
            target[name] = {**target.get(name, {}), **values}
        return self.exporter(json.dumps({"targets": [target]}))

    def checkpoint(self, exporter):
        exporter.post("/wal-management/checkpoint", timeout=60)
        return exporter.target("plant")["checkpoint"]["last_run"]


class OfOneX(Cases):
    def test_a_linked_shard_folder_is_counted_as_the_server_reads_it(self):
        self.segments("energy/autogen/4", 2)
        self.segments("linked", 70, root="ssd")
        os.symlink(self.path("ssd", "linked"), self.path("wal", "energy", "autogen", "9"))
        shown = self.once(self.path("wal"))
        self.assertEqual((shown["pending"]["files"], self.result.returncode), (72, CRITICAL))

    def test_a_linked_retention_policy_is_counted_too(self):
        self.segments("energy/autogen/4", 2)
        self.segments("week/11", 33, root="ssd")
        os.symlink(self.path("ssd", "week"), self.path("wal", "energy", "week"))
        shown = self.once(self.path("wal"))
        self.assertEqual((shown["pending"]["files"], self.result.returncode), (35, WARNING))

    def test_shards_with_an_empty_open_segment_raise_no_limit(self):
        for shard in range(200):
            self.lay(self.path("wal", "old", "autogen", str(1000 + shard), "_00007.wal"))
        self.segments("plant/autogen/3", 64)
        shown = self.once(self.path("wal"))
        self.assertEqual(shown["thresholds"]["warning_files"], 30)
        self.assertEqual((shown["pending"]["files"], self.result.returncode), (64, CRITICAL))

    def test_a_copy_beside_the_original_is_counted_once(self):
        for folder in ("plant", "plant-before-upgrade"):
            self.segments(f"{folder}/autogen/12", 17)
        os.makedirs(self.path("data", "plant", "autogen", "12"))
        shown = self.once(self.path("wal"))
        self.assertEqual((shown["pending"]["files"], self.result.returncode), (17, HEALTHY))

    def test_stray_folders_do_not_hide_the_databases(self):
        self.segments("plant/autogen/3", 5)
        for stray in ("@eaDir", ".snapshot", ".Trash-1000"):
            os.makedirs(self.path("wal", stray, "thumbs"))
        shown = self.once(self.path("wal"))
        self.assertEqual((shown["pending"]["files"], self.result.returncode), (5, HEALTHY))

    def test_a_stray_folder_does_not_turn_2_into_1(self):
        self.segments("a1b2c3d4e5f60718/autogen/3", 2)
        os.makedirs(self.path("wal", "@eaDir"))
        self.assertEqual(self.once(self.path("wal"))["version"], "2")

    def test_segments_of_the_cloud_edition_stop_a_start(self):
        self.segments("a1b2c3d4e5f60718/autogen/3", 2)
        for number in range(1, 9):
            self.lay(self.path("wal", "a1b2c3d4e5f60718", "autogen", "5", "_%05d.wrr" % number), b"x")
        self.once(self.path("wal"))
        self.assertEqual(self.result.returncode, CRITICAL, self.result.stdout + self.result.stderr)
        self.assertIn("other_edition", self.result.stdout)

    def test_a_backup_that_answers_before_its_snapshot_is_looked_after(self):
        self.segments("plant/autogen/3", 6)
        port = Fake8088(self.path("wal"), delay=4)
        self.addCleanup(port.close)
        exporter = self.daemon(influxdb={"version": 1, "backup_address": port.address}, checkpoint={"timeout": "20s"})
        ended = self.checkpoint(exporter)
        self.assertEqual(ended["outcome"], "succeeded", ended)

    def test_what_was_done_counts_where_the_time_was_too_short(self):
        for shard in range(1, 61):
            self.segments(f"plant/autogen/{shard}", 2)
        port = Fake8088(self.path("wal"), pause=0.1)
        self.addCleanup(port.close)
        exporter = self.daemon(influxdb={"version": 1, "backup_address": port.address}, checkpoint={"timeout": "3s"})
        ended = self.checkpoint(exporter)
        self.assertEqual(ended["outcome"], "succeeded", ended)
        self.assertIn("left for the next checkpoint", ended["message"])
        for _ in range(8):
            if len(set(port.asked)) == 60:
                break
            self.checkpoint(exporter)
        self.assertEqual(len(set(port.asked)), 60)
        self.assertEqual(self.outcomes(exporter)["failed"], 0)

    def test_a_containers_proxy_that_hangs_up_is_named(self):
        self.segments("plant/autogen/3", 2)
        port = FakeServer(lambda connection: connection.close())
        self.addCleanup(port.close)
        exporter = self.daemon(influxdb={"version": 1, "backup_address": port.address})
        ended = self.checkpoint(exporter)
        self.assertIn("INFLUXDB_BIND_ADDRESS", ended["message"])

    def test_a_wal_of_1x_under_version_3_is_said_to_be_one(self):
        self.segments("plant/autogen/3", 2)
        config = self.path("c.yml")
        self.lay(config, json.dumps({"targets": [{"influxdb": {"version": 3}, "wal": {"directory": self.path("wal")}}]}).encode())
        result = run("--once", f"--config.file={config}", f"--state.directory={self.path('none')}")
        self.assertIn("is a WAL of InfluxDB 1.x or 2.x, but influxdb.version is 3", result.stdout + result.stderr)

    def test_an_http_port_as_backup_address_is_named(self):
        self.segments("plant/autogen/3", 2)
        server = Fake3()
        self.addCleanup(server.end)
        exporter = self.daemon(influxdb={"version": 1, "backup_address": server.url[7:]})
        self.assertIn("that is an HTTP port", self.checkpoint(exporter)["message"])

    def test_a_wal_that_is_not_there_yet_may_be_one_of_a_new_server(self):
        shown = self.once(self.path("influxdb", "wal"))
        self.assertEqual(self.result.returncode, NO_SAMPLE)
        self.assertIn("may not have written yet", shown["error"])


class OfThree(Cases):
    def row(self, name, **flags):
        return {"node_id": name, "mode": ["core"], "state": "running",
                "cli_params": json.dumps({key.replace("_", "-"): value for key, value in flags.items()})}

    def server(self, *rows, **arguments):
        server = Fake3(rows=list(rows), **arguments)
        self.addCleanup(server.end)
        return f"--influxdb.url={server.url}"

    def test_a_large_manifest_is_read_by_its_head(self):
        node = self.node("n", range(1201, 1261))
        self.snapshot("n", 21, 1210)
        self.snapshot("n", 22, 1225, extra=b" " * (258 * MIB))
        start = time.monotonic()
        shown = self.once(node)
        self.assertEqual((shown["pending"]["files"], shown["sequence_gaps"]), (35, 0))
        self.assertLess(time.monotonic() - start, 2)

    def test_a_manifest_that_covers_what_no_file_has_is_not_believed(self):
        node = self.node("n", range(40, 80))
        self.snapshot("n", 4, 2**63)
        shown = self.once(node)
        self.assertNotEqual(self.result.returncode, HEALTHY)
        self.assertEqual(shown["pending"]["files"], 40)
        self.assertNotEqual(self.prepare(node)[0], 0)

    def test_a_later_format_is_no_damage(self):
        node = self.node("n", range(1, 4))
        for number in (4, 5, 6):
            self.lay(os.path.join(node, "wal", wal_name(number)), wal_file(number, magic=b"idb3.007"))
        shown = self.once(node, self.server(self.row("n"), version="3.14.0"))
        self.assertEqual((shown["invalid"], self.result.returncode), ([], HEALTHY))
        self.assertEqual(shown["pending"]["files"], 6)
        self.assertFalse(shown["newest_file_damaged"])

    def test_json_of_an_alpha_is_an_older_format(self):
        node = self.node("n", range(2, 5))
        self.lay(os.path.join(node, "wal", wal_name(1)), wal_file(1, payload=b'{"persist_timestamp_ms":1,"ops":[]}'))
        shown = self.once(node)
        self.assertEqual([one["reason"] for one in shown["invalid"]], ["older"])
        self.assertEqual(self.result.returncode, WARNING)

    def test_impossible_times_stop_a_start(self):
        node = self.node("n", range(1, 5))
        void = encode_header(time.time_ns() // 10**6, 2**63 - 1, -2**63, 2) + b"\0" * 24
        self.lay(os.path.join(node, "wal", wal_name(2)), wal_file(2, payload=void))
        shown = self.once(node)
        self.assertEqual(([one["reason"] for one in shown["invalid"]], self.result.returncode), (["times"], CRITICAL))
        code, said = self.prepare(node)
        self.assertEqual(code, 1)
        self.assertIn("will not start", said)

    def test_a_file_of_another_name_that_holds_a_number_twice_stops_a_start(self):
        node = self.node("n", range(11, 16))
        self.lay(os.path.join(node, "wal", "00000000013.wal~"), wal_file(13))
        shown = self.once(node)
        self.assertEqual(([one["reason"] for one in shown["invalid"]], self.result.returncode), (["foreign"], CRITICAL))

    def test_a_clusters_folder_is_refused_with_the_node_beside_it(self):
        self.lay(self.path("data", "plant-cluster", "catalog", "v2", "logs", "1.catalog"))
        self.node("data/writer-7", range(1, 41))
        shown = self.once(self.path("data", "plant-cluster"))
        self.assertEqual(self.result.returncode, NO_SAMPLE)
        self.assertIn(self.path("data", "writer-7"), shown["error"])

    def test_a_clusters_folder_beside_a_node_that_wrote_nothing_is_refused_too(self):
        self.lay(self.path("data", "plant-cluster", "catalog", "v2", "logs", "1.catalog"))
        os.makedirs(self.path("data", "writer-7", "wal"))
        shown = self.once(self.path("data", "plant-cluster"))
        self.assertEqual(self.result.returncode, NO_SAMPLE)
        self.assertIn(self.path("data", "writer-7"), shown["error"])
        self.assertEqual(self.prepare(self.path("data", "plant-cluster"))[0], 1)

    def test_a_catalog_alone_is_never_healthy(self):
        self.lay(self.path("data", "reader", "catalog", "v2", "logs", "1.catalog"))
        self.once(self.path("data", "reader"))
        self.assertIn(self.result.returncode, (WARNING, NO_SAMPLE))
        self.assertEqual(self.prepare(self.path("data", "reader"))[0], 1)

    def test_the_upgraded_engine_is_not_measured(self):
        node = self.node("n", range(1, 31))
        self.snapshot("n", 1, 30)
        for flags in ({"upgrade_pacha_tree": "true"}, {}):
            url = self.server(self.row("n", **flags), version="3.12.1", build="Enterprise")
            for name in os.listdir(os.path.join(node, "wal")):
                os.utime(os.path.join(node, "wal", name), (time.time() - 90_000,) * 2)
            self.once(node, url)
            self.assertEqual(self.result.returncode, WARNING, flags)
            self.assertIn("is not measured", self.prepare(node, url)[1])

    def test_a_hole_behind_a_snapshot_of_a_server_before_the_fix_is_no_loss(self):
        node = self.node("n", [*range(301, 451), *range(700, 750)])
        self.snapshot("n", 3, 450)
        self.assertEqual(self.once(node, self.server(self.row("n"), version="3.10.5"))["sequence_gaps"], 0)
        self.assertEqual(self.once(node, self.server(self.row("n"), version="3.10.6"))["sequence_gaps"], 249)

    def test_the_flag_that_makes_damage_end_a_start_is_known(self):
        node = self.node("n", range(1, 8))
        self.lay(os.path.join(node, "wal", wal_name(3)), wal_file(3)[:-5])
        self.once(node, self.server(self.row("n", wal_replay_fail_on_error="true")))
        self.assertEqual(self.result.returncode, CRITICAL)

    def test_a_slash_at_the_end_keeps_the_nodes_name(self):
        node = self.node("writer-b", range(1, 20))
        url = self.server(self.row("writer-a", wal_snapshot_size="600"), self.row("writer-b", wal_snapshot_size="40"))
        for way in (node, node + "/", self.path("writer-b", "..", "writer-b", ".")):
            self.assertEqual(self.once(way, url)["thresholds"]["warning_files"], 60, way)

    def test_odd_settings_of_the_server_are_said_with_their_value(self):
        node = self.node("n", range(1, 4))
        for flags, value in (({"wal_snapshot_size": "0"}, '"0"'), ({"wal_flush_interval": "2h"}, "2h"),
                             ({"wal_flush_interval": "5ms"}, "5ms")):
            shown = self.once(node, self.server(self.row("n", **flags)))
            self.assertIn(value, "\n".join(shown["recommendations"]) + "\n".join((shown.get("node") or {}).get("warnings", [])))


if __name__ == "__main__":
    main()
