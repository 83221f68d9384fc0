"""What an exporter shows over weeks, one sample a minute: six kinds of targets, and what
happens to the samples on the way. Made up, but with the names, labels and absences of
exporter/metrics; seeded, so that each run replays the same month."""

import math
import random

MINUTE = 60
HOUR = 60  # minutes
DAY = 24 * HOUR
GIB = 1 << 30
WARNING, CRITICAL = GIB, 3 * GIB
WARNING_FILES, CRITICAL_FILES = 30, 60
SEGMENT = 64 << 20
REPLAY_RATE = 8_000_000
BLOCKERS = ("paused", "maintenance", "outside_window", "dry_run", "method_disabled", "disk_headroom", "snapshot_budget", "too_long")
STUCK = {"Warning", "Critical", "CriticalForLong", "TimeToCritical", "CheckpointFailing", "NoSuccessfulCheckpoint", "ReplayLong",
         "CriticalAgain"}
# Before the first time it is critical, that may be foretold.
AGAIN = {"CriticalAgain", "Critical", "Warning", "TimeToCritical"}


class Target:
    """`used`: minute -> part of the critical limit. `troubles`: [(from, to, alerts that
    are true, alerts of which one has to fire, within how many minutes)]."""

    def __init__(self, kind, used, lifetime, core=False):
        self.kind, self.used, self.core = kind, used, core
        self.first, self.last = lifetime
        self.troubles = []
        self.failing = []  # (from, to) in which checkpoints fail
        self.dry_run = False
        self.leaves = None  # minute
        self.name = kind


def tooth(rng, period, peak, phase=0.0):
    """A healthy sawtooth that something cuts down; peaks differ by a twentieth."""
    peaks = {}

    def used(minute):
        number, part = divmod((minute + phase) / period, 1)
        if number not in peaks:
            peaks[number] = peak * rng.uniform(0.95, 1.0)
        return peaks[number] * part
    return used


def steady(rng):
    return lambda minute: 0.05 + 0.01 * rng.random()


def daily(rng):
    """Teeth of 20 min that are higher by day, and an import of two hours each night."""
    small = tooth(rng, 20, 1.0)

    def used(minute):
        at = minute % DAY
        by_day = 0.06 + 0.12 * (1 + math.sin(2 * math.pi * at / DAY)) / 2
        load = min((at - 60) / 120, 1.0) * 0.31 if 60 <= at < 185 else 0
        return max(by_day * small(minute), load)
    return used


def bursts(rng, end):
    """Some a day, over critical for two minutes: a checkpoint cures each."""
    starts, at = [], 30.0
    while at < end:
        at += rng.expovariate(1 / (4 * HOUR)) + 40
        starts.append(int(at))
    heights = {minute + offset: height for minute in starts
               for offset, height in ((0, 0.5), (1, rng.uniform(1.05, 1.5)), (2, rng.uniform(1.05, 1.5)))}
    return lambda minute: heights.get(minute, 0.03 + 0.01 * rng.random())


def again(rng, period, share, spells):
    """Critical for `share` of each `period`, in the `spells`; quiet else."""
    def used(minute):
        if not any(begin <= minute < end for begin, end in spells):
            return 0.05 + 0.01 * rng.random()
        part = (minute / period) % 1
        # It grows from nothing; the last part of the tooth is over the limit.
        return part / (1 - share) if part < 1 - share else 1.05 + 1.7 * (part - (1 - share)) / share
    return used


def stuck(rng, spells, growth):
    """Teeth, until nothing cuts them down any more: critical after `growth` minutes."""
    healthy = tooth(rng, 25, 0.2)

    def used(minute):
        for begin, end in spells:
            if begin <= minute < end:
                return min(0.1 + 0.9 * (minute - begin) / growth, 3.0)
        return healthy(minute)
    return used


def targets(rng, first, end, whole, grid, leave):
    """The targets of one exporter, watched from minute `first` to `end`; `whole`: of each kind
    all, `grid`: of the sawtooths."""
    out = []
    life = (first, end)

    def add(name, used, **more):
        target = Target(name, used, life, core=name != "steady")
        target.__dict__.update(more)
        out.append(target)
        return target
    add("steady", steady(rng))
    add("daily", daily(rng))
    add("bursts", bursts(rng, end))
    periods = (1, 5, 15, 30, 60, 70, 90, 120, 180) if grid else (3, 60, 180)
    peaks = (0.2, 0.5, 0.9) if grid else (0.9,)
    for period in periods:
        for peak in peaks:
            # Sampled at the minute, a period of minutes would show the same points again and again.
            add(f"sawtooth {period}m {peak}", tooth(rng, period * 1.0013 + 0.007, peak, rng.uniform(0, period)),
                dry_run=peak > 0.3)
    span = end - first
    spell = [(first + span // 3, first + span // 3 + min(DAY, span // 6)), (end - span // 5, end)]
    early = [(first + 25, first + 25 + min(DAY, span // 6)), spell[1]]
    for name, spells, growth, fails in (("stuck", spell, 170, True), ("stuck fast", spell, 15, True),
                                        ("stuck, dry run", spell, 60, False), ("stuck early", early, 40, True))[0 if whole else 1:]:
        target = add(name, stuck(rng, spells, growth), dry_run=not fails, leaves=leave)
        for begin, finish in spells:
            # With checkpoints that fail it is stuck from the first of them on; without, once it is critical.
            target.troubles.append((begin if fails else begin + growth, finish, STUCK,
                                    {"Critical", "CheckpointFailing"}, 15, begin))
        if fails:
            target.failing = spells
    # No divisors of a minute: else each sample would show the same part of a tooth.
    cycles = ((2.37, 0.57), (5.11, 0.57), (8.03, 0.4), (14.09, 0.57), (31.07, 0.57), (46.03, 0.57))
    for period, share in cycles if whole else cycles[:1] + cycles[3:5]:
        target = add(f"again {period:.0f}m {share:.0%}", again(rng, period, share, spell), leaves=leave)
        for begin, finish in spell:
            target.troubles.append((begin, finish, AGAIN, {"Critical", "CriticalAgain"}, 45, begin))
    brief = add("brief", lambda minute: 2.0)
    brief.first, brief.last = first + span // 2, first + span // 2 + 1
    for target in out:
        if target.leaves:
            target.last = min(target.last, target.leaves)
    return out


def values(target):
    """{(metric, labels): {minute: value}} of one target while it is watched."""
    out = {}

    def put(minute, metric, value, **labels):
        out.setdefault((metric, tuple(labels.items())), {})[minute] = value
    level, failures, since, success = 0, 0, None, target.first
    before = None
    for minute in range(target.first, target.last):
        used = target.used(minute)
        size = int(used * CRITICAL)
        # Limits are left at nine tenths, as by the exporter.
        for bound, part in ((2, 1.0), (1, WARNING / CRITICAL)):
            if used > part:
                level = max(level, bound)
            elif level == bound and used <= 0.9 * part:
                level = bound - 1
        fails = any(begin <= minute < end for begin, end in target.failing)
        if not fails:
            failures = 0
        elif failures < 5:
            failures += 1 if minute % 2 == 0 or failures < 2 else 0
        elif minute % 30 == 0:
            failures += 1
        if before is None or used < before:
            since = minute
            if not target.dry_run and not fails:
                success = minute
        for status, value in (("healthy", 0), ("warning", 1), ("critical", 2)):
            put(minute, "influxdb_wal_health", int(level == value), status=status)
        put(minute, "influxdb_wal_bytes", size, state="pending")
        put(minute, "influxdb_wal_files", 1 + size // SEGMENT, state="pending")
        for name, files, limit in (("warning", WARNING_FILES, WARNING), ("critical", CRITICAL_FILES, CRITICAL)):
            put(minute, "influxdb_wal_threshold_files", files, level=name)
            put(minute, "influxdb_wal_threshold_bytes", limit, level=name)
        # The worst that a forecast can say: the flank goes on.
        rate = (used - before) / MINUTE if before is not None and used > before else 0
        eta = 0 if used >= 1 else (1 - used) / rate if rate else math.inf
        put(minute, "influxdb_wal_threshold_eta_seconds", eta, level="critical")
        put(minute, "influxdb_wal_oldest_pending_timestamp_seconds", ("at", since))
        put(minute, "influxdb_wal_last_successful_checkpoint_timestamp_seconds", ("at", success))
        put(minute, "influxdb_wal_replay_estimate_seconds", size / REPLAY_RATE)
        put(minute, "influxdb_wal_checkpoint_consecutive_failures", failures, outcome="failed")
        put(minute, "influxdb_wal_checkpoint_blocked", int(target.dry_run and level > 0), blocker="dry_run")
        before = used
        if target.core:
            continue
        for outcome in ("unverified", "partial"):
            put(minute, "influxdb_wal_checkpoint_consecutive_failures", 0, outcome=outcome)
        for blocker in BLOCKERS:
            if blocker != "dry_run":
                put(minute, "influxdb_wal_checkpoint_blocked", 0, blocker=blocker)
        # A compaction takes a gibibyte and gives it back, each four hours.
        free = 40 * GIB - GIB * (minute % 240) // 240 - size
        put(minute, "influxdb_wal_filesystem_avail_bytes", free)
        put(minute, "influxdb_wal_data_filesystem_avail_bytes", free)
        put(minute, "influxdb_wal_server_up", 1)
        put(minute, "influxdb_wal_actions_paused", 0)
        put(minute, "influxdb_wal_failing_shards", 0)
        put(minute, "influxdb_wal_vanished_files", 0)
    return out


class Exporter:
    """One exporter as Prometheus scrapes it. `down`: minutes without an answer; `unknown`:
    those in which it has only just started; `gone`: not among the targets from then on."""

    def __init__(self, condition, seed, end, whole):
        rng = random.Random(seed)
        self.condition, self.instance = condition, f"{condition.replace(', ', '-')}:3002"
        self.end, self.down, self.unknown, self.starts, self.gone = end, set(), set(), [0], None
        self.first = 0
        leave = None
        if "gaps" in condition:
            at = 20
            while at < end:
                self.down.update(range(at, at + rng.randint(1, 12)))
                at += rng.randint(60, 6 * HOUR)
        if "restarts" in condition:
            at = 50
            while at < end:
                self.down.add(at)
                self.unknown.add(at + 1)
                self.starts.append(at)
                at += rng.randint(45, 5 * HOUR)
        if "young" in condition:
            self.first = end - 2 * DAY
            self.starts = [self.first]
        if "leaves" in condition:
            span = end // 3
            leave = span + min(DAY, end // 6) - 7
            self.gone = end - DAY - 3 * HOUR
        self.targets = targets(rng, self.first, end, whole, whole and condition == "plain", leave)

    def scraped(self):
        last = self.gone or self.end
        return [minute for minute in range(self.first, last) if minute not in self.down]

    def series(self):
        """(labels, {minute: value}) of all; where a minute is missing the series ends."""
        common = {"job": "wal", "instance": self.instance}
        last = self.gone or self.end
        answered = set(self.scraped())
        yield {"__name__": "up", **common}, {minute: int(minute in answered) for minute in range(self.first, last)}
        own = {"influxdb_wal_exporter_build_info": lambda minute: 1,
               "process_start_time_seconds": lambda minute: ("at", max(start for start in self.starts if start <= minute)),
               "influxdb_wal_exporter_targets": lambda minute: sum(t.first <= minute < t.last for t in self.targets),
               "influxdb_wal_exporter_config_last_reload_successful": lambda minute: 1}
        for metric, value in own.items():
            labels = {"version": "1", "compiler": "g++"} if metric.endswith("build_info") else {}
            yield {"__name__": metric, **labels, **common}, {minute: value(minute) for minute in sorted(answered)}
        for target in self.targets:
            for (metric, labels), points in values(target).items():
                kept = {}
                for minute, value in points.items():
                    if minute not in answered:
                        continue
                    if minute in self.unknown:
                        # Nothing has been sampled yet: health is unknown, sizes are absent.
                        if metric == "influxdb_wal_health":
                            kept[minute] = 0
                        elif metric.startswith("influxdb_wal_checkpoint"):
                            kept[minute] = value
                        continue
                    kept[minute] = value
                yield {"__name__": metric, **common, "target": target.name, **dict(labels)}, kept
