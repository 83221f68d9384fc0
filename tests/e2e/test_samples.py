#!/usr/bin/env python3
"""The samples of the last day: what a chart is made of, also after a restart."""

import os
import sqlite3
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import MIB, Case, main, settings, target  # noqa: E402


class Samples(Case):
    def samples(self, exporter, query=""):
        answer = exporter.get("/api/v1/targets/plant/samples" + query)
        self.assertEqual(answer.status, 200, answer.text)
        return answer.json["samples"]

    def test_they_grow_with_the_wal_and_survive_a_restart(self):
        server = self.influxd(databases=("plant",), grow=1 * MIB)
        exporter = self.exporter(settings(target(server, thresholds={"max_size": "2MiB"}, checkpoint={"method": "none"})))
        server.grow("plant", 2 * MIB)
        # The first sample in warning may come while the WAL still grows.
        self.until(lambda: self.samples(exporter)[-1]["pending_bytes"] == server.wal_bytes(), "a sample of it all")
        before = self.samples(exporter)
        last = before[-1]
        self.assertEqual(last["health"], "warning")
        self.assertEqual(last["pending_files"], self.counter(exporter, "influxdb_wal_files", state="pending"))
        self.assertEqual((last["retained_files"], last["retained_bytes"]), (0, 0))
        self.assertEqual(before[0]["health"], "healthy")
        times = [sample["time"] for sample in before]
        self.assertEqual(times, sorted(times))
        self.assertEqual(self.samples(exporter, "?limit=1")[0]["health"], "warning")
        self.assertEqual(self.samples(exporter, f"?since={times[1]}")[0], before[1])
        self.assertEqual(exporter.stop(), 0)
        exporter.start().wait_good_sample()
        after = self.samples(exporter)
        self.assertEqual([sample["time"] for sample in after][:len(before) - 1], times[:-1])
        self.assertEqual(after[-1]["health"], "warning")

    def test_what_can_not_be_read_is_told_and_the_chart_starts_anew(self):
        server = self.influxd(databases=("plant",), grow=1 * MIB)
        exporter = self.exporter(settings(target(server)))
        self.assertEqual(exporter.stop(), 0)
        with sqlite3.connect(os.path.join(exporter.state, "state.sqlite3")) as database:
            changed = database.execute("UPDATE remembered SET value = 'samples 1\nnot one' WHERE key = 'samples'").rowcount
        database.close()
        self.assertEqual(changed, 1)
        exporter.start().wait_good_sample()
        self.assertIn("the kept samples can't be read: line 2", exporter.log())
        self.assertNotIn("unknown", [sample["health"] for sample in self.samples(exporter)])


if __name__ == "__main__":
    main()
