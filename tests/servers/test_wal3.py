"""The 3.x codec against the fixtures, and the rule on its own."""

import glob
import os
import struct
import sys
import unittest
import zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import wal3
from periods import Period, Periods

FIXTURES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fixtures", "influxdb3")
MINUTE = 60 * 10**9


def wal_fixtures():
    return sorted(glob.glob(os.path.join(FIXTURES, "*", "wal", "*.wal")))


def read(path):
    with open(path, "rb") as file:
        return file.read()


class Codec(unittest.TestCase):
    def test_every_fixture_encodes_to_its_own_bytes_again(self):
        self.assertEqual(len(wal_fixtures()), 12 + 34 + 44)
        for path in wal_fixtures():
            data = read(path)
            self.assertEqual(wal3.encode_file(wal3.decode_file(data)), data, path)

    def test_every_fixture_header_encodes_to_its_own_bytes_again(self):
        for path in wal_fixtures():
            data = read(path)
            header = wal3.decode_header(data)
            encoded = wal3.encode_header(*header)
            self.assertEqual(data[12 : 12 + len(encoded)], encoded, path)
            self.assertEqual(header[3], wal3.wal_number(os.path.basename(path)))

    def test_what_a_fixture_holds(self):
        contents = wal3.decode_file(read(os.path.join(FIXTURES, "after-snapshot", "wal", "00000000030.wal")))
        self.assertEqual(contents.persist_ms, 1795398028090)
        self.assertEqual(contents.min_ns, contents.max_ns)
        self.assertEqual(contents.max_ns % (10 * MINUTE), 0)
        self.assertEqual(contents.snapshot, wal3.SnapshotDetails(1, contents.max_ns, 1, 29, False))
        kind, write = contents.ops[0]
        self.assertEqual((kind, write[1], write[2]), (wal3.WRITE, 2, "walnudge"))

    def test_small_values_take_one_two_or_four_bytes(self):
        self.assertEqual(wal3.encode_header(0, 255, 256, 1), bytes.fromhex("0600 06ff 040001 0601"))
        self.assertEqual(wal3.encode_header(65535, 65536, 2**32, 300), bytes.fromhex("04ffff 0200000100 000000000001000000 042c01"))
        self.assertEqual(wal3.encode_header(-1, -5, 7, 2**40), bytes.fromhex("00ffffffffffffffff 00fbffffffffffffff 0607 000000000000010000"))

    def test_headers_of_all_widths_decode_again(self):
        for value in (0, 1, 127, 128, 255, 256, 65535, 65536, 2**31, 2**32 - 1, 2**32, 2**63 - 1, -1, -(2**63)):
            header = (value, value, value, abs(value))
            self.assertEqual(wal3.decode_header(bytes(12) + wal3.encode_header(*header)), header)

    def test_many_rows_tables_and_kinds_survive(self):
        kinds = [(0, 5), (2, "täg"), (3, "x" * 300), (4, -7), (5, 2**64 - 1), (6, 1.5), (7, True)]
        rows = [(time, list(enumerate(kinds))) for time in range(1000, 1020)]
        table = (1000, 1019, [(0, rows), (600, rows[:3])])
        write = (wal3.WRITE, (9, 300, "plant", [(0, table), (70000, table)], 1000, 1019))
        details = wal3.SnapshotDetails(4, 600, 1, 29, True)
        contents = wal3.WalContents(10**12, 1000, 1019, 77, [write, write], details)
        self.assertEqual(wal3.decode_file(wal3.encode_file(contents)), contents)

    def test_a_noop_survives(self):
        contents = wal3.WalContents(5, 9, 10, 3, [(wal3.NOOP, (9,))], None)
        self.assertEqual(wal3.decode_file(wal3.encode_file(contents)), contents)

    def test_the_checksum_is_big_endian_and_covers_all_after_byte_12(self):
        data = read(wal_fixtures()[0])
        self.assertEqual(struct.unpack(">I", data[8:12])[0], zlib.crc32(data[12:]))

    def test_damage_has_a_reason(self):
        data = read(wal_fixtures()[0])
        flipped = data[:80] + bytes([data[80] ^ 1]) + data[81:]
        for damaged, reason in [
            (b"", "empty"), (data[:5], "short"), (b"idb3.002" + data[8:], "magic"),
            (flipped, "checksum"), (data[:-1], "checksum"), (data[:12], "checksum"),
        ]:  # fmt: skip
            with self.assertRaises(wal3.DamagedFile) as caught:
                wal3.decode_file(damaged)
            self.assertEqual(caught.exception.reason, reason)

    def test_contents_cut_short_are_damage_even_with_a_right_checksum(self):
        payload = read(wal_fixtures()[0])[12:]
        for end in range(len(payload)):
            data = wal3.MAGIC + zlib.crc32(payload[:end]).to_bytes(4, "big") + payload[:end]
            with self.assertRaises(wal3.DamagedFile):
                wal3.decode_file(data)

    def test_names(self):
        self.assertEqual(wal3.wal_name(30), "00000000030.wal")
        self.assertEqual(wal3.wal_number("00000000030.wal"), 30)
        for name in ("00000000030.wal#1", "30.wal", "0000000003x.wal", "00000000030.tmp"):
            self.assertIsNone(wal3.wal_number(name))
        self.assertEqual(wal3.snapshot_name(1), "18446744073709551614.info.json")
        self.assertEqual(wal3.snapshot_sequence("18446744073709551614.info.json"), 1)
        self.assertIsNone(wal3.snapshot_sequence("18446744073709551614.info.json#1"))


class Rule(unittest.TestCase):
    def periods(self, size, *max_times):
        periods = Periods(size, MINUTE)
        for number, time in enumerate(max_times, start=1):
            periods.add(Period(number, time, time))
        return periods

    def test_fewer_than_s_and_a_half_do_nothing(self):
        self.assertIsNone(self.periods(20, *[0] * 28, MINUTE).look())
        self.assertEqual(self.periods(20, *[0] * 29, MINUTE).look().last_wal, 29)

    def test_half_of_an_odd_size_is_rounded_down(self):
        self.assertIsNone(self.periods(3, 0, 0, MINUTE).look())
        self.assertEqual(self.periods(3, 0, 0, 0, MINUTE).look().last_wal, 3)

    def test_size_one_is_due_at_every_period_and_takes_all_at_three(self):
        self.assertIsNone(self.periods(1, 0).look())
        self.assertEqual(self.periods(1, 0, MINUTE).look().last_wal, 1)
        self.assertEqual(self.periods(1, 0, 0, 0).look().last_wal, 3)

    def test_the_first_that_is_not_older_stops_the_row(self):
        periods = self.periods(2, 0, MINUTE, 0, 2 * MINUTE - 1)
        self.assertEqual(periods.look(), wal3.SnapshotDetails(1, MINUTE, 1, 1, False))
        self.assertEqual([period.number for period in periods.rows], [2, 3, 4])
        self.assertIsNone(periods.look())

    def test_a_time_equal_to_the_boundary_is_not_older(self):
        self.assertIsNone(self.periods(2, MINUTE, MINUTE, MINUTE).look())
        self.assertEqual(self.periods(2, MINUTE - 1, MINUTE, MINUTE).look().last_wal, 1)

    def test_an_old_newest_period_holds_nothing_back_but_frees_nothing(self):
        self.assertIsNone(self.periods(2, MINUTE, MINUTE, MINUTE, 0).look())

    def test_three_times_the_size_takes_all_whatever_their_times(self):
        self.assertIsNone(self.periods(2, *[9 * MINUTE] * 5).look())
        details = self.periods(2, 9 * MINUTE, 0, 0, 0, 0, 0).look()
        self.assertEqual(details, wal3.SnapshotDetails(1, 10 * MINUTE, 1, 6, True))

    def test_force_takes_all(self):
        periods = self.periods(600, 5)
        self.assertEqual(periods.look(force=True), wal3.SnapshotDetails(1, MINUTE, 1, 1, True))
        self.assertIsNone(periods.look(force=True))

    def test_times_before_1970_are_rounded_towards_it(self):
        self.assertEqual(self.periods(2).floor(-1), 0)
        self.assertEqual(self.periods(2).floor(-MINUTE - 1), -MINUTE)

    def test_the_order_the_upstream_tests_give(self):
        periods = Periods(2, MINUTE)
        second = 10**9
        expected = [None, None, (1, 120, 1, 2), None, (2, 240, 3, 3), (3, 360, 4, 5)]
        for number, largest in enumerate([60.0, 119.9, 120.9, 240.0, 299.0, 360.1], start=1):
            periods.add(Period(number, 0, int(largest * second)))
            want = expected[number - 1]
            got = periods.look()
            if want is None:
                self.assertIsNone(got)
            else:
                self.assertEqual(got, wal3.SnapshotDetails(want[0], want[1] * second, want[2], want[3], False))


if __name__ == "__main__":
    unittest.main()
