#!/usr/bin/env python3
"""InfluxDB 3 (our test server, which follows the real one's rules): what is shown
of a node, why its WAL does not shrink, the nudge, and the planned restart."""

import base64
import crypt
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from datetime import datetime

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import PROGRAM, main, run, settings  # noqa: E402
from nodes import SECOND, NodeCase, Writers  # noqa: E402

HOUR = 3600 * SECOND
CHECKPOINT = "/api/v1/targets/plant/checkpoint"
PLAN = "/api/v1/targets/plant/checkpoint-plan"
PREPARE = "/api/v1/targets/plant/prepare-restart"
SERIES_OF_CAUSES = ("too_few_files", "idle", "future_data", "stalled")


def seconds_of(text):
    """Of a time in the API, since 1970."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class Node(NodeCase):
    def begin(self, node, nudge=None, **sections):
        exporter = self.exporter(settings(self.node_target(node, nudge, **sections)))
        self.until(lambda: exporter.target()["node"] and (exporter.target()["server"] or {}).get("up"),
                   lambda: f"the node and its server known:\n{exporter.tail()}")
        return exporter

    def wait_pending(self, exporter, count):
        return self.until(lambda: exporter.target()["pending"]["files"] == count and exporter.target(),
                          lambda: f"{count} files pending: {exporter.target()['pending']}")

    def wait_cause(self, exporter, cause):
        def found():
            return cause in self.causes(exporter) and (exporter.target()["not_shrinking"] or True)
        return self.until(found, lambda: f"cause {cause}: {exporter.target()['not_shrinking']}")

    def causes(self, exporter):
        return [cause for cause in SERIES_OF_CAUSES
                if self.counter(exporter, "influxdb_wal_pending_cause", cause=cause)]

    def post(self, exporter, query="wait=25s", path=CHECKPOINT):
        return exporter.post(f"{path}?{query}", timeout=40)

    def follow(self, exporter, answer):
        self.assertEqual((answer.status, answer.json["state"]), (202, "running"), answer.text)
        location = answer.headers["Location"]
        return self.until(lambda: exporter.get(location).json["state"] == "ended" and exporter.get(location).json,
                          lambda: exporter.get(location).text)


class Shown(Node):
    def test_limits_follow_what_the_server_said_last_while_it_is_down(self):
        node = self.node()
        node.write(3)
        exporter = self.begin(node)
        def limit():
            return self.counter(exporter, "influxdb_wal_threshold_files", level="warning")
        expected = 20 + 10
        self.until(lambda: limit() == expected, lambda: f"limit {expected}, not {limit()}")
        exporter.stop()
        node.kill()
        exporter.start().wait_good_sample()
        self.assertEqual(limit(), expected)
        self.assertEqual(exporter.target()["node"]["snapshot_size"], 20)

    def test_odd_settings_of_the_server_are_told_with_their_value(self):
        node = self.node(flush_ms=1000)
        node.write(2)
        for flags, line, limit in (
                ({"wal-snapshot-size": "0"}, '--wal-snapshot-size is "0", which would make each flush a snapshot', 900),
                ({"wal-snapshot-size": "100MB"}, '--wal-snapshot-size is "100MB", which is not understood', 900),
                ({"wal-snapshot-size": "1"}, "wal-snapshot-size 1 and wal-flush-interval 1s: 3 x", 30),
                ({"wal-flush-interval": "1h"}, "wal-flush-interval 1h: up to 1h of writes are in memory alone", 30),
                ({"snapshotted-wal-files-to-keep": "50000"}, "snapshotted-wal-files-to-keep 50000: so many", 30)):
            before = dict(node.server.cli_params)
            node.server.cli_params.update(flags)
            exporter = self.begin(node)
            shown = self.until(lambda: any(line in told for told in exporter.target()["recommendations"]) and
                               exporter.target(), lambda: f"{line}: {exporter.target()['recommendations']}")
            self.assertEqual(shown["thresholds"]["warning_files"], limit)
            self.assertFalse(any("token" in told for told in shown["node"]["warnings"]), shown["node"]["warnings"])
            self.assertEqual(shown["health"], "healthy")
            exporter.stop()
            node.server.cli_params = before

    def test_each_warning_is_told_once(self):
        node = self.node(token="right")
        node.write(3)
        exporter = self.begin(node)
        warnings = self.until(lambda: exporter.target()["node"]["warnings"], "the refused token is told")
        self.assertEqual(sorted(warnings), sorted(set(warnings)))

    def test_once_knows_our_own_trigger(self):
        node = self.node()
        node.write(3)
        exporter = self.begin(node, nudge={"enabled": True})
        answer = exporter.post("/api/v1/targets/plant/checkpoint?mode=at_once&wait=60s", timeout=90)
        self.assertEqual(answer.status, 200, answer.text)
        result = run("--once", "--format", "json", f"--config.file={exporter.config}",
                     f"--state.directory={exporter.state}")
        shown = json.loads(result.stdout)["targets"][0]
        self.assertNotEqual((shown["not_shrinking"] or {}).get("cause"), "future_data")
        self.assertIsNotNone(shown["checkpoint"]["last_checkpoint"])
        # Without the state nobody can know whose point it is.
        alone = run("--once", "--format", "json", f"--config.file={exporter.config}", "--state.directory=/nonexistent")
        self.assertEqual(json.loads(alone.stdout)["targets"][0]["not_shrinking"]["cause"], "future_data")

    def test_pending_retained_and_snapshot_are_what_the_directory_holds(self):
        node = self.node(kept_files=3)
        node.write(29, time.time_ns() - 2 * node.gen1 * SECOND)
        node.write()
        self.until(lambda: node.covered() == 29 and len(node.files()) == 4, "the server's own snapshot")
        node.write(3)
        exporter = self.begin(node)
        shown, pending = exporter.target(), node.pending()
        self.assertEqual(sorted(pending), [30, 31, 32, 33])
        self.assertEqual((shown["version"], shown["error"]), ("3", None))
        self.assertEqual((shown["pending"]["files"], shown["pending"]["bytes"]), (4, sum(pending.values())))
        retained = {number: size for number, size in node.files().items() if number not in pending}
        self.assertEqual(shown["retained"], {"files": 3, "bytes": sum(retained.values())})
        self.assertEqual((shown["snapshot"]["sequence"], shown["snapshot"]["wal_file_sequence"]), (1, 29))
        self.assertEqual(self.counter(exporter, "influxdb_wal_files", state="pending"), 4)
        self.assertEqual(self.counter(exporter, "influxdb_wal_files", state="retained"), 3)
        self.assertEqual(self.counter(exporter, "influxdb_wal_bytes", state="pending"), sum(pending.values()))
        self.assertEqual(self.counter(exporter, "influxdb_wal_snapshot_files"), 1)
        limit = max(100, 2_630_016 // node.gen1)
        self.assertEqual(self.counter(exporter, "influxdb_wal_snapshot_budget_limit"), limit)
        self.assertEqual(self.counter(exporter, "influxdb_wal_snapshot_budget_remaining"), limit - 1)

    def test_new_files_are_seen(self):
        node = self.node()
        exporter = self.begin(node)
        self.assertEqual(exporter.target()["pending"]["files"], 0)
        node.write(5)
        self.wait_pending(exporter, 5)

    def test_files_that_vanish_count_until_a_snapshot_covers_them(self):
        node = self.node()
        exporter = self.begin(node)
        node.write(12, time.time_ns() - 2 * node.gen1 * SECOND)
        self.wait_pending(exporter, 12)
        sizes = node.files()
        for number in (5, 9):
            os.remove(os.path.join(node.node, "wal", f"{number:011}.wal"))
        vanished = self.until(lambda: exporter.target()["vanished"], "files that vanished")
        self.assertEqual((vanished["files"], vanished["bytes"]), (2, sizes[5] + sizes[9]))
        self.assertIn("in InfluxDB's memory alone", vanished["detail"])
        self.assertEqual(exporter.target()["health"], "warning")
        node.write(17, time.time_ns() - 2 * node.gen1 * SECOND)
        self.assertIsNotNone(exporter.target()["vanished"])
        node.write()
        self.until(lambda: node.covered() == 29, "the server's own snapshot")
        self.until(lambda: exporter.target()["vanished"] is None, "files that are accounted for")
        self.until(lambda: exporter.target()["health"] == "healthy", "a healthy node")

    def test_files_moved_while_the_server_is_stopped_have_not_vanished(self):
        node = self.node()
        exporter = self.begin(node)
        node.write(12)
        self.wait_pending(exporter, 12)
        node.stop()
        os.rename(os.path.join(node.node, "wal", f"{7:011}.wal"), os.path.join(self.folder, "aside"))
        node.start()
        self.until(lambda: exporter.target()["sequence_gaps"] == 1, "the gap")
        node.write()
        self.wait_pending(exporter, 12)
        self.assertIsNone(exporter.target()["vanished"])
        self.assertEqual(exporter.target()["health"], "healthy")

    def test_an_empty_node_is_known_by_its_server(self):
        node = self.node()
        exporter = self.exporter(settings(self.node_target(node, sampling={"interval": "2m"})))
        shown = self.until(lambda: exporter.target()["version"] and exporter.target(), "the version of an empty directory", 8)
        self.assertEqual((shown["version"], shown["thresholds"]["warning_files"], shown["node"]["snapshot_size"]),
                         ("3", 30, 20))

    def test_a_node_without_a_wal_is_a_new_one_only_by_its_servers_word(self):
        node = self.node()
        os.makedirs(os.path.join(node.node, "catalog", "v2"), exist_ok=True)
        shutil.rmtree(os.path.join(node.node, "wal"), ignore_errors=True)
        state = f"--state.directory={self.folder}/none"
        alone = run("--once", f"--wal.directory={node.node}", state)
        self.assertEqual(alone.returncode, 1, alone.stdout)
        self.assertIn("there is no wal/ yet", alone.stdout)
        told = run("--once", f"--wal.directory={node.node}", f"--influxdb.url={node.url}", state)
        self.assertEqual(told.returncode, 0, told.stdout)
        # A query node of Enterprise looks the same, and never has a WAL.
        node.stop()
        node.start(mode=("query",), version="3.11.4", build="Enterprise")
        shutil.rmtree(os.path.join(node.node, "wal"), ignore_errors=True)
        reader = run("--once", f"--wal.directory={node.node}", f"--influxdb.url={node.url}", state)
        self.assertEqual(reader.returncode, 1, reader.stdout)
        self.assertIn("this node takes no writes", reader.stdout)
        refused = run("--prepare-restart", f"--wal.directory={node.node}", f"--influxdb.url={node.url}", state)
        self.assertEqual(refused.returncode, 1, refused.stdout)
        self.assertIn("Not safe: the server says that this node takes no writes", refused.stdout)

    def test_enterprise_with_two_engines_is_measured_once_a_file_is_seen_to_appear(self):
        # To this token it does not say which one it runs.
        node = self.node(token="operator", open_routes=("ping",), version="3.11.2", build="Enterprise", mode=("all",))
        node.write(3)
        self.age(node)
        exporter = self.begin(node, influxdb={"url": node.url, "token_file": self.file("token", "limited")})
        self.until(lambda: exporter.target()["health"] == "warning", lambda: f"a warning:\n{exporter.tail()}")
        self.assertIn("whether this node has that engine is not known", "\n".join(exporter.target()["recommendations"]))
        prepared = exporter.post("/api/v1/targets/plant/prepare-restart?max_wait=5s", timeout=30)
        self.assertIn("Not safe: InfluxDB Enterprise 3.11", prepared.json["message"])
        node.write(1)
        self.until(lambda: exporter.target()["health"] == "healthy", lambda: f"healthy by the write:\n{exporter.tail()}")
        # That was learned once for this directory.
        self.age(node)
        exporter.stop()
        exporter.start().wait_good_sample()
        self.assertEqual(exporter.target()["health"], "healthy")

    def age(self, node):
        """As if nothing had been written for half a day."""
        folder = os.path.join(node.node, "wal")
        for name in os.listdir(folder):
            os.utime(os.path.join(folder, name), (time.time() - 43_000,) * 2)

    def test_settings_are_read_from_the_server_with_a_token(self):
        node = self.node(token="s3cret-token", kept_files=7)
        exporter = self.begin(node, influxdb={"token_file": self.file("token", "s3cret-token\n")})
        shown = exporter.target()
        told = shown["node"]
        self.assertEqual((told["snapshot_size"], told["snapshot_size_from"]), (20, "server"))
        self.assertEqual((told["flush_interval_seconds"], told["flush_interval_from"]), (0.01, "server"))
        self.assertEqual((told["gen1_duration_seconds"], told["gen1_duration_from"]), (node.gen1, "server"))
        self.assertEqual((told["kept_files"], told["kept_files_from"]), (7, "server"))
        self.assertEqual((shown["thresholds"]["warning_files"], shown["thresholds"]["critical_files"]), (30, 60))
        # 3 x 20 x 10 ms is less than the gen1 duration, and that is all there is to say.
        self.assertEqual(len(told["warnings"]), 1, told["warnings"])
        self.assertIn("--wal-flush-interval", told["warnings"][0])
        self.assertIn(told["warnings"][0], shown["recommendations"])
        self.assertNotIn("s3cret-token", exporter.log() + exporter.get("/api/v1/targets").text)

    def test_settings_override_the_server(self):
        node = self.node()
        exporter = self.begin(node, influxdb={"snapshot_size": 100, "flush_interval": "3s", "gen1_duration": "5m",
                                              "kept_files": 9})
        shown = exporter.target()
        told = shown["node"]
        self.assertEqual((told["snapshot_size"], told["flush_interval_seconds"], told["gen1_duration_seconds"],
                          told["kept_files"]), (100, 3, 300, 9))
        self.assertEqual({value for key, value in told.items() if key.endswith("_from")}, {"settings"})
        self.assertEqual((shown["thresholds"]["warning_files"], told["warnings"]), (150, []))

    def test_a_token_that_can_not_be_read_does_not_make_the_server_unreachable(self):
        node = self.node(token="right", kept_files=7)
        node.write(3)
        token = os.path.join(self.folder, "token")
        exporter = self.begin(node, influxdb={"token_file": token})
        self.until(lambda: self.counter(exporter, "influxdb_wal_server_up") == 1, "the server is up")
        warnings = self.until(lambda: exporter.target()["node"]["warnings"], "the token is told")
        self.assertTrue(any("influxdb.token_file" in warning and token in warning for warning in warnings), warnings)
        self.assertNotIn("not reachable", exporter.log())
        self.assertIn("InfluxDB is up, but", exporter.log())
        self.file("token", "right\n")
        self.until(lambda: exporter.target()["node"]["kept_files"] == 7, "the server's own settings")

    def test_a_token_that_may_not_read_them_leaves_defaults_and_warnings(self):
        node = self.node(token="right", open_routes=("ping", "health"))
        node.write()
        exporter = self.begin(node, influxdb={"token_file": self.file("token", "wrong")})
        shown = exporter.target()
        told = shown["node"]
        self.assertEqual({told[f"{key}_from"] for key in ("snapshot_size", "flush_interval", "gen1_duration", "kept_files")},
                         {"default"})
        self.assertEqual((told["snapshot_size"], shown["thresholds"]["warning_files"]), (600, 900))
        for key in ("snapshot_size", "flush_interval", "gen1_duration"):
            self.assertTrue(any(key in warning and "token" in warning for warning in told["warnings"]), told["warnings"])
            self.assertTrue(any(key in line for line in shown["recommendations"]), shown["recommendations"])
        self.assertIn("influxdb.snapshot_size", exporter.log())
        self.assertTrue(any("401" in warning for warning in told["warnings"]), told["warnings"])

    def test_defaults_are_warned_of_in_the_log_without_a_server_to_ask(self):
        node = self.node()
        node.write()
        exporter = self.exporter(settings(self.node_target(node, influxdb={"url": None, "backup_address": None})))
        self.until(lambda: exporter.target()["node"], "the node")
        for key in ("snapshot_size", "flush_interval", "gen1_duration"):
            self.assertTrue(any(key in line for line in exporter.target()["recommendations"]))
            self.assertIn(f"influxdb.{key} is not known", exporter.log())

    def test_a_half_written_snapshot_is_not_believed(self):
        node = self.node()
        exporter = self.begin(node)
        node.server.engine.hold("half")
        node.write(29, time.time_ns() - 2 * node.gen1 * SECOND)
        node.write()
        self.until(lambda: os.listdir(os.path.join(node.node, "snapshots")), "half a snapshot file")
        shown = self.wait_pending(exporter, 30)
        self.assertEqual((shown["snapshot"], shown["error"], shown["health"]), (None, None, "healthy"))
        node.server.engine.hold(None)
        shown = self.wait_pending(exporter, 1)
        self.assertEqual(shown["snapshot"]["wal_file_sequence"], 29)

    def test_a_server_restarted_with_another_snapshot_size_moves_the_limits(self):
        node = self.node()
        exporter = self.begin(node)
        self.assertEqual(exporter.target()["thresholds"]["warning_files"], 30)
        node.stop()
        self.until(lambda: not exporter.target()["server"]["up"], "the server seen down")
        node.start(snapshot_size=40)
        self.until(lambda: exporter.target()["thresholds"]["warning_files"] == 60, "limits of the new snapshot size")
        self.assertEqual(exporter.target()["node"]["snapshot_size"], 40)
        self.assertEqual(exporter.target()["thresholds"]["critical_files"], 120)

    def test_flags_as_3_11_names_them_are_read(self):
        node = self.node()
        node.stop()
        node.start(version="3.11.7", snapshot_size=30)
        node.server.cli_params = {"wal-files-per-snapshot": "30", "wal-flush-interval": "20ms"}
        exporter = self.begin(node)
        told = exporter.target()["node"]
        self.assertEqual((told["snapshot_size"], told["snapshot_size_from"]), (30, "server"))
        self.assertTrue(any("--force-snapshot-max-age" in line for line in exporter.target()["recommendations"]))


class Cause(Node):
    def test_too_few_files(self):
        node = self.node()
        node.write(5)
        exporter = self.begin(node)
        shown = self.wait_cause(exporter, "too_few_files")
        self.assertIn("25 missing", shown["detail"])
        self.assertEqual(self.causes(exporter), ["too_few_files"])
        self.assertTrue(any("too_few_files" in line for line in exporter.target()["recommendations"]))

    def test_future_data_names_the_file(self):
        node = self.node()
        node.write(3)
        node.write(1, time.time_ns() + 10 * HOUR)
        node.write(2)
        exporter = self.begin(node)
        shown = self.wait_cause(exporter, "future_data")
        self.assertEqual(shown["file"], "00000000004.wal")
        self.assertIn("ahead", shown["detail"])
        self.assertEqual(self.causes(exporter), ["future_data"])

    def test_data_of_a_server_whose_clock_is_ahead_is_not_of_the_future(self):
        node = self.node(clock_ahead=17 * 60, gen1=600)
        node.write(12)
        exporter = self.begin(node)
        self.assertAlmostEqual(self.counter(exporter, "influxdb_wal_server_clock_offset_seconds"), 17 * 60, delta=2)
        shown = self.wait_cause(exporter, "too_few_files")
        advice = [line for line in exporter.target()["recommendations"] if "clocks differ by 17m" in line]
        self.assertEqual(len(advice), 1, shown)
        self.assertIn("NTP", advice[0])
        for mode in ("patient", "at_once"):
            plan = exporter.get(f"{PLAN}?mode={mode}").json
            self.assertEqual((plan["goal"], plan["points"], plan["blockers"]), (30, 18, ["clocks_differ"]))
            answer = self.post(exporter, f"mode={mode}")
            self.assertEqual((answer.status, answer.json["blockers"]), (409, ["clocks_differ"]), answer.text)
        self.assertEqual(node.points(), 0)

    def test_a_nudge_dates_its_points_by_the_servers_clock(self):
        node = self.node(clock_ahead=-200, gen1=600)
        node.write(12, time.time_ns() - 900 * SECOND)
        exporter = self.begin(node)
        self.wait_pending(exporter, 12)
        answer = self.post(exporter)
        self.assertEqual((answer.status, answer.json["outcome"]), (200, "succeeded"), answer.text)
        self.assertEqual((node.points(), node.covered()), (18, 29))
        last = self.until(lambda: exporter.target()["max_data_time"], "the last point, which stays")
        self.assertLess(abs(seconds_of(last) - (time.time() - 200)), 30)

    def test_a_node_that_snapshots_by_itself_is_no_complaint(self):
        node = self.node(flush_ms=20, gen1=600, snapshot_size=30, kept_files=5)
        exporter = self.begin(node, sampling={"interval": "1s"})
        with Writers(node, every=0.02):
            self.until(lambda: node.snapshot() and node.snapshot()["snapshot_sequence_number"] >= 3,
                       "three snapshots of its own")
            advice = self.until(lambda: [line for line in exporter.target()["recommendations"]
                                         if line.startswith("Next snapshot due in about ")], "its next snapshot is told")
            shown = exporter.target()
            rate = shown["forecast"]["growth_short"]["files_per_second"]
            self.assertGreater(rate, 5)
            self.assertLess(rate, 60)
            self.assertRegex(advice[0], r"^Next snapshot due in about \S+ \(90 files; \d+ so far\)$")
            for _ in range(20):
                shown = exporter.target()
                self.assertIsNone(shown["not_shrinking"])
                self.assertNotIn("does not shrink", " ".join(shown["recommendations"]))
                time.sleep(0.05)

    def test_none_while_enough_files_come(self):
        node = self.node()
        node.write(29)
        exporter = self.begin(node)
        shown = self.wait_pending(exporter, 29)
        self.assertIsNone(shown["not_shrinking"])
        self.assertEqual(self.causes(exporter), [])

    def test_idle_until_the_next_write(self):
        node = self.node(gen1=2)
        node.write(29)
        exporter = self.begin(node)
        self.wait_cause(exporter, "idle")
        self.assertEqual(self.causes(exporter), ["idle"])
        node.write()
        self.until(lambda: node.covered() == 29, "the server's own snapshot")
        self.wait_cause(exporter, "too_few_files")

    def test_a_damaged_newest_file_stops_all_writing(self):
        node = self.node()
        node.write(4)
        with open(os.path.join(node.node, "wal", "00000000004.wal"), "wb"):
            pass
        exporter = self.begin(node)
        self.until(lambda: self.counter(exporter, "influxdb_wal_newest_file_damaged") == 1, "the metric")
        shown = exporter.target()
        self.assertTrue(any("newest WAL file is damaged" in line for line in shown["recommendations"]))
        self.assertEqual([(file["file"], file["reason"], file["newest"]) for file in shown["invalid"]],
                         [("00000000004.wal", "empty", True)])
        before = node.counters()["writes"]
        for path, status in ((CHECKPOINT, 409), (PREPARE, 502)):
            answer = self.post(exporter, "", path)
            self.assertEqual((answer.status, answer.json["success"]), (status, False), answer.text)
            self.assertIn("newest WAL file is damaged", answer.json["message"])
        self.assertEqual(node.counters()["writes"], before)


class Plan(Node):
    def test_says_what_a_nudge_would_do(self):
        node = self.node()
        node.write(10)
        exporter = self.begin(node)
        self.wait_pending(exporter, 10)
        patient = exporter.get(PLAN).json
        self.assertEqual((patient["target"], patient["method"], patient["mode"]), ("plant", "nudge", "patient"))
        self.assertEqual((patient["goal"], patient["points"], patient["blockers"]), (30, 20, []))
        self.assertIsNotNone(patient["not_before"])
        self.assertGreater(patient["duration_seconds"], 20 * 0.01)
        self.assertEqual(patient["snapshot_budget_remaining"], max(100, 2_630_016 // node.gen1))
        self.assertIn("20 points", patient["explanation"])
        at_once = exporter.get(PLAN + "?mode=at_once").json
        self.assertEqual((at_once["mode"], at_once["goal"], at_once["points"]), ("at_once", 30, 20))
        self.assertIsNone(at_once["not_before"])
        self.assertAlmostEqual(at_once["duration_seconds"], 20 * 0.01, places=3)
        self.assertIn("delays the server's own next snapshot", at_once["explanation"])
        self.assertEqual(exporter.get(PLAN + "?mode=soon").status, 400)

    def test_is_shown_by_once_and_explain(self):
        node = self.node()
        node.write(10)
        config = self.file("plant.yml", settings(self.node_target(node)))
        explained = run("--explain", f"--config.file={config}", f"--state.directory={self.folder}/none")
        self.assertEqual(explained.returncode, 0, explained.stderr)
        self.assertIn("goal 30: 20 points", explained.stdout)
        self.assertIn("too_few_files", explained.stdout)
        self.assertIn("snapshots left", explained.stdout)
        once = run("--once", f"--config.file={config}")
        self.assertEqual(once.returncode, 0, once.stderr)
        self.assertIn("10 files", once.stdout)
        self.assertIn("warning above  30 files", once.stdout)
        self.assertEqual(node.points(), 0)

    def test_a_nudge_that_is_off_is_refused(self):
        node = self.node()
        node.write(5)
        exporter = self.begin(node, {"enabled": False})
        self.wait_pending(exporter, 5)
        before = node.counters()["writes"]
        answer = self.post(exporter)
        self.assertEqual((answer.status, answer.json["blockers"]), (409, ["method_disabled"]), answer.text)
        self.assertIn("checkpoint.nudge.enabled", answer.json["message"])
        self.assertEqual(exporter.get(PLAN).json["blockers"], ["method_disabled"])
        self.assertEqual(node.counters()["writes"], before)

    def test_a_nudge_that_needs_more_points_than_allowed_writes_none(self):
        node = self.node()
        node.write(5)
        exporter = self.begin(node, {"max_points": 1})
        before = node.counters()["writes"]
        for mode in ("patient", "at_once"):
            answer = self.post(exporter, f"mode={mode}")
            self.assertEqual((answer.status, answer.json["blockers"]), (409, ["too_long"]), answer.text)
            self.assertIn("max_points", answer.json["message"])
        self.assertEqual(exporter.get(PLAN).json["blockers"], ["too_long"])
        self.assertEqual(node.counters()["writes"], before)

    def test_a_nudge_that_would_take_longer_than_allowed_writes_none(self):
        node = self.node()
        node.write(5)
        exporter = self.begin(node, {"max_duration": "10s"})  # the boundary is a minute away at least
        before = node.counters()["writes"]
        answer = self.post(exporter, "mode=patient")
        self.assertEqual((answer.status, answer.json["blockers"]), (409, ["too_long"]), answer.text)
        self.assertEqual(node.counters()["writes"], before)


class Nudge(Node):
    def assert_covered(self, node, numbers):
        self.assertGreaterEqual(node.covered(), max(numbers))

    def test_patient_writes_the_plans_points_and_leaves_at_most_one_file(self):
        node = self.node(gen1=2)
        node.write(12)
        exporter = self.begin(node)
        self.wait_pending(exporter, 12)
        plan = exporter.get(PLAN).json
        answer = self.post(exporter)
        self.assertEqual((answer.status, answer.json["outcome"]), (200, "succeeded"), answer.text)
        self.assertEqual((plan["points"], node.points()), (18, 18))
        self.assertEqual(answer.json["run"]["steps"], 18)
        self.assertEqual(answer.json["run"]["reclaimed"]["files"], 12)
        self.assertLessEqual(len(node.pending()), 1)
        self.assert_covered(node, range(1, 30))
        self.assertLessEqual(exporter.target()["pending"]["files"], 1)
        self.assertIsNone(next((line for line in exporter.target()["recommendations"] if "next snapshot comes later" in line),
                               None))
        self.assertEqual(self.counter(exporter, "influxdb_wal_checkpoints_total", reason="manual", outcome="succeeded"), 1)

    def test_after_a_patient_one_the_servers_own_snapshot_comes_as_usual(self):
        node = self.node(gen1=2)
        node.write(12)
        exporter = self.begin(node)
        self.assertEqual(self.post(exporter).status, 200)
        left, covered = len(node.pending()), node.covered()
        # The next row: what is there up to 29 files, and one write after the boundary.
        node.write(29 - left)
        boundary = node.next_boundary()
        self.until(lambda: time.time_ns() > boundary, "the boundary")
        self.assertEqual(node.covered(), covered)
        node.write()
        self.until(lambda: node.covered() == covered + 29, "the server's own snapshot at 30 files")

    def test_at_once_covers_all_says_the_price_and_holds_the_next_back(self):
        node = self.node()
        node.write(12)
        exporter = self.begin(node)
        answer = self.post(exporter, "mode=at_once&wait=25s")
        self.assertEqual((answer.status, answer.json["outcome"]), (200, "succeeded"), answer.text)
        self.assertEqual(node.points(), 18)
        self.assertEqual(sorted(node.pending()), [30], "the trigger's own file")
        node.write(2)

        def price(shown):
            self.assertTrue(any("server's own next snapshot comes later" in line for line in shown["recommendations"]),
                            shown["recommendations"])
            self.wait_cause(exporter, "too_few_files")
            self.assertEqual(self.causes(exporter), ["too_few_files"])
            again = self.post(exporter, "mode=patient")
            self.assertEqual((again.status, again.json["blockers"]), (409, ["min_interval"]), again.text)
            self.assertEqual(node.points(), 18)
        price(self.wait_pending(exporter, 3))
        # All of it is remembered by the next process.
        exporter.kill()
        exporter.start().wait_good_sample()
        price(self.wait_pending(exporter, 3))

    def test_a_stop_while_the_trigger_is_being_written_does_not_forget_whose_it_is(self):
        node = self.node()
        node.write(29)
        node.stop()
        node.start(flush_ms=3000)
        exporter = self.begin(node)
        self.assertEqual(self.post(exporter, "mode=at_once&wait=0s").status, 202)
        self.until(lambda: node.counters()["writes"] == 1, "the trigger sent")
        exporter.signal(signal.SIGTERM)
        self.assertEqual(exporter.wait(20), 0, exporter.tail())
        self.until(lambda: node.covered() == 29, "the snapshot of the trigger")
        exporter.start().wait_good_sample()
        shown = self.wait_pending(exporter, 1)
        self.until(lambda: exporter.target()["not_shrinking"], "a cause")
        self.assertEqual(exporter.target()["not_shrinking"]["cause"], "too_few_files", shown["not_shrinking"])

    def test_future_dated_data_is_passed_at_three_snapshot_sizes(self):
        node = self.node()
        node.write(5)
        node.write(1, time.time_ns() + 10 * HOUR)
        node.write(4)
        exporter = self.begin(node)
        self.wait_pending(exporter, 10)
        plan = exporter.get(PLAN).json
        self.assertEqual((plan["goal"], plan["points"], plan["not_before"]), (60, 50, None))
        answer = self.post(exporter)
        self.assertEqual((answer.status, answer.json["outcome"]), (200, "succeeded"), answer.text)
        self.assertEqual((node.points(), node.covered(), node.pending()), (50, 60, {}))
        self.until(lambda: exporter.target()["not_shrinking"] is None, "no cause")

    def test_what_is_shown_right_after_one_is_all_of_one_moment(self):
        node = self.node()
        node.write(5)
        node.write(1, time.time_ns() + 10 * HOUR)
        exporter = self.begin(node)
        self.wait_cause(exporter, "future_data")
        self.assertEqual(self.post(exporter).status, 200)
        shown = exporter.target()
        self.assertEqual((shown["pending"]["files"], shown["not_shrinking"]), (0, None))
        self.assertNotIn("future_data", " ".join(shown["recommendations"]))

    def live(self, mode, **options):
        node = self.node(**options)
        node.write(10)
        exporter = self.begin(node)
        self.wait_pending(exporter, 10)
        with Writers(node, 2, every=0.15):
            self.until(lambda: node.points("live") > 2, "live writes")
            start, plan = node.pending(), exporter.get(f"{PLAN}?mode={mode}").json
            answer = self.post(exporter, f"mode={mode}&wait=25s")
        self.assertEqual((answer.status, answer.json["outcome"]), (200, "succeeded"), answer.text)
        self.assertLessEqual(node.points(), plan["points"])
        self.assertGreater(node.points("live"), 0)
        self.assert_covered(node, start)

    def test_patient_among_live_writers(self):
        self.live("patient", gen1=2)

    def test_at_once_among_live_writers(self):
        self.live("at_once")

    def test_a_running_one_is_followed_and_never_doubled(self):
        node = self.node(gen1=2)
        node.write(8)
        exporter = self.begin(node)
        answer = self.post(exporter, "wait=0s")
        second = self.post(exporter, "wait=0s")
        self.assertEqual(second.status, 409, second.text)
        self.assertIn("in_flight", second.json["blockers"])
        ended = self.follow(exporter, answer)
        self.assertEqual((ended["outcome"], ended["steps"], node.points()), ("succeeded", 22, 22), ended)

    def test_a_server_killed_midway_fails_with_what_was_done(self):
        node = self.node(flush_ms=100)
        node.write(3)
        exporter = self.begin(node)
        answers = []
        asking = threading.Thread(target=lambda: answers.append(self.post(exporter, "mode=at_once&wait=25s")))
        asking.start()
        self.until(lambda: node.points() >= 4, "some points")
        node.kill()
        asking.join(30)
        self.assertEqual((answers[0].status, answers[0].json["success"]), (502, False), answers[0].text)
        self.assertEqual(answers[0].json["outcome"], "failed")
        self.assertRegex(answers[0].json["message"], r"\d+ of 27 points written, \d+ files pending")
        self.assertGreaterEqual(answers[0].json["run"]["steps"], 3)
        self.assertLess(node.points(), 27)
        # And G between two nudges holds, whoever asks.
        self.assertIn("min_interval", self.post(exporter, "mode=at_once").json["blockers"])

    def test_a_sixth_database_says_what_to_do(self):
        node = self.node()
        for number in range(5):
            node.write(1, database=f"db{number}")
        exporter = self.begin(node)
        answer = self.post(exporter, "mode=at_once")
        self.assertEqual((answer.status, answer.json["outcome"]), (502, "failed"), answer.text)
        self.assertIn("422", answer.json["message"])
        self.assertIn("set checkpoint.nudge.database to one that exists", answer.json["message"])
        self.assertEqual(len(node.pending()), 5)

    def test_an_existing_database_serves_as_well(self):
        node = self.node()
        for number in range(5):
            node.write(1, database=f"db{number}")
        exporter = self.begin(node, {"database": "db3", "table": "own table"})
        answer = self.post(exporter, "mode=at_once&wait=25s")
        self.assertEqual((answer.status, answer.json["outcome"]), (200, "succeeded"), answer.text)
        self.assertEqual(node.points("db3"), 1 + 25)

    def test_sigterm_while_it_waits_for_the_boundary(self):
        node = self.node()
        node.write(12)
        exporter = self.begin(node)
        self.assertEqual(self.post(exporter, "wait=0s").status, 202)
        self.until(lambda: node.points() == 17, "all points but the trigger")
        began = time.monotonic()
        exporter.signal(signal.SIGTERM)
        self.assertEqual(exporter.wait(20), 0, exporter.tail())
        self.assertLess(time.monotonic() - began, 10)
        self.assertIn("stopped after 17 of 18 points", exporter.log())
        self.assertEqual(node.points(), 17)

    def test_sigterm_while_the_server_hangs(self):
        node = self.node(flush_ms=50)
        node.write(2)
        exporter = self.begin(node)
        self.assertEqual(self.post(exporter, "mode=at_once&wait=0s").status, 202)
        self.until(lambda: node.points() >= 2, "some points")
        node.server.hang()
        began = time.monotonic()
        exporter.signal(signal.SIGTERM)
        self.assertEqual(exporter.wait(20), 0, exporter.tail())
        self.assertLess(time.monotonic() - began, 10)

    def test_as_measured_at_a_snapshot_size_of_600(self):
        node = self.node(snapshot_size=600, flush_ms=1)
        node.write(50)
        exporter = self.begin(node)
        self.wait_pending(exporter, 50)
        answer = self.post(exporter, "mode=at_once&wait=28s")
        self.assertEqual((answer.status, answer.json["outcome"]), (200, "succeeded"), answer.text)
        self.assertEqual((node.points(), node.covered(), sorted(node.pending())), (850, 899, [900]))
        self.until(lambda: len(node.files()) == 301, "the newest 300 kept, and the trigger's")
        self.until(lambda: exporter.target()["retained"]["files"] == 300, "300 retained files")

    def test_sigterm_while_it_writes(self):
        node = self.node(flush_ms=400)
        node.write(2)
        exporter = self.begin(node)
        self.assertEqual(self.post(exporter, "mode=at_once&wait=0s").status, 202)
        self.until(lambda: node.points() >= 2, "some points")
        exporter.signal(signal.SIGTERM)
        self.assertEqual(exporter.wait(20), 0, exporter.tail())
        self.assertLess(node.points(), 28)
        self.assertRegex(exporter.log(), r"stopped after \d+ of 28 points")

    def test_an_unasked_one_goes_by_the_boundary_that_has_passed(self):
        node = self.node(gen1=3)
        exporter = self.begin(node, thresholds={"max_size": 300})
        boundary = node.next_boundary()
        self.until(lambda: time.time_ns() > boundary, "the boundary")
        boundary = node.next_boundary()
        node.write(12)
        self.until(lambda: exporter.target()["decision"]["blockers"] == ["gen1_boundary"], "the blocker")
        self.assertEqual(self.counter(exporter, "influxdb_wal_checkpoint_blocked", blocker="gen1_boundary"), 1)
        self.assertEqual(node.points(), 0)
        self.wait_checkpoint(exporter, reason="critical", outcome="succeeded")
        self.assertGreater(time.time_ns(), boundary)
        self.assertEqual((node.points(), node.covered(), len(node.pending())), (18, 29, 1))

    def test_none_where_the_budget_of_snapshots_is_used_up(self):
        node = self.node(snapshot_size=1, flush_ms=1, snapshot_delay_ns=0)
        node.server.cli_params["gen1-lookback-duration"] = "1h"
        for _ in range(96):
            node.write(3)  # three times the snapshot size
        node.write()
        self.until(lambda: node.server.all_counters()["snapshots"] == 96, "96 snapshots")
        exporter = self.begin(node)
        self.assertEqual(self.counter(exporter, "influxdb_wal_snapshot_budget_remaining"), 4)
        self.assertTrue(any("Only 4 of 100 snapshots are left" in line for line in exporter.target()["recommendations"]))
        for mode in ("patient", "at_once"):
            answer = self.post(exporter, f"mode={mode}")
            self.assertEqual((answer.status, answer.json["blocker"]), (409, "snapshot_budget"), answer.text)
        self.assertEqual(node.points(), 0)

    def assert_budget_is_no_matter(self, node, limit):
        node.write(3)
        exporter = self.begin(node)
        self.wait_pending(exporter, 3)
        shown = exporter.target()
        budget = shown["node"]["snapshot_budget"]
        self.assertEqual(budget["limit"], limit)
        # The newest was made just now, and is paid back by the time the next is due.
        self.assertGreaterEqual(budget["remaining"], limit - 1)
        self.assertIsNone(budget["days_left"])
        self.assertFalse([line for line in shown["recommendations"] if "snapshots are left" in line])
        plan = exporter.get(PLAN).json
        self.assertEqual((plan["blockers"], plan["snapshot_budget_remaining"]), ([], budget["remaining"]))
        answer = self.post(exporter, "mode=at_once&wait=28s")
        self.assertEqual((answer.status, answer.json["outcome"]), (200, "succeeded"), answer.text)

    def test_where_the_snapshots_of_a_month_came_once_per_generation(self):
        self.made_snapshots(i * 604 for i in range(4354))
        self.assert_budget_is_no_matter(self.node(gen1=600), 4383)

    def test_where_those_of_the_servers_own_lookback_came_once_per_generation(self):
        self.made_snapshots(i * 600 for i in range(1000))
        node = self.node(gen1=600)
        node.server.cli_params["gen1-lookback-duration"] = "24h"
        self.assert_budget_is_no_matter(node, 144)

    def test_none_where_snapshots_of_every_minute_fill_the_budget(self):
        # Two days and 21 hours at 1,440 a day: 243 more, or 4 h.
        self.made_snapshots(30 + i * 60 for i in range(4140))
        node = self.node(gen1=600)
        node.write(3)
        exporter = self.begin(node)
        self.wait_pending(exporter, 3)
        shown = exporter.target()
        budget = shown["node"]["snapshot_budget"]
        self.assertEqual((budget["limit"], budget["remaining"], budget["floor"]), (4383, 243, 219))
        self.assertAlmostEqual(budget["days_left"], 243 / 1440, places=2)
        self.assertTrue(any("Only 243 of 4383 snapshots are left" in line and "4h" in line
                            for line in shown["recommendations"]), shown["recommendations"])
        self.assertEqual(exporter.get(PLAN).json["blockers"], [])

    def test_by_critical_without_anybody_asking(self):
        node = self.node()
        # More than three times the limit before the first sample, so that none sees a part of it.
        node.write(10, time.time_ns() + 10 * HOUR)
        exporter = self.begin(node, thresholds={"max_size": 300})
        self.wait_checkpoint(exporter, reason="critical", outcome="succeeded")
        self.assertGreaterEqual(node.covered(), 10)
        self.assertLessEqual(node.points(), 59)
        self.assertIn("Triggering checkpoint (reason: critical)", exporter.log())

    def test_nothing_is_written_before_the_server_said_its_settings(self):
        node = self.node()
        node.write(10, time.time_ns() + 10 * HOUR)
        node.server.hang()
        exporter = self.exporter(settings(self.node_target(node, thresholds={"max_size": 100})), start=False).start()
        self.until(lambda: exporter.target()["health"] == "critical", "a look")
        node.server.hang(False)
        self.wait_checkpoint(exporter, reason="critical", outcome="succeeded")
        self.assertNotIn("goal 1800", exporter.log())
        self.assertEqual((node.points(), node.covered()), (50, 60))


class PrepareRestart(Node):
    def command(self, node, *arguments, nudge=None, state="exporter-state"):
        config = self.file("prepare.yml", settings(self.node_target(node, nudge)))
        return run("--prepare-restart", f"--config.file={config}",
                   f"--state.directory={os.path.join(self.folder, 'exporter', state)}", *arguments)

    def assert_covered(self, node, count):
        self.assertGreaterEqual(node.covered(), count)
        self.assertLessEqual(len(node.pending()), 1)

    def test_by_the_api(self):
        node = self.node()
        node.write(12)
        exporter = self.begin(node)
        answer = self.post(exporter, "max_wait=25s", PREPARE)
        self.assertEqual((answer.status, answer.json["safe"]), (200, True), answer.text)
        self.assertIn("Safe to restart", answer.json["message"])
        self.assertLessEqual(answer.json["pending"]["files"], 1)
        self.assertLess(answer.json["replay_estimate_seconds"], 1)
        self.assertEqual(answer.json["run"]["reason"], "pre_restart")
        self.assert_covered(node, 12)
        self.assertEqual(self.counter(exporter, "influxdb_wal_checkpoints_total", reason="pre_restart",
                                      outcome="succeeded"), 1)

    def test_with_nothing_pending(self):
        node = self.node()
        exporter = self.begin(node, {"enabled": False})
        answer = self.post(exporter, "max_wait=5s", PREPARE)
        self.assertEqual((answer.status, answer.json["safe"]), (200, True), answer.text)

    def test_by_the_command_through_the_running_exporter(self):
        node = self.node()
        node.write(12)
        exporter = self.begin(node)
        done = self.command(node, "--max-wait", "25s")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("plant: Safe to restart", done.stdout)
        self.assertEqual(self.counter(exporter, "influxdb_wal_checkpoints_total", reason="pre_restart",
                                      outcome="succeeded"), 1)
        self.assert_covered(node, 12)

    def test_by_the_command_where_users_are_configured(self):
        node = self.node()
        node.write(12)
        hashed = crypt.crypt("s3cret", crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=1 << 5))
        web = self.file("web.yml", f'basic_auth_users:\n  alice: "{hashed}"\n')
        exporter = self.exporter(settings(self.node_target(node)), arguments=[f"--web.config.file={web}"])
        self.assertEqual(exporter.post(PREPARE).status, 401)
        done = self.command(node, "--max-wait", "25s")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("Triggering checkpoint (reason: pre_restart)", exporter.log())
        self.assert_covered(node, 12)
        login = {"Authorization": "Basic " + base64.b64encode(b"alice:s3cret").decode()}
        self.assertLessEqual(exporter.get("/api/v1/targets", headers=login).json["targets"][0]["pending"]["files"], 1)

    def test_by_the_command_alone(self):
        node = self.node()
        node.write(12)
        done = self.command(node, "--max-wait", "25s", state="alone")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("plant: Safe to restart", done.stdout)
        self.assertEqual(node.points(), 18)
        self.assert_covered(node, 12)

    def test_by_the_command_alone_with_a_server_that_is_slow_to_say_its_settings(self):
        node = self.node()
        node.write(12)
        node.server.hang()
        config = self.file("prepare.yml", settings(self.node_target(node)))
        with open(os.path.join(self.folder, "said"), "w+", encoding="utf-8") as said:
            child = subprocess.Popen([PROGRAM, "--prepare-restart", f"--config.file={config}", "--max-wait=25s",
                                      f"--state.directory={self.folder}/alone"],
                                     stdin=subprocess.DEVNULL, stdout=said, stderr=said)
            self.addCleanup(child.kill)

            def log():
                with open(said.name, encoding="utf-8") as file:
                    return file.read()
            self.until(lambda: "is a WAL of InfluxDB 3.x" in log(), "a look")
            node.server.hang(False)
            code = child.wait(40)
        self.assertEqual(code, 0, log())
        self.assertEqual(node.points(), 18)
        self.assert_covered(node, 12)

    def test_a_second_one_is_as_safe_as_the_first(self):
        node = self.node()
        node.write(12)
        exporter = self.begin(node)
        self.assertEqual(self.post(exporter, "max_wait=25s", PREPARE).status, 200)
        again = self.post(exporter, "max_wait=25s", PREPARE)
        self.assertEqual((again.status, again.json["safe"]), (200, True), again.text)
        self.assertEqual(node.points(), 18)

    def test_by_the_command_after_the_exporter_was_killed(self):
        node = self.node()
        node.write(12)
        exporter = self.begin(node)
        exporter.kill()
        done = self.command(node, "--max-wait", "25s")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assert_covered(node, 12)

    def test_too_small_a_wait_writes_nothing_and_fails(self):
        node = self.node(flush_ms=200)
        node.write(3)
        before = node.counters()["writes"]
        for state in ("alone", "exporter-state"):
            if state == "exporter-state":
                self.begin(node)
            done = self.command(node, "--max-wait", "2s", state=state)
            self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
            self.assertIn("plant: Not safe", done.stdout)
            self.assertIn("max_wait", done.stdout)
        self.assertEqual(node.counters()["writes"], before)

    def test_one_that_takes_longer_than_it_should_is_ended_at_its_limit(self):
        node = self.node(flush_ms=200)
        node.server.cli_params["wal-flush-interval"] = "1ms"
        node.write(3)
        exporter = self.begin(node)
        answer = self.post(exporter, "max_wait=1s", PREPARE)
        self.assertEqual((answer.status, answer.json["safe"]), (502, False), answer.text)
        self.assertIn("max_wait", answer.json["message"])
        self.wait_checkpoint(exporter, reason="pre_restart", outcome="failed")
        self.assertLess(node.points(), 27)
        self.assertFalse(exporter.target()["checkpoint"]["in_progress"])

    def test_a_nudge_that_is_off_fails(self):
        node = self.node()
        node.write(3)
        before = node.counters()["writes"]
        for state in ("alone", "exporter-state"):
            if state == "exporter-state":
                self.begin(node, {"enabled": False})
            done = self.command(node, "--max-wait", "5s", nudge={"enabled": False}, state=state)
            self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
            self.assertIn("checkpoint.nudge.enabled", done.stdout)
        self.assertEqual(node.counters()["writes"], before)


if __name__ == "__main__":
    main()
