#!/usr/bin/env python3
"""InfluxDB 2.x (our test server, which follows the real one's rules): its WAL is
known by its bucket ids and emptied by shard backups; and the user's own request
as a checkpoint, for servers that offer one."""

import os
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import MIB, Case, FakeServer, main, run, settings, target  # noqa: E402
from nodes import SECOND, NodeCase, Server2  # noqa: E402

CHECKPOINT = "/api/v1/targets/plant/checkpoint"
WEEK = 7 * 24 * 3600 * SECOND


class Backup(Case):
    def begin(self, token="operator", **sections):
        token_file = os.path.join(self.folder, "token")
        with open(token_file, "w", encoding="utf-8") as file:
            file.write(token + "\n")
        influxdb = {"token_file": token_file, **sections.pop("influxdb", {})}
        return self.exporter(settings(target(self.server, influxdb=influxdb, **sections)))

    def two_shards(self, **options):
        """More than a segment in one, a little in another, of an older week."""
        self.server = Server2(self.folder, **options)
        self.addCleanup(self.server.stop)
        self.server.grow(2 * MIB)
        self.server.grow(1000, time.time_ns() - 3 * WEEK)
        return self.server.segments()

    def post(self, exporter, query="wait=25s"):
        return exporter.post(f"{CHECKPOINT}?{query}", timeout=40)

    def assert_since_was_never_omitted(self):
        self.assertEqual(self.server.counters()["backups_without_since"], 0)

    def test_the_version_is_known_by_bucket_ids(self):
        before = self.two_shards()
        exporter = self.begin()
        shown = exporter.target()
        self.assertEqual((shown["version"], shown["checkpoint"]["method"]), ("2", "backup"))
        self.assertEqual((shown["pending"]["files"], shown["pending"]["bytes"]), (len(before), sum(before.values())))
        self.assertIsNone(shown["not_shrinking"])
        self.assertIsNone(shown["node"])
        self.assertEqual(self.counter(exporter, "influxdb_wal_files", state="pending"), len(before))
        self.assertNotIn("influxdb_wal_pending_cause", exporter.get("/metrics").text.replace("# ", ""))

    def test_dropped_shards_that_its_metrics_still_show_are_no_other_directory(self):
        before = self.two_shards()
        self.server.server.dropped = {70: 18 * MIB, 71: 23 * MIB}
        exporter = self.begin()
        self.until(lambda: (exporter.target()["server"] or {}).get("up"), "the server's answer")
        shown = exporter.target()
        self.assertEqual(shown["pending"]["bytes"], sum(before.values()))
        self.assertFalse([line for line in shown["recommendations"] if "own metrics" in line])

    def test_also_without_a_server_to_ask(self):
        before = self.two_shards()
        done = run("--once", "--format=json", f"--wal.directory={self.server.wal}")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('"version": "2"', done.stdout)
        self.assertIn(f'"files": {len(before)}', done.stdout)

    def test_by_post_is_verified_and_counted(self):
        before = self.two_shards()
        self.assertGreater(len(before), 2)
        exporter = self.begin()
        answer = self.post(exporter)
        self.assertEqual((answer.status, answer.json["outcome"]), (200, "succeeded"), answer.text)
        self.assertEqual(self.server.segments(), {})
        reclaimed = {"files": len(before), "bytes": sum(before.values())}
        self.assertEqual(answer.json["run"]["reclaimed"], reclaimed)
        self.assertEqual(self.counter(exporter, "influxdb_wal_checkpoint_reclaimed_bytes_total"), reclaimed["bytes"])
        self.assertEqual(self.counter(exporter, "influxdb_wal_checkpoint_reclaimed_files_total"), reclaimed["files"])
        self.assertEqual(exporter.target()["pending"]["files"], 0)
        self.assertEqual(self.server.counters()["backups"], 2, "one for each shard")
        self.assert_since_was_never_omitted()
        self.assertEqual(self.post(exporter).json["state"], "no_op")

    def test_with_a_version_number_of_a_release(self):
        self.two_shards(version="v2.7.12")
        exporter = self.begin()
        self.assertEqual(exporter.target()["version"], "2")
        self.assertEqual(exporter.target()["server"]["version"], "v2.7.12")
        self.assertEqual(self.post(exporter).status, 200)

    def test_by_warning(self):
        before = self.two_shards()
        exporter = self.begin(thresholds={"max_size": "1MiB"})
        self.wait_checkpoint(exporter, reason="warning", outcome="succeeded")
        # Size alone caused it, so the small shard is left alone.
        left = self.server.segments()
        self.assertEqual(len(left), 1)
        self.assertLess(sum(left.values()), MIB)
        self.assertEqual(self.counter(exporter, "influxdb_wal_checkpoint_reclaimed_files_total"), len(before) - 1)
        self.assert_since_was_never_omitted()

    def test_by_schedule(self):
        self.two_shards()
        exporter = self.begin(thresholds={"max_size": "3MiB"}, checkpoint={"schedule": "1s"})
        self.wait_checkpoint(exporter, reason="scheduled", outcome="succeeded")
        self.assertLess(sum(self.server.segments().values()), MIB)
        self.assert_since_was_never_omitted()

    def refused(self, token):
        before = self.two_shards()
        exporter = self.begin(token)
        answer = self.post(exporter)
        self.assertEqual((answer.status, answer.json["outcome"]), (502, "failed"), answer.text)
        for part in ("401", "operator token", "influxdb.token_file"):
            self.assertIn(part, answer.json["message"])
        self.assertEqual(self.server.segments(), before)

    def test_a_wrong_token_fails_with_the_remedy(self):
        self.refused("wrong")

    def test_a_token_that_may_only_write_fails_with_the_remedy(self):
        self.refused("limited")

    def test_no_token_is_said_before_anything_is_asked(self):
        self.two_shards()
        exporter = self.begin(influxdb={"token_file": None})
        answer = self.post(exporter)
        self.assertEqual((answer.status, answer.json["blockers"]), (409, ["method_disabled"]), answer.text)
        self.assertIn("influxdb.token_file", answer.json["message"])
        self.assertEqual(self.server.counters()["backups"], 0)

    def test_yes_while_another_snapshot_runs_is_not_believed(self):
        self.server = Server2(self.folder)
        self.addCleanup(self.server.stop)
        self.server.grow(MIB)
        before = self.server.segments()
        self.server.server.hold_snapshots(True)
        self.server.grow(1000)
        exporter = self.begin(checkpoint={"timeout": "15s"})
        answer = self.post(exporter)
        self.assertIn((answer.status, answer.json["outcome"]), ((409, "busy"), (502, "unverified")), answer.text)
        self.assertFalse(answer.json["success"])
        self.assertGreater(self.server.counters()["busy_backups"], 0)
        self.assertLessEqual(set(before), set(self.server.segments()))
        # Once it ended, the next one works.
        self.server.server.hold_snapshots(False)
        after = self.post(exporter)
        self.assertEqual((after.status, after.json["outcome"]), (200, "succeeded"), after.text)
        self.assertEqual(self.server.segments(), {})
        self.assert_since_was_never_omitted()

    def test_a_server_that_is_gone_fails_and_is_tried_again_for_who_asks(self):
        self.two_shards()
        exporter = self.begin()
        self.server.stop()
        answer = self.post(exporter)
        self.assertEqual((answer.status, answer.json["outcome"]), (502, "failed"), answer.text)
        self.assertIn("influxdb.url", answer.json["message"])
        answer = self.post(exporter)
        self.assertEqual((answer.status, answer.json["outcome"]), (502, "failed"), answer.text)
        history = exporter.get(f"/api/v1/targets/{exporter.target()['name']}/history").json["entries"]
        started = [entry for entry in history if entry["summary"].startswith("checkpoint started")]
        self.assertTrue(started[0]["summary"].endswith("asked for by loopback, passing over backoff"), started)
        self.assertNotIn("passing over", started[1]["summary"])


class OwnRequest(NodeCase):
    """checkpoint.method http, on a 3.x directory."""

    def begin(self, status, snapshots, timeout="3s"):
        self.node_server = self.node()
        self.node_server.write(6)
        self.seen = []

        def answer(connection):
            data = b""
            while b"\r\n\r\n" not in data or not data.endswith(b"now"):
                part = connection.recv(65536)
                if not part:
                    return
                data += part
                if data.startswith(b"GET"):
                    break
            if data.startswith(b"POST"):
                self.seen.append(data.decode())
                if snapshots:
                    with self.node_server.server.engine._changed:
                        self.node_server.server.engine._force = True
                        self.node_server.server.engine._changed.notify_all()
                    self.until(lambda: self.node_server.covered() >= 6, "the snapshot")
            code = status if data.startswith(b"POST") else 404
            connection.sendall(f"HTTP/1.1 {code} Said\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        server = FakeServer(answer)
        self.addCleanup(server.close)
        checkpoint = {"method": "http", "timeout": timeout, "nudge": None,
                      "http": {"path": "/checkpoint", "headers": {"X-Plant": "north"}, "body": "now",
                               "expected_status": [202]}}
        exporter = self.exporter(settings(target(self.node_server, influxdb={"url": f"http://{server.address}"},
                                                 checkpoint=checkpoint)))
        return exporter

    def post(self, exporter):
        return exporter.post(f"{CHECKPOINT}?wait=25s", timeout=40)

    def test_succeeds_where_the_wal_shows_it(self):
        exporter = self.begin(202, snapshots=True)
        self.assertEqual(exporter.get("/api/v1/targets/plant/checkpoint-plan").json["points"], 0)
        answer = self.post(exporter)
        self.assertEqual((answer.status, answer.json["outcome"]), (200, "succeeded"), answer.text)
        self.assertEqual(answer.json["run"]["reclaimed"]["files"], 6)
        self.assertEqual(len(self.seen), 1)
        self.assertTrue(self.seen[0].startswith("POST /checkpoint HTTP/1.1\r\n"), self.seen[0])
        self.assertIn("X-Plant: north", self.seen[0])
        self.assertEqual(self.node_server.points(), 0)

    def test_is_unverified_where_the_wal_does_not(self):
        exporter = self.begin(202, snapshots=False)
        answer = self.post(exporter)
        self.assertEqual((answer.status, answer.json["outcome"]), (502, "unverified"), answer.text)
        self.assertIn("checkpoint.http", answer.json["message"])
        self.assertEqual(len(self.seen), 1)

    def test_fails_at_any_other_answer(self):
        exporter = self.begin(500, snapshots=False)
        answer = self.post(exporter)
        self.assertEqual((answer.status, answer.json["outcome"]), (502, "failed"), answer.text)
        self.assertIn("answered 500", answer.json["message"])
        self.assertIn("expected 202", answer.json["message"])


if __name__ == "__main__":
    main()
