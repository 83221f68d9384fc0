"""The 3.x test server: its HTTP answers against the recorded ones, its
directory against the fixtures, its faults against exporter/influxdb/FACTS.md.
The measured runs of that file are in test_measured3.py."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
import unittest
import zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import wal3
from engine3 import WAL_TAKEN, Panicked, StartFailed
from testing import FIXTURES, MINUTE, names
from testing3 import FIXTURE_TIME, Case3

G = 10 * MINUTE


class Answers(Case3):
    def test_they_are_the_recorded_ones(self):
        client = self.client(self.server().port)
        sql = {"db": "_internal", "format": "json"}
        for fixture, arguments, query, body in [
            ("v3-health.txt", ("GET", "/health"), {}, None),
            ("v3-unknown-route.txt", ("GET", "/api/v3/checkpoint"), {}, None),
            ("v3-write-ok.txt", ("POST", "/api/v3/write_lp"), {"db": "plant", "precision": "nanosecond"}, "pump flow=1"),
            ("v3-write-partial-error.txt", ("POST", "/api/v3/write_lp"), {"db": "plant"}, "bad line"),
            ("v3-write-bad-db-name.txt", ("POST", "/api/v3/write_lp"), {"db": "_x"}, "m v=1"),
            ("v3-query-checkpoint.txt", ("GET", "/api/v3/query_sql"), {"db": "plant", "q": "CHECKPOINT"}, None),
            ("v3-query-gen1.txt", ("GET", "/api/v3/query_sql"),
             sql | {"q": "SELECT level, duration_seconds FROM system.generation_durations"}, None),
        ]:  # fmt: skip
            answer = client.request(*arguments, body, **query)
            expected = self.assert_like(answer, fixture, ["cluster-uuid"])
            self.assertEqual(answer.body, expected.body, fixture)

    def test_ping_tells_build_version_and_a_process_id_of_its_own(self):
        server = self.server()
        answer = self.client(server.port).get("/ping")
        expected = self.assert_like(answer, "v3-ping.txt", ["request-id", "x-request-id", "cluster-uuid"])
        self.assertEqual(list(answer.json()), list(expected.json()))
        self.assertEqual(answer.json() | {"process_id": ""}, expected.json() | {"process_id": ""})
        self.assertEqual(len(answer.body), len(expected.body))

    def test_the_sixth_database_gets_422_also_after_a_restart(self):
        server = self.server()
        client = self.client(server.port)
        for number in range(5):
            self.write(client, db=f"db{number}")
        server.close()
        client = self.client(self.server().port)
        answer = client.request("POST", "/api/v3/write_lp", "m v=1", db="sixth")
        expected = self.assert_like(answer, "v3-write-database-limit.txt", ["cluster-uuid"])
        self.assertEqual(answer.body, expected.body)
        self.write(client, db="db4")
        self.assertEqual(len(self.wal()), 6)

    def test_without_the_token_nothing_is_told(self):
        server = self.server(token="secret", without_auth=False)
        client = self.client(server.port)
        answer = client.request("POST", "/api/v3/write_lp", "m v=1", db="d")
        self.assertEqual(answer.body, self.assert_like(answer, "v3-write-unauthorized.txt", ["cluster-uuid"]).body)
        self.assert_like(client.get("/health"), "v3-health-unauthorized.txt", ["cluster-uuid"])
        for path in ("/ping", "/metrics", "/no/such/route"):
            self.assertEqual(client.get(path).status, 401)
        for header, status in [("Bearer secret", 200), ("Token secret", 200), ("Token other", 401), ("Basic secret", 401)]:
            self.assertEqual(client.request("GET", "/health", headers={"Authorization": header}).status, status)
        self.assertEqual(self.wal(), [])

    def test_open_routes_need_no_token(self):
        server = self.server(token="secret", without_auth=False, open_routes=["health", "ping"])
        client = self.client(server.port)
        self.assertEqual([client.get(path).status for path in ("/health", "/ping", "/metrics")], [200, 200, 401])

    def test_nodes_show_only_the_flags_given(self):
        program = self.program(
            "influxdb3.py", "--data-dir", self.directory, "--node-id", "n1", "--object-store", "file", "--without-auth",
            "--wal-snapshot-size", "20", "--wal-flush-interval", "100ms",
        )  # fmt: skip
        answer = self.client(program.port).get(
            "/api/v3/query_sql", db="_internal", format="json", q="SELECT node_id, mode, state, cli_params FROM system.nodes"
        )
        expected = self.assert_like(answer, "v3-query-nodes.txt", ["cluster-uuid"])
        row, wanted = answer.json()[0], expected.json()[0]
        flags, wanted_flags = json.loads(row.pop("cli_params")), json.loads(wanted.pop("cli_params"))
        self.assertEqual(row, wanted)
        for name in ("object-store", "node-id", "wal-snapshot-size", "wal-flush-interval", "without-auth"):
            self.assertEqual(flags[name], wanted_flags[name])
        self.assertNotIn("snapshotted-wal-files-to-keep", flags)

    def test_from_3_11_the_flags_have_their_new_names(self):
        for version, name in [("3.10.9", "wal-snapshot-size"), ("3.11.0", "wal-files-per-snapshot")]:
            program = self.program(
                "influxdb3.py", "--data-dir", self.directory, "--node-id", version, "--without-auth", "--version", version,
                "--wal-files-per-snapshot", "600",
            )  # fmt: skip
            query = {"db": "_internal", "q": "SELECT cli_params FROM system.nodes"}
            rows = self.client(program.port).get("/api/v3/query_sql", **query).json()
            flags = json.loads(rows[0]["cli_params"])
            self.assertEqual([key for key in flags if key.startswith("wal-")], [name])

    def test_system_tables_are_in_internal_only(self):
        client = self.client(self.server().port)
        self.write(client)
        query = {"q": "SELECT cli_params FROM system.nodes"}
        self.assertEqual(client.get("/api/v3/query_sql", db="plant", **query).status, 400)
        self.assertEqual(client.get("/api/v3/query_sql", db="absent", **query).status, 404)
        self.assertEqual(client.get("/api/v3/query_sql", **query).status, 400)

    def test_metrics_count_lines_by_database_and_tell_nothing_of_the_wal(self):
        client = self.client(self.server().port)
        self.write(client, "pump flow=1")
        client.request("POST", "/api/v3/write_lp", "bad line", db="plant")
        body = client.get("/metrics").body.decode()
        self.assertIn('influxdb3_write_lines_total{db="plant"} 1\n', body)
        self.assertIn('influxdb3_write_lines_rejected_total{db="plant"} 1\n', body)
        self.assertNotIn("wal", body)

    def test_a_partial_write_keeps_the_good_lines(self):
        client = self.client(self.server().port)
        answer = client.request("POST", "/api/v3/write_lp", "m v=1 5\nbad line\nm v=\"x\" 6\nm v=2 7", db="plant", precision="ns")
        self.assertEqual((answer.status, [error["line_number"] for error in answer.json()["data"]]), (400, [2, 3]))
        self.assertEqual(wal3.decode_header(self.file(1))[1:], (5, 7, 1))

    def file(self, number):
        with open(os.path.join(self.wal_dir(), wal3.wal_name(number)), "rb") as file:
            return file.read()

    def test_precision_is_guessed_unless_given(self):
        client = self.client(self.server().port)
        for number, (precision, written, expected) in enumerate(
            [("auto", 1795398060, FIXTURE_TIME), ("auto", FIXTURE_TIME, FIXTURE_TIME), ("second", 5, 5 * 10**9),
             ("millisecond", 1795398060000, FIXTURE_TIME), ("nanosecond", 1795398060, 1795398060)], start=1,
        ):  # fmt: skip
            self.write(client, f"m v=1 {written}", precision=precision)
            self.assertEqual(wal3.decode_header(self.file(number))[2], expected)


class Directory(Case3):
    def test_one_synchronous_write_is_one_flush_and_one_file(self):
        client = self.client(self.server(flush_ns=20 * 10**6).port)
        begin = time.monotonic()
        self.write(client, count=6)
        self.assertGreaterEqual(time.monotonic() - begin, 5 * 0.020)  # N points take N flush intervals
        self.assertEqual(self.wal(), [wal3.wal_name(number) for number in range(1, 7)])
        self.assertEqual(names(self.wal_dir()), self.wal())  # nothing staged is left

    def test_writes_within_one_flush_interval_share_a_file(self):
        server = self.server(flush_ns=10**9)
        clients = [self.client(server.port) for _ in range(4)]
        threads = [
            threading.Thread(target=self.write, args=(client, f"pump flow=1 {1000 + place}"))
            for place, client in enumerate(clients)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertLessEqual(len(self.wal()), 2)  # two where a tick fell between them
        self.assertEqual(server.all_counters()["points"], {"plant": 4})

    def test_an_idle_server_writes_no_file_and_never_snapshots(self):
        self.put_fixture("blocked-by-future-write")
        server = self.server(now=FIXTURE_TIME + 48 * 60 * MINUTE)
        client = self.client(server.port)
        for _ in range(50):  # requests that bring no data
            client.get("/health")
        self.assertEqual((len(self.wal()), self.snapshots()), (44, []))

    def test_a_write_dated_before_now_does_not_count_as_now(self):
        server = self.server(now=FIXTURE_TIME)
        client = self.client(server.port)
        self.write(client, f"m v=1 {FIXTURE_TIME - 3 * G}", count=29)
        self.write(client, f"m v=1 {FIXTURE_TIME - 3 * G}")
        self.assertEqual(self.snapshots(), [])

    def test_twelve_pending_goes_on_by_the_rule(self):
        self.put_fixture("twelve-pending")
        server = self.server(now=FIXTURE_TIME)
        client = self.client(server.port)
        self.assertEqual(len(server.engine.pending()), 12)
        self.write(client, f"m v=1 {server.engine.pending()[0].min_ns}", count=17)
        self.write(client, "m v=1")  # the thirtieth, in the same gen1 window
        self.assertEqual(self.snapshots(), [])
        self.set_now(server, FIXTURE_TIME + G)
        self.write(client, "m v=1")
        self.assertTrue(server.engine.wait_for_snapshots())
        self.assertEqual([(s["snapshot_sequence_number"], s["wal_file_sequence_number"]) for s in self.snapshots()], [(1, 30)])
        self.assertEqual([period.number for period in server.engine.pending()], [31])

    def test_blocked_by_a_future_write_frees_only_what_is_before_it(self):
        self.put_fixture("blocked-by-future-write")
        server = self.server(now=FIXTURE_TIME + G)
        self.assertEqual(len(server.engine.pending()), 44)
        client = self.client(server.port)
        self.write(client, "m v=1")
        self.assertTrue(server.engine.wait_for_snapshots())
        self.assertEqual(self.snapshots()[0]["wal_file_sequence_number"], 3)
        self.assertEqual(server.engine.pending()[0].number, 4)
        self.set_now(server, FIXTURE_TIME + 5 * G)
        self.write(client, "m v=1", count=17)  # 59 periods
        self.assertEqual(len(self.snapshots()), 1)
        self.write(client, "m v=1")  # 60: all
        self.assertTrue(server.engine.wait_for_snapshots())
        self.assertEqual(self.snapshots()[0]["wal_file_sequence_number"], 63)
        self.assertEqual(server.engine.pending(), [])

    def test_after_a_snapshot_at_once_its_trigger_stops_the_row(self):
        self.put_fixture("after-snapshot")
        server = self.server(now=FIXTURE_TIME)
        client = self.client(server.port)
        self.assertEqual([period.number for period in server.engine.pending()], [30, 31, 32, 33, 34])
        self.set_now(server, FIXTURE_TIME + G)  # 01:51: only data past 02:00 passes the trigger's 01:50
        self.write(client, "m v=1", count=30)
        self.assertEqual(len(self.snapshots()), 1)
        self.set_now(server, FIXTURE_TIME + 2 * G)
        self.write(client, "m v=1")
        self.assertTrue(server.engine.wait_for_snapshots())
        newest = self.snapshots()[0]
        self.assertEqual((newest["snapshot_sequence_number"], newest["wal_file_sequence_number"]), (2, 64))

    def test_a_snapshot_file_has_the_fields_of_the_recorded_one(self):
        self.put_fixture("twelve-pending")
        for name in self.wal()[:12]:
            self.assertTrue(os.path.exists(os.path.join(self.wal_dir(), name)))
        server = self.server(now=FIXTURE_TIME, snapshot_size=8)
        self.write(self.client(server.port), f"pump flow=1 {FIXTURE_TIME // G * G + G}")
        self.assertTrue(server.engine.wait_for_snapshots())
        with open(os.path.join(FIXTURES, "influxdb3", "after-snapshot", "snapshots", wal3.snapshot_name(1)), "rb") as file:
            recorded = json.load(file)
        fields = self.snapshots()[0]
        self.assertEqual(list(fields), list(recorded))
        self.assertEqual((fields["row_count"], fields["min_time"]), (12, recorded["min_time"]))
        file_of, recorded_file = fields["databases"][0][1]["tables"][0][1][0], recorded["databases"][0][1]["tables"][0][1][0]
        self.assertEqual(list(file_of), list(recorded_file))
        self.assertEqual(file_of["path"], recorded_file["path"].replace("29.parquet", "12.parquet"))
        self.assertEqual(os.path.getsize(os.path.join(self.directory, file_of["path"])), file_of["size_bytes"])

    def test_the_answer_to_the_trigger_comes_before_its_snapshot(self):
        server = self.server(now=FIXTURE_TIME, snapshot_size=2)
        server.engine.hold("before")
        client = self.client(server.port)
        self.write(client, f"m v=1 {FIXTURE_TIME - G}", count=2)
        self.write(client, "m v=1")
        self.assertEqual(self.snapshots(), [])
        server.engine.hold(None)
        self.assertTrue(server.engine.wait_for_snapshots())
        self.assertEqual(self.snapshots()[0]["wal_file_sequence_number"], 2)

    def test_a_held_snapshot_file_is_half_there(self):
        server = self.server(now=FIXTURE_TIME, snapshot_size=2)
        server.engine.hold("half")
        client = self.client(server.port)
        self.write(client, f"m v=1 {FIXTURE_TIME - G}", count=2)
        self.write(client, "m v=1")
        path = os.path.join(self.directory, "n1", "snapshots", wal3.snapshot_name(1))
        self.until(lambda: os.path.exists(path) and os.path.getsize(path) > 0, "no half of a snapshot")
        with self.assertRaises(ValueError):
            self.snapshots()
        server.engine.hold(None)
        self.assertTrue(server.engine.wait_for_snapshots())
        self.assertEqual(len(self.snapshots()), 1)

    def test_much_in_memory_snapshots_all_and_leaves_a_file_without_data(self):
        server = self.server(now=FIXTURE_TIME, force_snapshot_mem_bytes=10**6, mem_check_ns=10**6)
        self.write(self.client(server.port), count=4)
        server.engine.options.force_snapshot_mem_bytes = 200
        self.until(lambda: server.engine.counters["forced_snapshots"] > 0, "no snapshot by memory")
        self.assertTrue(server.engine.wait_for_snapshots())
        self.assertEqual((self.snapshots()[0]["wal_file_sequence_number"], server.engine.pending()), (5, []))
        with open(os.path.join(self.wal_dir(), wal3.wal_name(5)), "rb") as file:
            contents = wal3.decode_file(file.read())
        self.assertEqual((contents.ops[0][0], contents.max_ns - contents.min_ns), (wal3.NOOP, 1))
        self.assertEqual((contents.snapshot.last_wal, contents.snapshot.forced), (5, True))

    def test_a_stalled_server_goes_on_writing_and_never_snapshots(self):
        server = self.server(now=FIXTURE_TIME, snapshot_size=2)
        server.stall()
        client = self.client(server.port)
        self.write(client, f"m v=1 {FIXTURE_TIME - G}", count=9)
        self.assertEqual((len(self.wal()), self.snapshots()), (9, []))
        server.stall(False)
        self.write(client)
        self.assertTrue(server.engine.wait_for_snapshots())
        self.assertEqual(server.engine.pending(), [])


class Restart(Case3):
    def test_every_pending_file_is_replayed_and_numbers_go_on(self):
        self.put_fixture("after-snapshot")
        server = self.server(now=FIXTURE_TIME)
        self.assertEqual(server.engine.counters["replayed_files"], 5)
        self.write(self.client(server.port))
        self.assertEqual(self.wal()[-1], wal3.wal_name(35))
        process, cluster = server.process_id, server.engine.catalog.cluster_uuid
        server.close()
        again = self.server(now=FIXTURE_TIME)
        self.assertEqual(again.engine.counters["replayed_files"], 6)
        self.assertNotEqual(again.process_id, process)
        self.assertEqual(again.engine.catalog.cluster_uuid, cluster)

    def test_each_pending_file_can_cost_time(self):
        self.put_fixture("twelve-pending")
        begin = time.monotonic()
        self.server(replay_cost_ns=5 * 10**6)
        self.assertGreaterEqual(time.monotonic() - begin, 12 * 0.005)

    def test_shutdown_flushes_and_does_not_snapshot(self):
        self.put_fixture("twelve-pending")
        server = self.server(now=FIXTURE_TIME, snapshot_size=8, flush_ns=3600 * 10**9)
        client = self.client(server.port)
        self.write(client, f"m v=1 {FIXTURE_TIME + G}", no_sync="true")
        self.assertEqual(len(self.wal()), 12)
        server.close()
        self.assertEqual((len(self.wal()), self.snapshots()), (13, []))
        self.assertEqual(len(self.server(snapshot_size=8).engine.pending()), 13)

    def test_what_a_kill_left_unwritten_is_gone(self):
        server = self.server(flush_ns=3600 * 10**9)
        self.write(self.client(server.port), no_sync="true")
        server.kill()
        self.assertEqual(self.wal(), [])

    def test_a_snapshot_cut_off_by_a_kill_is_made_at_the_next_start(self):
        server = self.server(now=FIXTURE_TIME, snapshot_size=2)
        server.engine.hold("before")
        client = self.client(server.port)
        self.write(client, f"m v=1 {FIXTURE_TIME - G}", count=2)
        self.write(client, "m v=1")
        server.kill()
        self.assertEqual(self.snapshots(), [])
        again = self.server(now=FIXTURE_TIME, snapshot_size=2)
        self.assertEqual(self.snapshots()[0]["wal_file_sequence_number"], 2)
        self.assertEqual([period.number for period in again.engine.pending()], [3])

    def test_sigterm_ends_the_program_with_0_and_flushes(self):
        program = self.program(
            "influxdb3.py", "--data-dir", self.directory, "--node-id", "n1", "--without-auth", "--wal-flush-interval", "1h",
            "--admin-bind", "127.0.0.1:0",
        )  # fmt: skip
        admin = self.client(program.admin_port())
        self.write(self.client(program.port), no_sync="true")
        self.assertEqual(admin.get("/counters").json()["points"], {"plant": 1})
        self.assertEqual(program.stop()[0], 0)
        self.assertEqual(self.wal(), [wal3.wal_name(1)])

    def test_the_clock_file_moves_time(self):
        path = os.path.join(self.directory, "offset")
        program = self.program(
            "influxdb3.py", "--data-dir", self.directory, "--node-id", "n1", "--without-auth", "--wal-flush-interval", "1ms",
            "--clock-file", path,
        )  # fmt: skip
        client = self.client(program.port)
        self.write(client, "m v=1")
        with open(path, "w", encoding="ascii") as file:
            file.write(str(60 * MINUTE))
        self.write(client, "m v=1")
        times = []
        for name in self.wal():
            with open(os.path.join(self.wal_dir(), name), "rb") as file:
                times.append(wal3.decode_header(file.read(64)))
        self.assertAlmostEqual(times[1][0] - times[0][0], 3600_000, delta=20_000)
        self.assertAlmostEqual(times[1][2] - times[0][2], 60 * MINUTE, delta=20 * 10**9)


class Damage(Case3):
    def test_a_damaged_file_is_skipped_with_a_warning(self):
        with open(os.path.join(FIXTURES, "influxdb3", "twelve-pending", "wal", wal3.wal_name(5)), "rb") as file:
            good = file.read()
        for data in (b"", good[:7], good[:40], b"idb3.002" + good[8:], good[:90] + b"\x01" + good[91:]):
            shutil.rmtree(os.path.join(self.directory, "n1"), ignore_errors=True)
            self.put_fixture("twelve-pending")
            self.damage(5, data)
            server = self.server()
            self.assertEqual((server.engine.counters["skipped_files"], len(server.engine.pending())), (1, 11))
            self.write(self.client(server.port))
            server.close()
            self.assertEqual(self.wal()[-1], wal3.wal_name(13))

    def test_a_missing_number_is_passed_over(self):
        self.put_fixture("twelve-pending")
        os.unlink(os.path.join(self.wal_dir(), wal3.wal_name(7)))
        server = self.server()
        self.write(self.client(server.port))
        self.assertEqual((len(server.engine.pending()), self.wal()[-1]), (12, wal3.wal_name(13)))

    def put_named(self, name, data=b"x"):
        with open(os.path.join(self.wal_dir(), name), "wb") as file:
            file.write(data)

    def whole(self, number):
        with open(os.path.join(self.wal_dir(), wal3.wal_name(number)), "rb") as file:
            return file.read()

    def test_text_is_skipped_and_folders_and_staged_files_are_not_read(self):
        self.put_fixture("twelve-pending")
        for name in ("13.wal", "notes.txt", "00000000012.wal.bak"):
            self.put_named(name)
        self.put_named("00000000013.wal#1", self.whole(3))
        os.mkdir(os.path.join(self.wal_dir(), "kept"))
        self.put_named("kept/00000000003.wal", self.whole(3))
        server = self.server()
        self.assertEqual((server.engine.counters["skipped_files"], len(server.engine.pending())), (3, 12))

    def test_a_number_that_does_not_grow_is_a_panic_under_any_name(self):
        self.put_fixture("twelve-pending")
        for name, number in (("00000000003.wal.bak", 3), ("copy-of-00000000012.wal", 12), ("0000000007.wal", 7)):
            self.put_named(name, self.whole(number))
            with self.assertRaisesRegex(Panicked, "last_period.wal_file_number < wal_period.wal_file_number"):
                self.server()
            os.unlink(os.path.join(self.wal_dir(), name))
        self.server()

    def test_a_copy_of_what_is_snapshotted_is_never_read(self):
        self.put_fixture("after-snapshot")  # 1 to 29
        self.put_named("00000000028.wal.bak", self.whole(28))
        self.assertEqual(len(self.server().engine.pending()), 5)

    def test_a_smallest_time_after_the_largest_is_a_panic(self):
        server = self.server()
        self.write(self.client(server.port))
        server.engine.write_void()
        self.write(self.client(server.port))
        self.assertEqual(len(server.engine.pending()), 3)
        server.close()
        with self.assertRaisesRegex(Panicked, "min_time <= max_time"):
            self.server()

    def test_a_panic_ends_the_program_with_101_and_fail_on_error_with_1(self):
        def start(*more):
            script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "influxdb3.py")
            flags = ("--data-dir", self.directory, "--node-id", "n1", "--without-auth")
            ended = subprocess.run((sys.executable, "-B", script, *flags, *more), capture_output=True, text=True, timeout=30)
            return ended.returncode, ended.stderr

        self.put_fixture("twelve-pending")
        self.put_named("00000000003.wal.bak", self.whole(3))
        status, errors = start()
        self.assertEqual(status, 101)
        self.assertIn("panicked", errors)
        os.unlink(os.path.join(self.wal_dir(), "00000000003.wal.bak"))
        self.damage(5)
        status, errors = start("--wal-replay-fail-on-error")
        self.assertEqual(status, 1)
        self.assertIn("00000000005.wal", errors)

    def test_contents_that_no_release_wrote_keep_it_from_starting(self):
        self.put_fixture("twelve-pending")
        payload = b"\x09" * 40
        self.damage(5, wal3.MAGIC + zlib.crc32(payload).to_bytes(4, "big") + payload)
        with self.assertRaisesRegex(StartFailed, "00000000005.wal"):
            self.server()

    def test_a_damaged_newest_file_ends_the_program_at_the_first_write_each_time(self):
        self.put_fixture("twelve-pending")
        self.damage(12)
        for _ in range(2):
            program = self.program(
                "influxdb3.py", "--data-dir", self.directory, "--node-id", "n1", "--without-auth", "--wal-flush-interval", "1ms"
            )
            client = self.client(program.port)
            self.assertEqual(client.get("/health").status, 200)
            answer = client.request("POST", "/api/v3/write_lp", "m v=1", db="plant")
            self.assertEqual(answer.status, 500)
            self.assertIn(WAL_TAKEN, answer.body.decode())
            status, errors = program.wait()
            self.assertEqual(status, 0)
            self.assertIn("Skipping corrupt WAL file", errors)
            self.assertEqual(len(self.wal()), 12)
        os.rename(os.path.join(self.wal_dir(), wal3.wal_name(12)), os.path.join(self.directory, "aside"))
        self.write(self.client(self.server().port))
        self.assertEqual(self.wal()[-1], wal3.wal_name(12))

    def test_a_second_process_on_the_same_node_stops_the_first(self):
        first = self.server()
        second = self.server()
        self.write(self.client(second.port))
        answer = self.client(first.port).request("POST", "/api/v3/write_lp", "m v=1", db="plant")
        self.assertEqual(answer.status, 500)
        self.until(lambda: first.ended, "the first process goes on")
        self.assertFalse(second.ended)

    def test_a_wal_that_cannot_be_written_gets_500_and_the_number_is_lost(self):
        server = self.server()
        client = self.client(server.port)
        self.write(client)
        os.unlink(os.path.join(self.wal_dir(), wal3.wal_name(1)))
        os.rmdir(self.wal_dir())
        answer = client.request("POST", "/api/v3/write_lp", "m v=1", db="plant")
        self.assertEqual(answer.status, 500)
        self.assertIn("error writing wal file", answer.body.decode())
        os.mkdir(self.wal_dir())
        self.write(client)
        self.assertEqual(self.wal(), [wal3.wal_name(3)])


class Enterprise(Case3):
    COLUMNS = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'system' AND table_name LIKE 'pt_%'"

    def tables(self, client):
        answer = client.request("GET", "/api/v3/query_sql", db="_internal", format="json", q=self.COLUMNS)
        return [row["table_name"] for row in json.loads(answer.body)]

    def test_core_has_its_catalog_in_the_nodes_folder_and_no_wal_until_the_first_write(self):
        server = self.server()
        client = self.client(server.port)
        self.assertEqual(sorted(os.listdir(os.path.join(self.directory, "n1"))), ["catalog"])
        self.assertEqual(self.tables(client), [])
        self.write(client)
        self.assertEqual(sorted(os.listdir(os.path.join(self.directory, "n1"))), ["catalog", "snapshots", "wal"])

    def test_the_upgraded_engine_keeps_its_wal_elsewhere_and_has_tables_of_its_own(self):
        for upgraded in (False, True):
            server = self.server(cluster_id=f"c{upgraded}", upgraded=upgraded)
            client = self.client(server.port)
            self.write(client)
            self.assertEqual(self.tables(client), ["pt_ingest_files", "pt_ingest_wal"] if upgraded else [])
            self.assertTrue(os.path.isdir(os.path.join(self.directory, f"c{upgraded}", "catalog")))
            self.assertEqual(self.wal(), [wal3.wal_name(1)], "of the engine that writes there")
            self.assertIn('influxdb3_write_lines_total{db="plant"} 1', client.request("GET", "/metrics").body.decode())
            server.close()


class Faults(Case3):
    def test_writes_can_be_told_to_fail(self):
        server = self.server(admin_bind="127.0.0.1:0")
        self.client(server.admin.port).request("POST", "/fail-writes", count=2)
        client = self.client(server.port)
        statuses = [client.request("POST", "/api/v3/write_lp", "m v=1", db="plant").status for _ in range(3)]
        self.assertEqual((statuses, len(self.wal())), ([500, 500, 204], 1))
        self.assertEqual(server.all_counters()["failed_writes"], 2)

    def test_a_hanging_server_takes_requests_and_answers_once_it_goes_on(self):
        server = self.server()
        server.hang()
        answers = []
        client = self.client(server.port)
        thread = threading.Thread(target=lambda: answers.append(client.get("/health")))
        thread.start()
        self.until(lambda: server.counters["requests"] == 1, "the request did not arrive")
        self.assertEqual(answers, [])
        server.hang(False)
        thread.join(timeout=10)
        self.assertEqual(answers[0].status, 200)

    def test_a_hanging_server_can_be_closed(self):
        server = self.server()
        server.hang()
        client = self.client(server.port)
        client.connection.request("GET", "/health")
        self.until(lambda: server.counters["requests"] == 1, "the request did not arrive")
        server.close()
        with self.assertRaises(OSError):
            client.connection.getresponse()

    def test_an_unknown_action_names_the_known_ones(self):
        server = self.server(admin_bind="127.0.0.1:0")
        answer = self.client(server.admin.port).request("POST", "/explode")
        self.assertEqual(answer.status, 404)
        self.assertIn(b"stall", answer.body)


if __name__ == "__main__":
    unittest.main()
