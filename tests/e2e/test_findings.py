#!/usr/bin/env python3
"""What ends an InfluxDB 3 is told before it does: our test server, which panics as the
real one does, is restarted and indeed does not start; after our remedy, word for word,
it does."""

import os
import shutil
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import main, run, settings  # noqa: E402
from nodes import NodeCase  # noqa: E402

from engine3 import Panicked, StartFailed  # noqa: E402  (nodes has put its folder on the path)

CHECKPOINT = "/api/v1/targets/plant/checkpoint"
PREPARE = "/api/v1/targets/plant/prepare-restart"
REMEDY = "stop InfluxDB, move the file out of wal/ and keep it"


class Findings(NodeCase):
    def begin(self, node, nudge=False):
        exporter = self.exporter(settings(self.node_target(node, {"enabled": nudge})))
        self.until(lambda: exporter.target()["node"] and (exporter.target()["server"] or {}).get("up"),
                   lambda: f"the node and its server known:\n{exporter.tail()}")
        return exporter

    def path(self, node, name):
        return os.path.join(node.node, "wal", name)

    def wait_health(self, exporter, health):
        return self.until(lambda: exporter.target()["health"] == health and exporter.target(),
                          lambda: f"{health}: {exporter.target()['health']}, {exporter.target()['findings']}")

    def effects(self, exporter):
        names = ("harmless", "doubtful", "skipped", "ends_at_write", "stops_start")
        counts = {name: self.counter(exporter, "influxdb_wal_findings", effect=name) for name in names}
        return {name: count for name, count in counts.items() if count}

    def is_unsafe(self, exporter, wanted):
        answer = exporter.post(f"{PREPARE}?max_wait=20s", timeout=40)
        self.assertFalse(answer.json["success"], answer.text)
        self.assertIn("Not safe: ", answer.json["message"])
        self.assertIn(wanted, answer.json["message"])

    def once(self, node):
        return run("--once", f"--wal.directory={node.node}", f"--state.directory={self.folder}/none")

    def does_not_start(self, node, kind):
        node.stop()
        with self.assertRaises(kind):
            node.start()
        node.stop()

    def move_out(self, node, name):
        os.rename(self.path(node, name), os.path.join(self.folder, name))

    def test_a_copy_in_the_folder(self):
        node = self.node()
        node.write(6)
        exporter = self.begin(node)
        self.wait_health(exporter, "healthy")
        shutil.copy(self.path(node, "00000000004.wal"), self.path(node, "00000000004.wal.before-upgrade"))
        shown = self.wait_health(exporter, "critical")
        self.assertEqual([(one["file"], one["reason"]) for one in shown["invalid"]],
                         [("00000000004.wal.before-upgrade", "foreign")])
        self.assertEqual(shown["pending"]["files"], 6)
        self.assertEqual(self.effects(exporter), {"stops_start": 1})
        self.assertEqual(self.counter(exporter, "influxdb_wal_invalid_files", reason="foreign"), 1)
        advice = "\n".join(shown["recommendations"])
        self.assertIn(REMEDY, advice)
        self.assertNotIn("optimal", advice)
        self.assertIn("InfluxDB will not start again", exporter.get("/").text)
        self.is_unsafe(exporter, "InfluxDB will not start again: " + REMEDY)
        self.does_not_start(node, Panicked)
        # What the remedy warns of: a rename within the folder changes nothing.
        os.rename(self.path(node, "00000000004.wal.before-upgrade"), self.path(node, "old-4"))
        self.does_not_start(node, Panicked)
        self.assertEqual(self.once(node).returncode, 2)
        self.move_out(node, "old-4")
        once = self.once(node)
        self.assertEqual(once.returncode, 0, once.stdout)
        self.assertNotIn("found", once.stdout)
        node.start()
        node.write(1)
        shown = self.wait_health(exporter, "healthy")
        self.assertEqual(shown["findings"], [])

    def test_a_file_that_holds_nothing_valid(self):
        node = self.node()
        node.write(3)
        node.server.engine.write_void()
        node.write(2)
        exporter = self.begin(node)
        shown = self.wait_health(exporter, "critical")
        self.assertEqual([(one["file"], one["reason"], one["effect"]) for one in
                          [one | {"file": one["first"]} for one in shown["findings"]]],
                         [("00000000004.wal", "times", "stops_start")])
        self.assertEqual(self.counter(exporter, "influxdb_wal_invalid_files", reason="times"), 1)
        self.is_unsafe(exporter, "InfluxDB will not start again")
        self.does_not_start(node, Panicked)
        shown = self.wait_health(exporter, "critical")
        self.assertIn(REMEDY, "\n".join(shown["recommendations"]))
        self.move_out(node, "00000000004.wal")
        self.assertEqual(self.once(node).returncode, 0)
        node.start()
        node.write(1)
        self.wait_health(exporter, "healthy")

    def test_a_checkpoint_cures_it_while_the_server_runs(self):
        node = self.node()
        node.write(3)
        node.server.engine.write_void()
        node.write(2)
        exporter = self.begin(node, nudge=True)
        self.until(lambda: exporter.target()["findings"], "the file found")
        answer = exporter.post(f"{PREPARE}?max_wait=30s", timeout=60)
        self.assertTrue(answer.json["success"], answer.text)
        self.assertIn("Safe to restart", answer.json["message"])
        self.assertGreaterEqual(node.covered(), 6)
        node.stop()
        node.start()
        self.wait_health(exporter, "healthy")

    def test_damage_where_the_server_fails_on_errors(self):
        node = self.node(fail_on_error=True)
        node.write(5)
        with open(self.path(node, "00000000002.wal"), "r+b") as file:
            file.truncate(20)
        exporter = self.begin(node)
        shown = self.wait_health(exporter, "critical")
        self.assertIn("--wal-replay-fail-on-error", "\n".join(shown["recommendations"]))
        self.assertEqual(self.effects(exporter), {"stops_start": 1})
        self.is_unsafe(exporter, "it will not start again")
        self.does_not_start(node, StartFailed)
        # It is remembered that it would, while nobody can be asked.
        exporter.stop()
        exporter.start().wait_good_sample()
        self.wait_health(exporter, "critical")
        self.move_out(node, "00000000002.wal")
        node.start()
        self.wait_health(exporter, "healthy")

    def test_damage_where_it_does_not_is_a_warning_and_a_loss(self):
        node = self.node()
        node.write(5)
        with open(self.path(node, "00000000003.wal"), "r+b") as file:
            file.truncate(0)
        exporter = self.begin(node)
        shown = self.wait_health(exporter, "warning")
        self.assertIn("those writes are lost", "\n".join(shown["recommendations"]))
        self.assertEqual(self.effects(exporter), {"skipped": 1})
        self.is_unsafe(exporter, "")
        node.stop()
        node.start()
        self.assertEqual(node.counters()["skipped_files"], 1)

    def test_a_newer_format_is_what_the_version_makes_of_it(self):
        node = self.node(version="3.13.1")
        node.write(4)
        for number in (2, 4):
            with open(self.path(node, f"0000000000{number}.wal"), "r+b") as file:
                file.write(b"idb3.004")
        exporter = self.begin(node)
        self.until(lambda: self.counter(exporter, "influxdb_wal_unknown_files", reason="newer") == 2, "both are told")
        shown = self.wait_health(exporter, "healthy")
        self.assertEqual((shown["invalid"], shown["newest_file_damaged"]), ([], False))
        advice = "\n".join(shown["recommendations"])
        self.assertIn("leave it there", advice)
        self.assertNotIn("optimal", advice)
        self.assertNotIn("move", advice)
        node.stop()
        node.start(version="3.10.2")
        shown = self.wait_health(exporter, "critical")
        self.assertEqual(self.effects(exporter), {"skipped": 1, "ends_at_write": 1})
        self.assertTrue(shown["newest_file_damaged"])
        self.assertNotIn("move", "\n".join(shown["recommendations"]))


if __name__ == "__main__":
    main()
