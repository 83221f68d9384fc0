"""The 2.x test server against the recorded answers, the fixtures and the
measured checkpoint of exporter/influxdb/FACTS.md."""

import os
import shutil
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import wal2
from influxdb2 import SHARD_GROUP_NS, InfluxDB2, go_float
from testing import FIXTURES, Case, names

BUCKET = "b171b2f71fd7029d"
TOKEN = "operator"
FUTURE = "2100-01-01T00:00:00Z"


class Codec(unittest.TestCase):
    def test_the_fixtures_encode_to_their_own_bytes_again(self):
        for path in (f"influxdb2/wal/{BUCKET}/autogen/1/_00001.wal", "influxdb1/wal/plant/autogen/1/_00001.wal"):
            with open(os.path.join(FIXTURES, path), "rb") as file:
                data = file.read()
            entries = wal2.decode_segment(data)
            self.assertEqual([series[0][:2] for series in entries], [("pump,site=a#!~#flow", "float")] * 3)
            self.assertEqual([series[0][2][0][1] for series in entries], [1.0, 2.0, 3.0])
            self.assertEqual(b"".join(map(wal2.encode_entry, entries)), data)

    def test_snappy_blocks_of_all_lengths_decode_again(self):
        for length in (0, 1, 59, 60, 61, 255, 256, 257, 65535, 65536, 65537, 200_000):
            data = bytes(index % 251 for index in range(length))
            self.assertEqual(wal2.snappy_decode(wal2.snappy_encode(data)), data)

    def test_all_kinds_survive(self):
        series = [("t#!~#a", "float", [(-5, 1.5)]), ("t#!~#b", "integer", [(1, -7), (2, 8)]), ("t#!~#c", "boolean", [(3, 1)])]
        series += [("t#!~#d", "string", [(4, "grün")]), ("t#!~#e", "uinteger", [(5, 2**64 - 1)])]
        self.assertEqual(wal2.decode_segment(wal2.encode_entry(series)), [series])

    def test_floats_read_as_go_writes_them(self):
        self.assertEqual(go_float(1795398460.6063373), "1.7953984606063373e+09")
        self.assertEqual(go_float(0), "0")


class Case2(Case):
    def server(self, version="dev", admin_bind=None, segment_bytes=10 * 1024 * 1024):
        engine = os.path.join(self.directory, "engine")
        server = InfluxDB2(engine, TOKEN, "limited", {"plant": BUCKET}, version, segment_bytes)
        server.start(admin_bind)
        self.addCleanup(server.close)
        return server

    def segments(self, shard=1):
        """(name, bytes) of each segment."""
        folder = os.path.join(self.directory, "engine", "wal", BUCKET, "autogen", str(shard))
        return [(name, os.path.getsize(os.path.join(folder, name))) for name in names(folder)]

    def write(self, client, line="pump,site=a flow=1", **query):
        answer = client.request("POST", "/api/v2/write", line, **({"org": "o", "bucket": "plant"} | query))
        self.assertEqual(answer.status, 204, answer.body)

    def backup(self, client, shard=1, **query):
        return client.get(f"/api/v2/backup/shards/{shard}", **query)


class Answers(Case2):
    def test_they_are_the_recorded_ones(self):
        server = self.server()
        client = self.client(server.port, TOKEN)
        self.write(client)
        answer = self.backup(client, since=FUTURE)
        self.assert_like(answer, "v2-backup-ok-headers.txt")
        self.assertEqual(answer.body, bytes(1024))
        answer = self.backup(client, 99, since=FUTURE)
        self.assertEqual(answer.body, self.assert_like(answer, "v2-backup-not-found.txt").body)
        answer = self.client(server.port).get("/health")
        self.assertEqual(answer.body, self.assert_like(answer, "v2-health.txt").body)
        for token in (None, "wrong"):
            answer = self.backup(self.client(server.port, token), since=FUTURE)
            self.assertEqual(answer.body, self.assert_like(answer, "v2-backup-unauthorized.txt").body)

    def test_a_token_that_is_no_operators_may_write_and_not_back_up(self):
        server = self.server()
        client = self.client(server.port, "limited")
        self.write(client)
        self.assertEqual(self.backup(client, since=FUTURE).status, 401)
        self.assertEqual(self.segments()[0][0], "_00001.wal")

    def test_ping_tells_the_version_without_a_token(self):
        answer = self.client(self.server(version="v2.7.12").port).get("/ping")
        self.assertEqual((answer.status, answer.headers["X-Influxdb-Version"], answer.body), (204, "v2.7.12", b""))

    def test_metrics_have_the_recorded_families_per_shard(self):
        server = self.server()
        client = self.client(server.port, TOKEN)
        self.write(client)
        size = self.segments()[0][1]
        with open(os.path.join(FIXTURES, "http", "v2-metrics-excerpt.txt"), encoding="utf-8") as file:
            recorded = file.read()
        body = client.get("/metrics").body.decode()
        for line in body.splitlines():
            if line.startswith("#"):
                self.assertIn(line + "\n", recorded)
        labels = f'{{bucket="{BUCKET}",engine="tsm1",id="1",path="{self.directory}/engine/data/{BUCKET}/autogen/1",'
        labels += f'walPath="{self.directory}/engine/wal/{BUCKET}/autogen/1"}}'
        self.assertIn(f"storage_wal_size{labels} {size}\n", body)
        self.backup(client, since=FUTURE)
        self.assertIn(f"storage_wal_size{labels} 0\n", client.get("/metrics").body.decode())

    def test_wrong_requests_say_so(self):
        client = self.client(self.server().port, TOKEN)
        self.assertEqual(client.request("POST", "/api/v2/write", "m v=1", bucket="absent").status, 404)
        self.assertEqual(client.request("POST", "/api/v2/write", "bad line", bucket="plant").status, 400)
        self.write(client)
        self.assertEqual(self.backup(client, since="tomorrow").status, 400)
        self.assertEqual(self.backup(client, "x", since=FUTURE).status, 400)
        self.assertEqual(client.get("/api/v2/other").status, 404)
        self.assertGreater(self.segments()[0][1], 0)


class Checkpoint(Case2):
    def test_21_mb_in_two_segments_become_one_empty_segment(self):
        client = self.client(self.server().port, TOKEN)
        row = 'pump note="' + "x" * 60_000 + '"'
        for _ in range(19):
            self.write(client, "\n".join([row] * 19))
        self.assertEqual([name for name, _ in self.segments()], ["_00001.wal", "_00002.wal"])
        self.assertGreater(sum(size for _, size in self.segments()), 21_000_000)
        self.assertEqual(self.backup(client, since=FUTURE).body, bytes(1024))
        self.assertEqual(self.segments(), [("_00003.wal", 0)])
        self.assertEqual(self.backup(client, since=FUTURE).status, 200)  # nothing to do: nothing changes
        self.assertEqual(self.segments(), [("_00003.wal", 0)])
        self.write(client)
        self.assertEqual([name for name, _ in self.segments()], ["_00003.wal"])

    def test_without_since_the_whole_shard_is_sent_and_counted(self):
        server = self.server()
        client = self.client(server.port, TOKEN)
        for _ in range(20):
            self.write(client, 'pump note="' + "x" * 10_000 + '"')
        size = self.segments()[0][1]
        answer = self.backup(client)
        self.assertGreater(len(answer.body), size)
        self.assertEqual(server.all_counters()["backups_without_since"], 1)
        self.assertEqual(len(self.backup(client, since=FUTURE).body), 1024)
        self.assertEqual(server.all_counters()["backups_without_since"], 1)

    def test_each_week_of_a_bucket_is_a_shard_and_is_emptied_alone(self):
        client = self.client(self.server().port, TOKEN)
        self.write(client, f"m v=1 5\nm v=1 {SHARD_GROUP_NS + 5}\nm v=2 6")
        self.assertEqual([len(self.segments(shard)) for shard in (1, 2)], [1, 1])
        self.backup(client, 2, since=FUTURE)
        self.assertEqual((self.segments(1)[0][0], self.segments(2)), ("_00001.wal", [("_00002.wal", 0)]))
        self.assertGreater(self.segments(1)[0][1], 0)

    def test_while_a_snapshot_runs_the_answer_is_200_and_the_data_stays(self):
        server = self.server(admin_bind="127.0.0.1:0")
        client, admin = self.client(server.port, TOKEN), self.client(server.admin.port)
        self.write(client)
        size = self.segments()[0][1]
        self.assertEqual(admin.request("POST", "/hold-snapshots").status, 200)
        self.write(client)
        answer = self.backup(client, since=FUTURE)
        self.assertEqual((answer.status, answer.body), (200, bytes(1024)))
        self.assertEqual(self.segments(), [("_00001.wal", size), ("_00002.wal", size), ("_00003.wal", 0)])
        self.assertEqual(server.all_counters()["busy_backups"], 1)
        admin.request("POST", "/hold-snapshots", value="false")
        self.assertEqual(self.segments(), [("_00002.wal", size), ("_00003.wal", 0)])  # what it had taken is gone
        self.backup(client, since=FUTURE)
        self.assertEqual(self.segments(), [("_00003.wal", 0)])

    def test_a_hanging_server_answers_nothing(self):
        server = self.server()
        server.hang()
        client = self.client(server.port, TOKEN)
        thread = threading.Thread(target=lambda: self.assertRaises(OSError, client.get, "/health"))
        thread.start()
        self.until(lambda: server.counters["requests"] == 1, "the request did not arrive")
        server.close()
        thread.join(timeout=10)
        self.assertFalse(thread.is_alive())


class Restart(Case2):
    def test_an_empty_newest_segment_is_removed_and_its_successor_takes_the_next_number(self):
        server = self.server()
        client = self.client(server.port, TOKEN)
        self.write(client)
        self.backup(client, since=FUTURE)
        self.assertEqual(self.segments(), [("_00002.wal", 0)])
        server.close()
        client = self.client(self.server().port, TOKEN)
        self.assertEqual(self.segments(), [])
        self.write(client)
        self.assertEqual([name for name, _ in self.segments()], ["_00003.wal"])

    def test_a_segment_with_data_is_gone_on_with(self):
        server = self.server()
        self.write(self.client(server.port, TOKEN))
        size = self.segments()[0][1]
        server.close()
        self.write(self.client(self.server().port, TOKEN))
        self.assertEqual(self.segments(), [("_00001.wal", 2 * size)])

    def test_the_fixture_is_taken_over_and_emptied(self):
        shutil.copytree(os.path.join(FIXTURES, "influxdb2", "wal"), os.path.join(self.directory, "engine", "wal"))
        client = self.client(self.server().port, TOKEN)
        self.assertEqual(self.segments(), [("_00001.wal", 147)])
        self.assertEqual(self.backup(client, since=FUTURE).status, 200)
        self.assertEqual(self.segments(), [("_00002.wal", 0)])

    def test_a_new_segment_begins_once_one_is_over_its_size(self):
        client = self.client(self.server(segment_bytes=100).port, TOKEN)
        for _ in range(5):
            self.write(client)
        self.assertEqual([size for _, size in self.segments()], [147, 98])

    def test_the_program_ends_with_0_at_sigterm(self):
        program = self.program(
            "influxdb2.py", "--engine-path", os.path.join(self.directory, "engine"), "--token", TOKEN,
            "--bucket", f"plant={BUCKET}", "--version", "v2.7.12",
        )  # fmt: skip
        self.write(self.client(program.port, TOKEN))
        self.assertEqual(program.stop()[0], 0)
        self.assertEqual(self.segments(), [("_00001.wal", 49)])


if __name__ == "__main__":
    unittest.main()
