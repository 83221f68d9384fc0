#!/usr/bin/env python3
"""Situations that people met with InfluxDB 3 and reported, each laid out on disk, with the verdict of the program from outside:
its exit code, its JSON, its words."""

import json
import os
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import SANITIZED, main, run  # noqa: E402
from laid import CRITICAL, HEALTHY, MIB, NO_SAMPLE, WARNING, Fake3, Laid, wal_file  # noqa: E402

from wal3 import encode_header, snapshot_name, wal_name  # noqa: E402  (laid has put its folder on the path)


class OfThree(Laid):
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

    def test_a_manifest_costs_its_head_once_whether_whole_or_cut_off(self):
        self.node("wal", range(501, 511))
        tables = b'{"tables":[[1,{"files":[2,3]}],[4,{}]],"rows":5},' * (20 * MIB // 50) + b"{}"
        self.snapshot("wal", 2, 502, extra=tables)
        self.snapshot("wal", 3, 503, extra=tables)
        os.truncate(self.path("wal", "snapshots", snapshot_name(3)), 15 * MIB)

        exporter = self.daemon(influxdb={"version": 3})

        def told(file, key):
            with open(f"/proc/{exporter.pid}/{file}", encoding="ascii") as lines:
                return next(int(line.split()[1]) for line in lines if line.startswith(key))

        def samples():
            return self.counter(exporter, "influxdb_wal_samples_total")
        read, first = told("io", "rchar"), samples()
        self.until(lambda: samples() >= first + 4, "four more samples")
        self.assertLess(told("io", "rchar") - read, 4 * MIB)
        if not SANITIZED:
            self.assertLess(told("status", "VmHWM"), 40 * 1024)

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

    def test_the_upgraded_engine_is_not_measured(self):
        node = self.node("n", range(1, 31))
        self.snapshot("n", 1, 30)
        for flags, tables in (({"upgrade_pacha_tree": "true"}, ()), ({}, ("pt_ingest_wal",))):
            url = self.server(self.row("n", **flags), version="3.12.1", build="Enterprise", tables=tables)
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

    def test_a_volume_mounted_under_another_name_is_the_node_that_the_settings_say(self):
        self.node("volume", range(1, 20))
        server = Fake3(rows=[self.row("writer-a", wal_snapshot_size="600"), self.row("writer-b", wal_snapshot_size="50")])
        self.addCleanup(server.end)
        config = self.path("c.yml")
        for node_id, limit in (("writer-b", 75), (None, 900)):
            influxdb = {"version": 3, "url": server.url, **({"node_id": node_id} if node_id else {})}
            self.lay(config, json.dumps({"targets": [{"wal": {"directory": self.path("volume")},
                                                      "influxdb": influxdb}]}).encode())
            result = run("--once", "--format=json", f"--config.file={config}", f"--state.directory={self.path('none')}")
            shown = json.loads(result.stdout)["targets"][0]
            self.assertEqual(shown["thresholds"]["warning_files"], limit)
        self.assertIn("node_id", "\n".join(shown["node"]["warnings"]))

    def test_what_is_no_file_under_a_snapshots_name_is_said(self):
        node = self.node("n", range(1, 4))
        os.makedirs(os.path.join(node, "snapshots"))
        os.mkfifo(os.path.join(node, "snapshots", snapshot_name(9)))
        self.assertIn(snapshot_name(9) + " is not a regular file", "\n".join(self.once(node)["notes"]))

    def test_odd_settings_of_the_server_are_said_with_their_value(self):
        node = self.node("n", range(1, 4))
        for flags, value in (({"wal_snapshot_size": "0"}, '"0"'), ({"wal_flush_interval": "2h"}, "2h"),
                             ({"wal_flush_interval": "5ms"}, "5ms"), ({"wal_snapshot_size": "1"}, "1 ")):
            shown = self.once(node, self.server(self.row("n", **flags)))
            self.assertIn(value, "\n".join(shown["recommendations"]) + "\n".join((shown.get("node") or {}).get("warnings", [])))


if __name__ == "__main__":
    main()
