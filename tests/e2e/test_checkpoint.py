#!/usr/bin/env python3
"""A real InfluxDB with more than 20 MB of WAL in two shards of two databases: each
way to a checkpoint, verified, and what was reclaimed counted."""

import ctypes
import os
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import MIB, Case, FakeServer, main, request, settings, target  # noqa: E402

DATABASES = ("plant", "office")
CLONE_NEWNS = 0x00020000


class Checkpoint(Case):
    def start(self, **sections):
        self.server = self.influxd(databases=DATABASES)
        files = [size for size in self.server.wal_files().values() if size > 0]
        self.before_files, self.before_bytes = len(files), sum(files)
        self.assertGreater(self.before_bytes, 20 * MIB)
        return self.exporter(settings(target(self.server, **sections)))

    def wait_looks(self, exporter, count):
        before = self.counter(exporter, "influxdb_wal_samples_total")
        self.until(lambda: self.counter(exporter, "influxdb_wal_samples_total") > before + count, f"{count} more looks")

    def assert_emptied(self, exporter, reason):
        self.wait_checkpoint(exporter, reason=reason, outcome="succeeded")
        self.assertEqual([path for path, size in self.server.wal_files().items() if size > 0], [])
        self.assertEqual(self.counter(exporter, "influxdb_wal_checkpoint_reclaimed_bytes_total"), self.before_bytes)
        self.assertEqual(self.counter(exporter, "influxdb_wal_checkpoint_reclaimed_files_total"), self.before_files)
        shown = exporter.target("plant")
        self.assertEqual(shown["health"], "healthy")
        self.assertEqual(shown["pending"]["files"], 0)
        run = shown["checkpoint"]["last_run"]
        self.assertEqual((run["reason"], run["outcome"]), (reason, "succeeded"))
        self.assertEqual(run["reclaimed"], {"files": self.before_files, "bytes": self.before_bytes})
        self.assertEqual(sum(self.outcomes(exporter).values()), 1)
        kinds = [entry["kind"] for entry in exporter.history("plant")]
        self.assertEqual(kinds.count("wal.checkpoint"), 2, "one for the start, one for the end")
        self.assertIn("decision", kinds)
        # The points are all still there.
        for database in DATABASES:
            answer = self.server.query(f'SELECT count(temperature) FROM "{database}".autogen.pump')
            self.assertIn("series", answer["results"][0])

    def test_by_warning(self):
        exporter = self.start(thresholds={"max_size": "16MiB"})
        self.assert_emptied(exporter, "warning")
        events = self.counter(exporter, "influxdb_wal_events_total", type="wal.checkpoint")
        self.assertGreaterEqual(events, 2)
        self.assertIn("Triggering checkpoint (reason: warning)", exporter.log())
        self.assertIn("Checkpoint completed successfully", exporter.log())

    def test_of_a_wal_on_a_small_filesystem_of_its_own(self):
        """Less than checkpoint.min_free_size is free there: it is the data's disk that a checkpoint fills."""
        wal = os.path.join(self.folder, "influxdb", "wal")
        os.makedirs(wal)
        # In a mount namespace of this process and those it starts.
        if os.getuid() != 0 or ctypes.CDLL(None).unshare(CLONE_NEWNS) != 0:
            self.skipTest("a mount takes root with CAP_SYS_ADMIN")
        for command in (["mount", "--make-rprivate", "/"], ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", wal]):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                self.skipTest(f"no mount is allowed here: {done.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", wal], check=False)
        exporter = self.start(thresholds={"max_size": "16MiB"})
        self.assert_emptied(exporter, "warning")
        self.assertLessEqual(self.counter(exporter, "influxdb_wal_filesystem_avail_bytes"), 48 * MIB)
        self.assertGreater(self.counter(exporter, "influxdb_wal_data_filesystem_avail_bytes"), 64 * MIB)
        self.assertEqual(self.counter(exporter, "influxdb_wal_checkpoint_blocked", blocker="disk_headroom"), 0)

    def test_by_critical(self):
        exporter = self.start(thresholds={"max_size": "4MiB"})
        self.assert_emptied(exporter, "critical")
        self.assertIn("CRITICAL WAL status", exporter.log())

    def test_by_schedule(self):
        # More than half of the limit is worth a scheduled checkpoint.
        exporter = self.start(thresholds={"max_size": "30MiB"}, checkpoint={"schedule": "1s"})
        self.assert_emptied(exporter, "scheduled")

    def test_by_post(self):
        exporter = self.start()
        self.assertEqual(exporter.get("/wal-management/health").json["healthStatus"], "healthy")
        self.assertIsNone(exporter.get("/wal-management/health").json["lastCheckpoint"])
        answer = exporter.post("/wal-management/checkpoint")
        self.assertEqual((answer.status, answer.json["success"]), (200, True), answer.text)
        self.assert_emptied(exporter, "manual")
        self.assertIsNotNone(exporter.get("/wal-management/health").json["lastCheckpoint"])
        # At once again: nothing is pending, so there is nothing to do, and that is fine.
        again = exporter.post("/wal-management/checkpoint")
        self.assertEqual((again.status, again.json["success"]), (200, True), again.text)
        self.assertEqual(self.counter(exporter, "influxdb_wal_checkpoints_total", outcome="succeeded"), 1)

    def test_a_second_post_while_one_runs_is_refused(self):
        hanging = FakeServer()
        self.addCleanup(hanging.close)
        exporter = self.start(influxdb={"backup_address": hanging.address}, checkpoint={"timeout": "8s"})
        first = exporter.post("/wal-management/checkpoint?wait=300ms")
        self.assertEqual((first.status, first.json["state"]), (202, "running"), first.text)
        self.assertTrue(exporter.get("/wal-management/checkpoint-status").json["isProcessing"])
        second = exporter.post("/wal-management/checkpoint?wait=300ms")
        self.assertEqual((second.status, second.json["success"]), (409, False), second.text)
        self.assertIn("in_flight", second.text)
        followed = exporter.get(first.headers["Location"])
        self.assertEqual(followed.status, 200, followed.text)
        self.wait_checkpoint(exporter, reason="manual", outcome="failed")
        self.assertEqual(exporter.get(first.headers["Location"]).json["outcome"], "failed")

    def test_warning_waits_for_the_cooldown_and_critical_does_not(self):
        exporter = self.start(thresholds={"max_size": "16MiB"}, checkpoint={"cooldown": "10m"})
        self.wait_checkpoint(exporter, reason="warning", outcome="succeeded")
        self.assertFalse(exporter.get("/wal-management/checkpoint-status").json["canTrigger"])
        self.server.grow("plant", 17 * MIB)
        self.until(lambda: exporter.target()["health"] == "warning", "warning again")
        decision = self.until(lambda: exporter.target()["decision"]["blockers"] and exporter.target()["decision"],
                              "a blocker")
        self.assertIn("cooldown", decision["blockers"])
        self.assertEqual(self.counter(exporter, "influxdb_wal_checkpoint_blocked", blocker="cooldown"), 1)
        self.server.grow("plant", 34 * MIB)
        self.until(lambda: exporter.target()["health"] == "critical", "critical")
        decision = exporter.target()["decision"]
        # One start per 60 s binds critical too; the cooldown does not.
        self.assertEqual((decision["reason"], decision["blockers"]), ("critical", ["min_interval"]))

    def test_refused_writes_alone_are_nothing_to_persist(self):
        self.server = self.influxd(databases=("typed", "plant"), grow=0)
        self.server.write("typed", 'm f="text"')
        self.server.write("plant", "m f=1")
        exporter = self.exporter(settings(target(self.server)))
        self.assertEqual(exporter.post("/wal-management/checkpoint").status, 200)
        for _ in range(3):
            # Of another type: InfluxDB refuses it, and logs a write of no value all the same.
            self.assertEqual(request("POST", f"{self.server.url}/write?db=typed", body="m f=1").status, 400)
        self.assertEqual(self.server.wal_bytes(), 18)
        self.wait_looks(exporter, 2)
        self.assertEqual(exporter.target()["pending"]["files"], 0)
        again = exporter.post("/wal-management/checkpoint")
        self.assertEqual((again.status, again.json["success"]), (200, True), again.text)
        prepared = exporter.post("/api/v1/targets/plant/prepare-restart?max_wait=5s")
        self.assertEqual((prepared.status, prepared.json["safe"]), (200, True), prepared.text)
        # Beside data they hold nothing up, and go with it.
        self.server.write("plant", "m f=2")
        self.until(lambda: exporter.target()["pending"]["files"] == 1, "the data")
        answer = exporter.post("/wal-management/checkpoint")
        self.assertEqual((answer.status, answer.json["success"]), (200, True), answer.text)
        self.server.write("typed", 'm f="more"')
        self.until(lambda: exporter.target()["pending"]["files"] == 1, "the data beside them")
        answer = exporter.post("/wal-management/checkpoint")
        self.assertEqual((answer.status, answer.json["success"]), (200, True), answer.text)
        self.assertEqual(self.server.wal_bytes(), 0)

    def test_new_data_is_not_as_old_as_the_segment_the_checkpoint_left(self):
        exporter = self.start()
        self.assertTrue(exporter.post("/wal-management/checkpoint").json["success"])
        self.until(lambda: exporter.target()["pending"]["files"] == 0, "an empty WAL")
        self.wait_looks(exporter, 5)
        seen_empty = exporter.target()["sampled_at"]
        self.wait_looks(exporter, 1)
        self.server.write("plant", b"late value=1")
        pending = self.until(lambda: exporter.target()["pending"]["files"] and exporter.target()["pending"],
                             "the new data")
        self.assertGreaterEqual(pending["oldest_time"], seen_empty)

    def test_writes_go_on_meanwhile(self):
        exporter = self.start(thresholds={"max_size": "16MiB"})
        for _ in range(20):
            self.server.write("plant", b"late value=1")
        self.wait_checkpoint(exporter, reason="warning", outcome="succeeded")
        self.assertGreaterEqual(self.counter(exporter, "influxdb_wal_checkpoint_reclaimed_bytes_total"),
                                self.before_bytes)


if __name__ == "__main__":
    main()
