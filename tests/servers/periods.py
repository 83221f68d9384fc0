"""When 3.x snapshots: the rule of exporter/influxdb/FACTS.md,
"3.x: when it snapshots", on numbers alone. No files, no clock, no locks.

A period is one WAL file not yet snapshotted: its number and the smallest and
largest data time in it, in ns.
"""

from dataclasses import dataclass

from wal3 import SnapshotDetails


@dataclass(frozen=True)
class Period:
    number: int
    min_ns: int
    max_ns: int


class Periods:
    def __init__(self, snapshot_size, gen1_ns, last_sequence=0):
        self.rows = []
        self.snapshot_size = snapshot_size
        self.gen1_ns = gen1_ns
        self.last_sequence = last_sequence

    def add(self, period):
        if self.rows and self.rows[-1].number >= period.number:
            raise ValueError(f"WAL file {period.number} comes after {self.rows[-1].number}")
        self.rows.append(period)

    def floor(self, time_ns):
        """Rounded down as the server does: its remainder keeps the sign, so a
        time before 1970 is rounded towards it."""
        remainder = abs(time_ns) % self.gen1_ns
        return time_ns - remainder if time_ns >= 0 else time_ns + remainder

    def look(self, force=False):
        """What a flush with data in it asks. Takes the periods that are due off
        the row and says what they are; None: nothing is due."""
        if not self.rows:
            return None
        if not force and len(self.rows) < self.snapshot_size + self.snapshot_size // 2:
            return None
        if force or len(self.rows) >= 3 * self.snapshot_size:
            marker = self.floor(max(period.max_ns for period in self.rows)) + self.gen1_ns
            return self._take(len(self.rows), marker, forced=True)
        marker = self.floor(self.rows[-1].max_ns)
        count = 0
        while self.rows[count].max_ns < marker:  # the newest period never is
            count += 1
        return self._take(count, marker, forced=False) if count else None

    def _take(self, count, marker, forced):
        taken, self.rows = self.rows[:count], self.rows[count:]
        self.last_sequence += 1
        return SnapshotDetails(self.last_sequence, marker, taken[0].number, taken[-1].number, forced)
