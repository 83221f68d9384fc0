"""One target in depth."""

from build import (CAUSE_WORDS, HEALTH_WORDS, LAST_WORDS, OUTCOMES, at_least, annotation, bars, cause_code, coloured,
                   dashboard, datasource_variable, events, graph, health_code, heading, last_succeeded, layout, limit, now,
                   override, query, rows, runbooks, runbooks_variable, share_of_limit, stat, steps, table, timeline,
                   to_dashboard, variable, words)
from palette import BAD, GOOD, NEUTRAL, OUTCOME, PENDING, RETAINED, WARNING

UID = "influxdb-wal-target"
TITLE = "InfluxDB WAL / Target"
SEL = 'job="$job",instance="$instance",target="$target"'
EXPORTER = 'job="$job",instance="$instance"'
DAY = 86400
NODE_ONLY = "InfluxDB 3 only."
CRITICAL = 'level="critical"'
WORKED, NOT_WORKED = 'outcome=~"succeeded|no_op"', 'outcome!~"succeeded|no_op"'
YES_NO = words({0: ("no", NEUTRAL), 1: ("yes", PENDING)})


def wal(name, *labels):
    return "influxdb_wal_" + name + "{" + ",".join((SEL, *labels)) + "}"


def increase(name, *labels, window="$__rate_interval"):
    return f"increase({wal(name, *labels)}[{window}])"


def counted(name, *labels, window="$__rate_interval"):
    """Prometheus extrapolates an increase; things that happen are whole."""
    return f"round({increase(name, *labels, window=window)})"


def at_a_glance():
    return [
        (5,
         (4, stat(1, "Health", "healthy, warning (over a limit), critical (far over it) or unknown (no good sample for two "
                  "intervals: nothing acts).", "none", [now(health_code(SEL), "health")], mappings=HEALTH_WORDS,
                  fill=True, nothing="not scraped", links=runbooks("Warning", "Critical", "CriticalForLong", "CriticalAgain"))),
         (4, stat(2, "Replay time after a restart", "How long InfluxDB would replay what is pending before it answers, estimated from "
                  "a rate in the settings.", "s", [now(wal("replay_estimate_seconds"), "replay")], PENDING, decimals=1,
                  links=runbooks("ReplayLong"))),
         (5, bars(3, "Pending, of the warning limit", "Pending files and bytes by their warning limits. Full: the exporter makes "
                  "checkpoints.", "percentunit",
                  [now(share_of_limit("files", SEL), "files"), now(share_of_limit("bytes", SEL), "size")],
                  steps(PENDING, (1, WARNING)))),
         (4, stat(4, "Not shrinking because of", "What keeps the WAL from shrinking now: too_few_files (too few for the server's "
                  "rule), idle (no write that would make it snapshot), future_data (a point dated in the future holds up the "
                  "row), stalled (it should have snapshotted and did not). " + NODE_ONLY, "none",
                  [now(cause_code(SEL), "cause")], mappings=CAUSE_WORDS, nothing="–",
                  links=runbooks("SnapshotStalled", "SnapshotBlockedByFutureData"))),
         (4, stat(5, "Last checkpoint", "Whether the last checkpoint that did something was proved on the WAL.", "none",
                  [now(last_succeeded(SEL), "last checkpoint")], mappings=LAST_WORDS, nothing="none yet",
                  links=runbooks("CheckpointFailing", "CheckpointUnverified", "NoSuccessfulCheckpoint"))),
         (3, stat(6, "Blockers", "What keeps a checkpoint from being taken now, by name.", "none",
                  [now(f"{wal('checkpoint_blocked')} == 1 or on () label_replace(vector(0), \"blocker\", \"none\", \"\", \"\")",
                       "{{blocker}}")],
                  thresholds=steps(GOOD, (1, NEUTRAL)), text="name", links=runbooks("CheckpointBlocked", "CheckpointHeld")))),
        (4,
         (4, stat(7, "Pending files", "WAL files that a restart would replay.", "none",
                  [now(wal("files", 'state="pending"'), "pending")], PENDING, decimals=0)),
         (4, stat(8, "Pending size", "Size of the WAL files that a restart would replay.", "bytes",
                  [now(wal("bytes", 'state="pending"'), "pending")], PENDING, decimals=1)),
         (5, stat(9, "Growth", "Bytes written to the WAL per second over each window, since the last nudge at most.", "binBps",
                  [now(wal("growth_bytes_per_second"), "{{window}}")], PENDING, decimals=1)),
         (4, stat(10, "Critical in", "When the critical limit is reached by count or size if growth goes on as it is.", "s",
                  [now(f"clamp_max({wal('threshold_eta_seconds', CRITICAL)}, {DAY})", "critical")],
                  PENDING, mappings=words({0: ("reached", BAD)}) + at_least(DAY, "not within a day"), decimals=0,
                  nothing="not known yet", links=runbooks("TimeToCritical"))),
         (4, stat(11, "Last checkpoint ended", "When the last checkpoint ended that did something, whatever came of it; kept "
                  "across restarts of the exporter.", "dateTimeFromNow",
                  [now(f"1000 * {wal('last_checkpoint_timestamp_seconds')}", "ended")], nothing="none yet")),
         (3, stat(12, "Next may start in", "When time alone allows the next checkpoint that nobody asks for. 0: now.", "s",
                  [now(f"clamp_min({wal('next_checkpoint_allowed_timestamp_seconds')} - time(), 0)"
                       f" or 0 * {wal('checkpoint_in_progress')}", "wait")], decimals=0))),
        (4, (24, timeline(13, "Health over time", "The health of the target; a gap: the exporter was not scraped.",
                          [query(health_code(SEL), "health")], HEALTH_WORDS, legend=False))),
        (4, (24, timeline(14, "Not shrinking because of, over time", "What kept the WAL from shrinking. none: nothing did. " + NODE_ONLY,
                          [query(cause_code(SEL), "cause")], CAUSE_WORDS, legend=False))),
    ]


def the_wal():
    def against_limits(number, what, title, unit, decimals):
        return graph(number, title, f"Pending and retained {what} against the limits of pending ones. Retained: snapshotted and kept "
                     "on purpose (InfluxDB 3). kept_open: persisted, but InfluxDB 1 keeps the file until the next write.", unit,
                     [query(wal(what), "{{state}}"), query(wal("threshold_" + what), "{{level}} limit")],
                     [*coloured("pending", "retained"), limit("warning"), limit("critical")], minimum=0, decimals=decimals,
                     calcs=("lastNotNull", "max"))
    return [
        heading(15, "The WAL"),
        (9,
         (12, against_limits(16, "files", "Files against their limits", "none", 0)),
         (12, against_limits(17, "bytes", "Size against its limits", "bytes", 1))),
        (8,
         (8, graph(18, "Growth of the size", "What was seen to be written (a lower bound), by window and between two points of "
                   "the graph. What a snapshot or checkpoint takes away counts for nothing.", "binBps",
                   [query(wal("growth_bytes_per_second"), "{{window}}"),
                    query(f"rate({wal('written_bytes_total')}[$__rate_interval])", "written")], decimals=1)),
         (8, graph(19, "Growth of the files", "Files seen to appear (a lower bound), by window and between two points of the "
                   "graph. What a snapshot or checkpoint takes away counts for nothing.", "cps",
                   [query(wal("growth_files_per_second"), "{{window}}"),
                    query(f"rate({wal('written_files_total')}[$__rate_interval])", "written")])),
         (8, graph(20, "Time to the limits", "Time until a level is reached if growth goes on as it is; 0: it has been. A line at "
                   "the top: not within a day.", "s",
                   [query(f"clamp_max({wal('threshold_eta_seconds')}, {DAY})", "{{level}}")],
                   coloured("warning", "critical"), minimum=0, maximum=DAY))),
        (8,
         (8, graph(21, "Replay time after a restart", "Replay time over time, estimated from what is pending and a rate in the settings.",
                   "s", [query(wal("replay_estimate_seconds"), "pending")], coloured("pending"), minimum=0,
                   calcs=("lastNotNull", "max"))),
         (8, graph(22, "Age of the data in the WAL", "How long the oldest pending data has waited, and how long ago InfluxDB last "
                   "wrote to its WAL.", "s",
                   [query(f"time() - {wal('oldest_pending_timestamp_seconds')}", "oldest pending"),
                    query(f"time() - {wal('newest_file_timestamp_seconds')}", "last write")], minimum=0)),
         (8, graph(23, "Newest data ahead of now", "The largest time of any pending point, from now. Above 0: data dated in the future, "
                   "which keeps the WAL from shrinking. " + NODE_ONLY, "s",
                   [query(f"{wal('max_data_timestamp_seconds')} - time()", "newest data")]))),
    ]


def what_was_done():
    total = "sum by (reason, outcome) (" + counted("checkpoints_total", window="$__range") + ")"
    return [
        heading(24, "What the exporter did"),
        (8,
         (8, events(25, "Checkpoints by outcome", "Checkpoints that ended, by what the WAL showed afterwards: succeeded, no_op "
                    "(nothing to do), busy, failed, unverified (the server said yes, the WAL doesn't show it).", "none",
                    [query(f"sum by (outcome) ({counted('checkpoints_total')})", "{{outcome}}")], coloured(*OUTCOMES), decimals=0,
                    links=runbooks("CheckpointFailing", "CheckpointUnverified", "NoSuccessfulCheckpoint"))),
         (8, events(26, "Checkpoints by reason", "Checkpoints that ended, by why they were asked for.", "none",
                    [query(f"sum by (reason) ({counted('checkpoints_total')})", "{{reason}}")],
                    coloured("warning", "critical"), decimals=0)),
         (8, table(27, "Checkpoints in this time range", "How many, by reason (rows) and outcome (columns).", "none", [rows(total)],
                   [("groupingToMatrix", {"columnField": "outcome", "rowField": "reason", "valueField": "Value"})],
                   defaults={"decimals": 0}))),
        (8,
         (8, events(28, "Reclaimed size", "Pending bytes that checkpoints made InfluxDB persist.", "bytes",
                    [query(increase("checkpoint_reclaimed_bytes_total"), "reclaimed")],
                    [override("reclaimed", color={"mode": "fixed", "fixedColor": OUTCOME["succeeded"]})])),
         (8, events(29, "Reclaimed files", "Pending files that checkpoints made InfluxDB persist.", "none",
                    [query(counted("checkpoint_reclaimed_files_total"), "reclaimed")],
                    [override("reclaimed", color={"mode": "fixed", "fixedColor": OUTCOME["succeeded"]})], decimals=0)),
         (8, graph(30, "Duration of checkpoints", "How long they took on average, verification included. A point only where one ended.", "s",
                   [query(f"{increase('checkpoint_duration_seconds_sum')}"
                          f" / ({increase('checkpoint_duration_seconds_count')} > 0)", "average")],
                   style="points", minimum=0, interval="1m", points="always"))),
        (7,
         (12, timeline(31, "Blockers over time", "What kept a checkpoint from being taken, a row for each name that did; \"any\" is "
                       "always there.",
                       [query(f"max without (blocker) ({wal('checkpoint_blocked')})", "any"),
                        query(f"{wal('checkpoint_blocked')} == 1", "{{blocker}}")], words({0: ("free", GOOD), 1: ("blocked", NEUTRAL)}),
                       legend=False)),
         (12, timeline(32, "Actions", "A checkpoint runs; a person has paused all actions.",
                       [query(wal("checkpoint_in_progress"), "checkpoint runs"), query(wal("actions_paused"), "paused")],
                       YES_NO, links=runbooks("ActionsPaused"), legend=False))),
        (6,
         (6, events(33, "Events", "What was told to hooks and the event stream, by type.", "none",
                    [query(counted("events_total"), "{{type}}")], decimals=0)),
         (6, stat(34, "Restarts in this time range", "Restarts of InfluxDB that were worth considering, that were made, and that failed.",
                  "none",
                  [now(counted("restart_considerations_total", window="$__range"), "considered"),
                   now(counted("restarts_total", window="$__range"), "made"),
                   now(counted("restart_failures_total", window="$__range"), "failed")],
                  thresholds=steps(NEUTRAL, (1, WARNING)), decimals=0, links=runbooks("RestartFailed"))),
         (6, stat(47, "Failed since the last success", "Checkpoints since the last that succeeded, by what they fell short in: failed, "
                  "unverified, partial (some shards persisted, others not).", "none",
                  [now(wal("checkpoint_consecutive_failures"), "{{outcome}}")],
                  thresholds=steps(NEUTRAL, (2, WARNING)), decimals=0,
                  links=runbooks("CheckpointFailing", "CheckpointUnverified", "CheckpointPartial"))),
         (6, stat(35, "Last success", "When the last checkpoint ended that the WAL proved to have worked; kept across "
                  "restarts of the exporter.", "dateTimeFromNow",
                  [now(f"1000 * {wal('last_successful_checkpoint_timestamp_seconds')}", "succeeded")],
                  OUTCOME["succeeded"], nothing="none yet"))),
    ]


def damage_and_room():
    return [
        heading(36, "Damage, room and the server"),
        (5,
         (6, stat(37, "Newest file", "A damaged newest WAL file ends InfluxDB 3 at its next write, and so again at every start.",
                  "none", [now(wal("newest_file_damaged"), "newest file")],
                  mappings=words({0: ("intact", GOOD), 1: ("damaged", BAD)}), fill=True,
                  links=runbooks("NewestFileDamaged"))),
         (6, stat(38, "Gaps in the sequence", "Numbers missing between WAL files; the server skips them silently. " + NODE_ONLY, "none",
                  [now(wal("sequence_gaps"), "gaps")], thresholds=steps(GOOD, (1, BAD)), nothing="–", decimals=0,
                  links=runbooks("SequenceGap"))),
         (6, stat(39, "Snapshot budget left", "How much is left of the snapshots that a restart reads; at 0 old data goes unseen after "
                  "one. Nearly all of it where they come once per gen1 duration or less often. " + NODE_ONLY, "percentunit",
                  [now(f"{wal('snapshot_budget_remaining')} / {wal('snapshot_budget_limit')}", "left")],
                  thresholds=steps(WARNING, (0.1, GOOD)), nothing="–", decimals=0,
                  links=runbooks("SnapshotBudgetLow"))),
         (6, stat(40, "Last snapshot", "When the server's newest snapshot was written. " + NODE_ONLY, "dateTimeFromNow",
                  [now(f"1000 * {wal('last_snapshot_timestamp_seconds')}", "snapshot")], RETAINED, nothing="–"))),
        (8,
         (8, graph(41, "Damaged files", "WAL files that InfluxDB can't read whole, by what is wrong with them; their writes are lost silently "
                   "at its next start. And those that vanished under it, whose data it has in memory alone.", "none",
                   [query(wal("invalid_files"), "{{reason}}"), query(wal("vanished_files"), "vanished")], minimum=0, decimals=0,
                   links=runbooks("DamagedFile", "FilesVanished"))),
         (8, graph(42, "Snapshot budget", "How many more snapshots until old data goes unseen after a restart, at the rate of the last "
                   "day, and how many a restart reads. " + NODE_ONLY, "none",
                   [query(wal("snapshot_budget_remaining"), "left"), query(wal("snapshot_budget_limit"), "limit")], minimum=0, decimals=0,
                   links=runbooks("SnapshotBudgetLow"))),
         (8, graph(43, "Free space", "Free bytes for unprivileged users where the WAL lies.", "bytes",
                   [query(wal("filesystem_avail_bytes"), "free")], minimum=0, decimals=1,
                   links=runbooks("FilesystemWillFill", "FilesystemFull")))),
        (6,
         (8, timeline(44, "Server and samples", "Whether InfluxDB answered when last asked, and whether the last sample of its WAL went well.",
                      [query(wal("server_up"), "server answers"), query(wal("last_sample_success"), "sample good")],
                      words({0: ("no", BAD), 1: ("yes", GOOD)}), links=runbooks("ServerUnreachable"), legend=False)),
         (8, graph(45, "Age of the last good sample", "All values about files are of then; after two intervals health is unknown.", "s",
                   [query(f"time() - {wal('sample_timestamp_seconds')}", "age")], minimum=0, links=runbooks("SampleStale"))),
         (8, graph(46, "Clock of the server", "The server's clock minus the exporter's, to the second.", "s",
                   [query(wal("server_clock_offset_seconds"), "offset")], links=runbooks("ClockOff")))),
    ]


def annotations():
    def marked(word, name):
        return f'label_replace({increase(name)}, "what", "{word}", "", "")'
    return [
        annotation("Checkpoints", f"sum by (reason) ({increase('checkpoints_total', WORKED)})",
                   GOOD, "checkpoint", "reason: {{reason}}", "reason"),
        annotation("Checkpoints that did not succeed",
                   f"sum by (reason, outcome) ({increase('checkpoints_total', NOT_WORKED)})",
                   BAD, "checkpoint {{outcome}}", "reason: {{reason}}", "reason,outcome"),
        annotation("Health changes", increase("events_total", 'type="wal.health"'), WARNING, "health changed"),
        annotation("Restarts", " or ".join((marked("considered", "restart_considerations_total"), marked("made", "restarts_total"),
                                            marked("failed", "restart_failures_total"))), BAD, "restart {{what}}", "", "what"),
        annotation("Snapshots by the server", f"changes({wal('last_snapshot_timestamp_seconds')}[$__rate_interval])", RETAINED,
                   "snapshot", NODE_ONLY, enabled=False),
        annotation("Exporter started", f"changes(process_start_time_seconds{{{EXPORTER}}}[$__rate_interval])", NEUTRAL,
                   "exporter started"),
    ]


def build():
    return dashboard(
        UID, TITLE, "One InfluxDB node: would a restart be quick, what is its WAL doing and why, what did the exporter do about it.",
        [datasource_variable(),
         variable("job", "Job", "label_values(influxdb_wal_exporter_build_info, job)", False),
         variable("instance", "Exporter", 'label_values(influxdb_wal_exporter_build_info{job="$job"}, instance)', False),
         variable("target", "Target", 'label_values(influxdb_wal_last_sample_success{job="$job",instance="$instance"}, target)',
                  False),
         runbooks_variable()],
        layout(*at_a_glance(), *the_wal(), *what_was_done(), *damage_and_room()),
        [to_dashboard("Overview", "influxdb-wal-overview"), to_dashboard("Exporter", "influxdb-wal-exporter", "job", "instance")],
        annotations())
