#!/usr/bin/env python3
"""InfluxDB that is gone, hangs, or answers rubbish: the checkpoint fails within its
limit, sampling goes on meanwhile, and the program can still be ended."""

import json
import os
import shutil
import signal
import socket
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import MIB, PATIENCE, Case, FakeServer, get, main, settings, target  # noqa: E402


class Faults(Case):
    def start(self, backup_address=None, url=True, timeout="3s"):
        self.server = self.influxd(databases=("plant",), grow=12 * MIB)
        influxdb = {"backup_address": backup_address or self.server.backup_address}
        if not url:
            influxdb["url"] = None
        return self.exporter(settings(target(self.server, influxdb=influxdb, thresholds={"max_size": "1GiB"},
                                             checkpoint={"timeout": timeout})))

    def fails(self, exporter, limit, outcome="failed"):
        """A checkpoint ends as failed within `limit` s; samples are taken while it runs."""
        samples = self.counter(exporter, "influxdb_wal_samples_total")
        started = time.monotonic()
        answer = exporter.post("/wal-management/checkpoint?wait=25s", timeout=40)
        took = time.monotonic() - started
        self.assertEqual((answer.status, answer.json["success"]), (502, False), answer.text)
        self.assertLess(took, limit + (3 if PATIENCE > 30 else 1.5))
        self.assertEqual(self.counter(exporter, "influxdb_wal_checkpoints_total", outcome=outcome), 1)
        if took > 1:
            grown = self.counter(exporter, "influxdb_wal_samples_total") - samples
            self.assertGreaterEqual(grown, took, "sampling stood still while the checkpoint ran")
        self.assertEqual(self.counter(exporter, "influxdb_wal_sample_failures_total"), 0)
        self.assertGreater(self.server.wal_bytes(), 10 * MIB)
        self.assertNotIn("Checkpoint completed successfully", exporter.log())
        return answer.json["message"]

    def test_stopped(self):
        exporter = self.start(url=False)
        self.server.kill()
        message = self.fails(exporter, 3)
        self.assertIn(self.server.backup_address, message)
        self.assertIn("refused", message)

    def test_stopped_and_known_to_be(self):
        exporter = self.start()
        self.assertEqual(self.counter(exporter, "influxdb_wal_server_up"), 1)
        self.server.kill()
        self.until(lambda: self.counter(exporter, "influxdb_wal_server_up") == 0, "server_up 0")
        self.until(lambda: exporter.target()["server"]["error"], "the reason in the API")
        answer = exporter.post("/wal-management/checkpoint")
        self.assertIn(answer.status, (409, 502), answer.text)
        self.assertFalse(answer.json["success"])
        # Back again: it is seen, and a checkpoint works.
        self.server.start()
        self.until(lambda: self.counter(exporter, "influxdb_wal_server_up") == 1, "server_up 1")

    def test_hangs_after_accept(self):
        hanging = FakeServer()
        self.addCleanup(hanging.close)
        message = self.fails(self.start(hanging.address), 3)
        self.assertIn("3s", message)
        self.assertIn("plant", message)

    def test_real_server_is_frozen(self):
        exporter = self.start()
        self.server.signal(signal.SIGSTOP)
        self.addCleanup(self.server.signal, signal.SIGCONT)
        message = self.fails(exporter, 3)
        self.assertTrue(message)

    def test_answers_rubbish(self):
        def rubbish(connection):
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        server = FakeServer(rubbish)
        self.addCleanup(server.close)
        self.fails(self.start(server.address), 3)

    def test_answers_rubbish_without_end(self):
        def flood(connection):
            while not server.stopping.is_set():
                connection.sendall(os.urandom(65536))
        server = FakeServer(flood)
        self.addCleanup(server.close)
        self.fails(self.start(server.address), 3)

    def test_one_byte_at_a_time(self):
        def drip(connection):
            while not server.stopping.wait(0.2):
                connection.sendall(b"\0")
        server = FakeServer(drip)
        self.addCleanup(server.close)
        self.fails(self.start(server.address), 3)

    def test_closes_at_once(self):
        server = FakeServer(lambda connection: None)
        self.addCleanup(server.close)
        self.fails(self.start(server.address), 3)

    def test_says_yes_and_does_nothing(self):
        def yes(connection):
            connection.recv(65536)
            connection.sendall(bytes(1024))
        server = FakeServer(yes)
        self.addCleanup(server.close)
        message = self.fails(self.start(server.address), 20, outcome="unverified")
        self.assertTrue(message)

    def test_failures_back_off(self):
        server = FakeServer(lambda connection: None)
        self.addCleanup(server.close)
        self.server = self.influxd(databases=("plant",), grow=12 * MIB)
        exporter = self.exporter(settings(target(self.server, influxdb={"backup_address": server.address},
                                                 thresholds={"max_size": "10MiB"})))
        self.wait_checkpoint(exporter, reason="warning", outcome="failed")
        decision = self.until(lambda: exporter.target()["decision"]["blockers"] and exporter.target()["decision"],
                              "a blocker")
        self.assertIn("backoff", decision["blockers"])
        self.assertEqual(self.counter(exporter, "influxdb_wal_checkpoints_total", outcome="failed"), 1)

    def test_ends_within_20_s_while_a_checkpoint_hangs(self):
        hanging = FakeServer()
        self.addCleanup(hanging.close)
        exporter = self.start(hanging.address, timeout="5m")
        answer = exporter.post("/wal-management/checkpoint?wait=200ms")
        self.assertEqual(answer.status, 202, answer.text)
        started = time.monotonic()
        exporter.signal(signal.SIGTERM)
        self.assertEqual(exporter.wait(20), 0, exporter.tail())
        self.assertLess(time.monotonic() - started, 20)

    def test_the_directory_goes_and_comes_back(self):
        exporter = self.start()
        self.server.stop()
        moved = self.server.wal + ".moved"
        os.rename(self.server.wal, moved)
        self.until(lambda: self.counter(exporter, "influxdb_wal_last_sample_success") == 0, "a failed sample")
        answer = self.until(lambda: (lambda a: a if a.status == 503 else None)(exporter.get("/wal-management/health")),
                            "503 once the sample is stale")
        self.assertIn(self.server.wal, answer.text)
        # /metrics is written anew when the target has noticed; the answer above looks at the clock.
        self.until(lambda: self.counter(exporter, "influxdb_wal_health") == 0, "an unknown health", 2)
        self.assertEqual(exporter.get("/-/healthy").status, 200)
        os.rename(moved, self.server.wal)
        self.until(lambda: exporter.get("/wal-management/health").status == 200, "samples again")

    def snapshot_shard(self, database, shard):
        """What a backup of InfluxDB does first; the length of its answer."""
        host, port = self.server.backup_address.split(":")
        with socket.create_connection((host, int(port)), PATIENCE) as connection:
            question = {"Type": 0, "BackupDatabase": database, "BackupRetentionPolicy": "autogen", "ShardID": shard,
                        "Since": "2100-01-01T00:00:00Z", "UploadSize": 0}
            connection.sendall(b"\x03\x00" + json.dumps(question).encode() + b"\n")
            return len(b"".join(iter(lambda: connection.recv(65536), b"")))

    def test_a_directory_replaced_under_the_running_server_is_no_healthy_wal(self):
        exporter = self.start()
        self.assertEqual(exporter.target()["health"], "healthy")
        files, size = len(self.server.wal_files()), self.server.wal_bytes()
        folders = [folder for folder, below, _ in os.walk(self.server.wal) if not below]
        shutil.rmtree(self.server.wal)
        os.mkdir(self.server.wal)
        vanished = self.until(lambda: exporter.target()["vanished"], "files that vanished")
        self.assertEqual((vanished["files"], vanished["bytes"]), (files, size))
        self.assertEqual(exporter.target()["health"], "warning")
        self.assertEqual(self.counter(exporter, "influxdb_wal_vanished_files"), files)
        self.assertEqual(self.counter(exporter, "influxdb_wal_vanished_bytes"), size)
        self.assertIn("of the WAL vanished that no checkpoint removed", exporter.log())
        # The server notices nothing.
        self.server.write("plant", b"m,t=a v=1")
        self.assertEqual(self.server.wal_files(), {})
        answer = exporter.post("/api/v1/targets/plant/prepare-restart?max_wait=5s").json
        self.assertFalse(answer["safe"])
        self.assertIn("vanished", answer["message"])
        self.assertIsNotNone(exporter.target()["vanished"])
        # What the runbook says: nothing is lost, and no restart was needed.
        for folder in folders:
            os.makedirs(folder)
        for folder in folders:
            self.assertEqual(self.snapshot_shard("plant", int(os.path.basename(folder))), 1024)
        self.until(lambda: exporter.target()["vanished"] is None, "files that are accounted for again")
        self.until(lambda: exporter.target()["health"] == "healthy", "a healthy target")
        self.server.write("plant", b"m,t=a v=2")
        counts = self.server.query('SELECT count(*) FROM "plant".."pump", "plant".."m"')
        self.assertEqual(len(counts["results"][0]["series"]), 2)
        self.server.kill()
        self.server.start()
        self.assertEqual(self.server.query('SELECT count(*) FROM "plant".."pump", "plant".."m"'), counts)

    def runs_for(self, seconds):
        """Until InfluxDB has run for so long that its start is told apart from what comes now."""
        self.until(lambda: get(self.server.url + "/debug/vars").json["system"]["uptime"] >= seconds, "an older server")

    def is_told_as_vanished(self, exporter, files, size):
        vanished = self.until(lambda: exporter.target()["vanished"], "files that vanished")
        self.assertEqual((vanished["files"], vanished["bytes"]), (files, size))
        self.until(lambda: exporter.target()["health"] == "warning", "a warning")
        self.assertIn("InfluxDB still writes into the deleted files", vanished["detail"])
        self.assertEqual(self.counter(exporter, "influxdb_wal_vanished_files"), files)
        answer = exporter.post("/api/v1/targets/plant/prepare-restart?max_wait=5s").json
        self.assertFalse(answer["safe"])
        self.assertIn("vanished", answer["message"])

    def test_a_directory_that_is_gone_is_remembered_by_the_next_exporter(self):
        exporter = self.start()
        self.runs_for(4)
        files, size = len(self.server.wal_files()), self.server.wal_bytes()
        count = self.counter(exporter, "influxdb_wal_samples_total")
        self.until(lambda: self.counter(exporter, "influxdb_wal_samples_total") > count + 1, "a later sample")
        shutil.rmtree(self.server.wal)

        def since():
            return (exporter.target()["error"] or "").partition("it was there until ")[2].partition(";")[0]
        told = self.until(since, "since when it is gone")
        for end in (exporter.kill, exporter.stop):
            end()
            exporter.start()
            self.assertEqual(self.until(since, "since when it is gone"), told)
        exporter.kill()
        os.mkdir(self.server.wal)
        exporter.start()
        self.is_told_as_vanished(exporter, files, size)

    def test_what_vanished_while_no_exporter_ran_is_told_if_influxdb_ran_on(self):
        exporter = self.start()
        self.runs_for(4)
        count = self.counter(exporter, "influxdb_wal_samples_total")
        self.until(lambda: self.counter(exporter, "influxdb_wal_samples_total") > count + 1, "a later sample")
        files, size = len(self.server.wal_files()), self.server.wal_bytes()
        self.assertEqual(exporter.stop(), 0)
        shutil.rmtree(self.server.wal)
        os.mkdir(self.server.wal)
        exporter.start()
        self.is_told_as_vanished(exporter, files, size)
        # Where it was stopped for that, nobody lost anything.
        self.server.kill()
        self.server.start()
        self.until(lambda: exporter.target()["vanished"] is None, "a start of InfluxDB")
        self.server.write("plant", b"m,t=a v=1")
        self.until(lambda: exporter.target()["pending"]["files"] == 1, "a file of the server's own")
        self.assertEqual(exporter.stop(), 0)
        self.server.stop()
        shutil.rmtree(self.server.wal)
        os.mkdir(self.server.wal)
        self.server.start()
        exporter.start().wait_good_sample()
        self.until(lambda: "of the WAL vanished, while" in exporter.log(), "a line in the log")
        self.assertIsNone(exporter.target()["vanished"])
        self.assertEqual(exporter.target()["health"], "healthy")

    def test_a_segment_taken_from_between_is_told_until_a_checkpoint_has_passed_it(self):
        self.server = self.influxd(databases=("plant",), grow=25 * MIB)
        exporter = self.exporter(settings(target(self.server)))
        taken = sorted(name for name, size in self.server.wal_files().items() if size > MIB)[1]
        size = self.server.wal_files()[taken]
        os.remove(os.path.join(self.server.wal, taken))
        vanished = self.until(lambda: exporter.target()["vanished"], "a segment that vanished")
        self.assertEqual((vanished["files"], vanished["bytes"]), (1, size))
        self.assertIn("older files of the same shard are still there", vanished["detail"])
        self.assertEqual(exporter.target()["health"], "warning")
        self.assertEqual(exporter.post("/wal-management/checkpoint?wait=20s", timeout=40).status, 200)
        self.until(lambda: exporter.target()["vanished"] is None, "the end of it")

    def test_what_influxdb_removes_itself_has_not_vanished(self):
        exporter = self.start()
        for name in ("office", "attic"):
            self.server.create_database(name)
            self.server.write(name, b"m,t=a v=1")
        self.until(lambda: exporter.target()["pending"]["files"] >= 4, "a sample with all databases")

        def sampled():
            count = self.counter(exporter, "influxdb_wal_samples_total")
            self.until(lambda: self.counter(exporter, "influxdb_wal_samples_total") > count + 1, "two more samples")
        self.assertEqual(exporter.post("/wal-management/checkpoint?wait=20s", timeout=40).status, 200)
        sampled()
        self.server.query('DROP DATABASE "office"')
        sampled()
        shard = os.path.basename(next(folder for folder, below, _ in os.walk(os.path.join(self.server.wal, "attic"))
                                      if not below))
        self.server.query(f"DROP SHARD {shard}")
        sampled()
        self.server.write("plant", b"m,t=a v=2")
        sampled()
        self.server.stop()
        self.server.start()
        self.server.write("plant", b"m,t=a v=3")
        sampled()
        self.server.query('DROP DATABASE "plant"')
        self.server.query('DROP DATABASE "attic"')
        sampled()
        self.assertEqual(self.server.wal_files(), {})
        self.assertIsNone(exporter.target()["vanished"])
        self.assertNotIn("vanished", exporter.log())

    def test_a_directory_moved_with_the_server_stopped_has_not_vanished(self):
        exporter = self.start()
        self.server.stop()
        self.until(lambda: not exporter.target()["server"]["up"], "a server that is down")
        os.rename(self.server.wal, self.server.wal + ".aside")
        self.until(lambda: "it was there until" in (exporter.target()["error"] or ""), "an error that says since when")
        os.mkdir(self.server.wal)
        self.until(lambda: exporter.target()["error"] is None, "a good sample")
        self.assertIsNone(exporter.target()["vanished"])
        self.server.start()
        self.until(lambda: exporter.target()["server"]["up"], "a server that is up")
        self.server.write("plant", b"m,t=a v=1")
        self.until(lambda: exporter.target()["pending"]["files"] == 1, "a file of the server's own")
        self.assertIsNone(exporter.target()["vanished"])


if __name__ == "__main__":
    main()
