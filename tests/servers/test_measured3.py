"""The runs that were measured on a real 3.10 (marked M 3.10 in
exporter/influxdb/FACTS.md), against the 3.x test server: the same numbers must come out."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import wal3
from periods import Period, Periods
from testing import MINUTE
from testing3 import Case3

SECOND = 10**9
NOON = 1795435200 * SECOND  # 2026-11-23T12:00:00Z


class Patient(Case3):
    def test_90_files_go_once_the_minute_has_passed_and_what_comes_later_flows_as_usual(self):
        server = self.server(now=NOON + 5 * SECOND, gen1_ns=MINUTE, snapshot_size=60)
        client = self.client(server.port)
        self.write(client, "pump flow=1", count=20)
        smallest = server.engine.pending()[0].min_ns
        self.write(client, f"filler v=1 {smallest}", count=69)
        self.write(client, "trigger v=1")  # in the same minute as the data
        self.assertEqual((len(server.engine.pending()), self.snapshots()), (90, []))
        self.set_now(server, NOON + MINUTE + SECOND)
        self.write(client, "trigger v=1")
        self.assertTrue(server.engine.wait_for_snapshots())
        self.assertEqual(self.snapshots()[0]["wal_file_sequence_number"], 90)
        self.assertEqual([period.number for period in server.engine.pending()], [91])
        self.write(client, "pump flow=1", count=88)
        self.set_now(server, NOON + 2 * MINUTE + SECOND)
        self.write(client, "pump flow=1")  # the ninetieth
        self.assertTrue(server.engine.wait_for_snapshots())
        self.assertEqual(self.snapshots()[0]["wal_file_sequence_number"], 90 + 89)

    def test_a_trigger_exactly_on_the_boundary_frees_what_is_before_it(self):
        server = self.server(now=NOON, gen1_ns=MINUTE, snapshot_size=60)
        client = self.client(server.port)
        self.write(client, f"pump flow=1 {NOON + MINUTE - 1}", count=89)
        self.write(client, f"trigger v=1 {NOON + MINUTE}")
        self.assertTrue(server.engine.wait_for_snapshots())
        self.assertEqual(self.snapshots()[0]["wal_file_sequence_number"], 89)


class AtOnce(Case3):
    def test_899_files_are_snapshotted_and_the_newest_300_kept(self):
        server = self.server(now=NOON + 5 * SECOND, snapshot_size=600)
        client = self.client(server.port)
        self.write(client, "pump flow=1", count=50)
        self.write(client, f"filler v=1 {server.engine.pending()[0].min_ns}", count=849)
        self.assertEqual((len(server.engine.pending()), self.snapshots()), (899, []))
        self.write(client, f"trigger v=1 {NOON + 10 * MINUTE}")
        self.assertTrue(server.engine.wait_for_snapshots())
        self.assertEqual(self.snapshots()[0]["wal_file_sequence_number"], 899)
        self.assertEqual([period.number for period in server.engine.pending()], [900])
        self.assertEqual(self.wal(), [wal3.wal_name(number) for number in range(600, 901)])
        server.close()
        self.assertEqual(self.server(snapshot_size=600).engine.counters["replayed_files"], 1)

    def test_one_point_too_few_does_nothing(self):
        server = self.server(now=NOON, gen1_ns=MINUTE, snapshot_size=60)
        client = self.client(server.port)
        self.write(client, "pump flow=1", count=88)
        self.write(client, f"trigger v=1 {NOON + MINUTE}")
        self.assertEqual(self.snapshots(), [])

    def test_the_next_natural_snapshot_comes_at_1190_instead_of_900(self):
        def pending_at_next(trigger):
            """A write a second, the first 590 s before a gen1 boundary."""
            periods = Periods(600, 10 * MINUTE)
            boundary = NOON + 10 * MINUTE
            now = boundary - 590 * SECOND
            periods.add(Period(1, boundary if trigger else now, boundary if trigger else now))
            number = 1
            while True:
                number, now = number + 1, now + SECOND
                periods.add(Period(number, now, now))
                pending = len(periods.rows)
                if periods.look() is not None:
                    return pending

        self.assertEqual(pending_at_next(trigger=False), 900)
        self.assertEqual(pending_at_next(trigger=True), 1191)  # the trigger and 1,190 of data


class FutureData(Case3):
    def begin(self):
        """20 files of an earlier minute, one a day ahead, 10 of now; S = 60."""
        server = self.server(now=NOON, gen1_ns=MINUTE, snapshot_size=60)
        client = self.client(server.port)
        for second in range(20):
            self.write(client, f"pump flow=1 {NOON - 4 * MINUTE + second * SECOND}")
        self.write(client, f"pump flow=1 {NOON + 24 * 60 * MINUTE}")
        self.set_now(server, NOON + 5 * SECOND)
        self.write(client, "pump flow=1", count=10)
        return server, client

    def test_fillers_at_the_smallest_time_reach_3_s_and_all_goes(self):
        server, client = self.begin()
        smallest = min(period.min_ns for period in server.engine.pending())
        self.write(client, f"filler v=1 {smallest}", count=148)
        self.assertEqual((len(server.engine.pending()), self.snapshots()), (179, []))
        self.write(client, "last v=1")
        self.assertTrue(server.engine.wait_for_snapshots())
        self.assertEqual(self.snapshots()[0]["wal_file_sequence_number"], 180)
        self.assertEqual(server.engine.pending(), [])
        self.assertEqual(self.snapshots()[0]["max_time"], NOON + 24 * 60 * MINUTE)

    def test_fillers_just_before_the_boundary_release_the_20_in_front_and_never_reach_3_s(self):
        server, client = self.begin()
        self.write(client, f"filler v=1 {NOON - 1}", count=148)
        self.assertTrue(server.engine.wait_for_snapshots())
        self.assertEqual([snapshot["wal_file_sequence_number"] for snapshot in self.snapshots()], [20])
        self.assertEqual((server.engine.pending()[0].number, len(server.engine.pending())), (21, 159))
        self.write(client, "last v=1")
        self.assertEqual((len(self.snapshots()), len(server.engine.pending())), (1, 160))

    def test_live_writers_release_the_front_and_lower_the_count(self):
        server, client = self.begin()
        self.write(client, f"filler v=1 {NOON - 4 * MINUTE}", count=100)
        self.assertEqual(len(server.engine.pending()), 131)
        self.write(client, "pump flow=1")
        self.assertTrue(server.engine.wait_for_snapshots())
        self.assertEqual(len(server.engine.pending()), 132 - 20)


if __name__ == "__main__":
    unittest.main()
