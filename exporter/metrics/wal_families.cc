#include <algorithm>
#include <array>

#include "metrics/families.h"

namespace wal_exporter::metrics {
namespace {

using prometheus::MetricType;
using view::TargetView;

// nullptr: no sample has succeeded yet, so nothing is known about the WAL.
const wal::Sample* sample_of(const TargetView& target) {
  return target.sample.get();
}

// nullptr also for 1.x and 2.x, which keep no files that a snapshot covers.
const wal::Sample* node_sample_of(const TargetView& target) {
  return target.sample && target.sample->layout == wal::Layout::node ? target.sample.get() : nullptr;
}

// nullptr also for 3.x, which has no shards in its WAL.
const wal::Sample* segment_sample_of(const TargetView& target) {
  return target.sample && target.sample->layout == wal::Layout::segments ? target.sample.get() : nullptr;
}

void add_growth(const TargetView& target, double policy::Growth::*rate, Collector& out) {
  const auto add = [&](const std::optional<policy::Growth>& growth, Duration window) {
    if (growth) out.add("window", format_duration(window), (*growth).*rate);
  };
  add(target.forecast.short_window, target.short_window);
  // Two windows of equal length would be the same series twice.
  if (target.long_window != target.short_window) add(target.forecast.long_window, target.long_window);
}

constexpr std::array kWalFamilies{
    Family{"influxdb_wal_last_sample_success",
           "1 if the last sample of the WAL succeeded, 0 if it failed or none has ended yet. Samples are taken in the "
           "background, never by a scrape.",
           MetricType::Gauge,
           [](const TargetView& target, Collector& out) { out.add(target.last_sample_success ? 1 : 0); }},
    Family{"influxdb_wal_sample_timestamp_seconds",
           "When the last successful sample of the WAL was taken, in the background; all values about files are of "
           "that time.",
           MetricType::Gauge,
           [](const TargetView& target, Collector& out) {
             if (const auto* sample = sample_of(target)) out.add_known(sample->taken_at);
           }},
    Family{"influxdb_wal_server_up",
           "1 if the InfluxDB server answered when last asked in the background, 0 if not or not yet. Absent without "
           "influxdb.url.",
           MetricType::Gauge,
           [](const TargetView& target, Collector& out) {
             if (target.server_asked) out.add(target.server && target.server->up ? 1 : 0);
           }},
    Family{"influxdb_wal_server_clock_offset_seconds",
           "The server's clock minus the exporter's, to the second, when last asked in the background.",
           MetricType::Gauge,
           [](const TargetView& target, Collector& out) {
             if (target.server && target.server->clock_offset) out.add(to_seconds(*target.server->clock_offset));
           }},
    Family{"influxdb_wal_files",
           "WAL files at the last sample, taken in the background. pending: a restart would replay them; retained: "
           "InfluxDB 3 keeps them on purpose after a snapshot; orphaned: of shards that InfluxDB 1 or 2 does not know; "
           "kept_open: persisted, but InfluxDB 1 keeps the file until the next write, and a restart replays it again.",
           MetricType::Gauge,
           [](const TargetView& target, Collector& out) {
             if (const auto* sample = sample_of(target)) {
               out.add("state", "pending", static_cast<double>(sample->pending.files));
             }
             if (const auto* sample = node_sample_of(target)) {
               out.add("state", "retained", static_cast<double>(sample->retained.files));
             }
             if (const auto* sample = segment_sample_of(target)) {
               out.add("state", "orphaned", static_cast<double>(sample->orphaned.files));
               out.add("state", "kept_open", static_cast<double>(sample->kept_open.files));
             }
           }},
    Family{
        "influxdb_wal_bytes",
        "Size of the WAL files at the last sample, taken in the background. pending: a restart would replay them; "
        "retained: InfluxDB 3 keeps them on purpose after a snapshot; orphaned: of shards that InfluxDB 1 or 2 does "
        "not know; kept_open: persisted, but InfluxDB 1 keeps the file until the next write, and a restart replays it "
        "again.",
        MetricType::Gauge,
        [](const TargetView& target, Collector& out) {
          if (const auto* sample = sample_of(target)) {
            out.add("state", "pending", static_cast<double>(sample->pending.bytes));
          }
          if (const auto* sample = node_sample_of(target)) {
            out.add("state", "retained", static_cast<double>(sample->retained.bytes));
          }
          if (const auto* sample = segment_sample_of(target)) {
            out.add("state", "orphaned", static_cast<double>(sample->orphaned.bytes));
            out.add("state", "kept_open", static_cast<double>(sample->kept_open.bytes));
          }
        }},
    Family{"influxdb_wal_failing_shards",
           "Shards (InfluxDB 1 and 2) whose snapshots failed three times in a row or more; each is left alone for a "
           "while, because a question may leave one more file.",
           MetricType::Gauge,
           [](const TargetView& target, Collector& out) {
             if (segment_sample_of(target) != nullptr) out.add(static_cast<double>(target.failing_shards));
           }},
    Family{
        "influxdb_wal_oldest_pending_timestamp_seconds",
        "When the oldest pending WAL data was written; how long data has waited to be persisted. InfluxDB 1 and 2: at "
        "most the time between two samples too early, but what the first sample finds is taken to be as old as its "
        "file. "
        "Absent while nothing is pending.",
        MetricType::Gauge,
        [](const TargetView& target, Collector& out) {
          if (const auto* sample = sample_of(target)) out.add_known(sample->oldest_pending);
        }},
    Family{"influxdb_wal_newest_file_timestamp_seconds",
           "When the newest WAL file was last written; InfluxDB has logged no write since.", MetricType::Gauge,
           [](const TargetView& target, Collector& out) {
             if (const auto* sample = sample_of(target)) out.add_known(sample->newest_file);
           }},
    Family{"influxdb_wal_max_data_timestamp_seconds",
           "The largest time of any point in a pending WAL file (InfluxDB 3); one in the future keeps the WAL from "
           "shrinking.",
           MetricType::Gauge,
           [](const TargetView& target, Collector& out) {
             if (const auto* sample = node_sample_of(target)) out.add_known(sample->max_data_time);
           }},
    Family{
        "influxdb_wal_invalid_files",
        "WAL files that InfluxDB can't read whole, by what is wrong with them; their writes are lost silently at its "
        "next start.",
        MetricType::Gauge,
        [](const TargetView& target, Collector& out) {
          const auto* sample = sample_of(target);
          if (sample == nullptr) return;
          for (const wal::InvalidReason reason : wal::kInvalidReasons) {
            const auto count = std::count_if(
                sample->invalid.begin(), sample->invalid.end(),
                [&](const wal::InvalidFile& file) { return to_string(file.reason) == to_string(reason); });
            out.add("reason", to_string(reason), static_cast<double>(count));
          }
        }},
    Family{"influxdb_wal_newest_file_damaged",
           "1 if the newest WAL file is damaged (InfluxDB 3): the server exits at its next write. Else 0.",
           MetricType::Gauge,
           [](const TargetView& target, Collector& out) { out.add(view::is_newest_file_damaged(target) ? 1 : 0); }},
    Family{"influxdb_wal_unknown_files",
           "WAL files that the exporter can't judge, by why. newer: of a format of later versions of InfluxDB; no "
           "damage, and nothing to remove.",
           MetricType::Gauge,
           [](const TargetView& target, Collector& out) {
             const auto* sample = sample_of(target);
             if (sample == nullptr) return;
             const auto count =
                 std::count_if(sample->unknown.begin(), sample->unknown.end(),
                               [](const wal::InvalidFile& file) { return file.reason == wal::InvalidReason::newer; });
             out.add("reason", "newer", static_cast<double>(count));
           }},
    Family{"influxdb_wal_findings",
           "Files found in the WAL that are not simply good, by what InfluxDB does about them. stops_start: its next "
           "start fails; ends_at_write: it exits at a write; skipped: a start loses their writes silently; doubtful: "
           "needs attention; harmless.",
           MetricType::Gauge,
           [](const TargetView& target, Collector& out) {
             if (sample_of(target) == nullptr) return;
             for (const auto& [effect, name] : wal::kEffects) {
               std::uint64_t files = 0;
               for (const auto& found : target.findings)
                 files += found.finding.effect == effect ? found.finding.files : 0;
               out.add("effect", name, static_cast<double>(files));
             }
           }},
    Family{"influxdb_wal_sequence_gaps",
           "Numbers missing between WAL files (InfluxDB 3); the server skips them silently. Without those that an "
           "empty snapshot of an older server explains.",
           MetricType::Gauge,
           [](const TargetView& target, Collector& out) {
             if (const auto* sample = node_sample_of(target)) {
               out.add(static_cast<double>(sample->sequence_gaps - target.emptied_gaps));
             }
           }},
    Family{
        "influxdb_wal_vanished_files",
        "WAL files that vanished under the running InfluxDB, or without influxdb.url perhaps so, though no checkpoint "
        "or snapshot removed them; 0 once a new file of its own has come, a snapshot covers them, or it was started "
        "again.",
        MetricType::Gauge,
        [](const TargetView& target, Collector& out) {
          if (sample_of(target) == nullptr) return;
          out.add(target.vanished ? static_cast<double>(target.vanished->extent.files) : 0);
        }},
    Family{"influxdb_wal_vanished_bytes", "Size of the files of influxdb_wal_vanished_files when they were last seen.",
           MetricType::Gauge,
           [](const TargetView& target, Collector& out) {
             if (sample_of(target) == nullptr) return;
             out.add(target.vanished ? static_cast<double>(target.vanished->extent.bytes) : 0);
           }},
    Family{"influxdb_wal_snapshot_files", "Snapshot files of the node at the last sample (InfluxDB 3).",
           MetricType::Gauge,
           [](const TargetView& target, Collector& out) {
             if (const auto* sample = node_sample_of(target)) out.add(static_cast<double>(sample->snapshot_files));
           }},
    Family{"influxdb_wal_last_snapshot_timestamp_seconds",
           "When the newest snapshot was written (InfluxDB 3). Absent while there is none.", MetricType::Gauge,
           [](const TargetView& target, Collector& out) {
             const auto* sample = node_sample_of(target);
             if (sample != nullptr && sample->snapshot) out.add_known(sample->snapshot->written);
           }},
    Family{"influxdb_wal_snapshot_budget_limit",
           "How many snapshots (InfluxDB 3) a restart reads, the newest ones: as many as gen1 durations lie within the "
           "lookback, and 100 at least.",
           MetricType::Gauge,
           [](const TargetView& target, Collector& out) {
             if (target.node && target.node->budget) out.add(static_cast<double>(target.node->budget->limit));
           }},
    Family{
        "influxdb_wal_snapshot_budget_remaining",
        "How many more snapshots (InfluxDB 3) until old data goes unseen after a restart, which reads only the newest "
        "ones. It does not fall where they come once per gen1 duration or less often.",
        MetricType::Gauge,
        [](const TargetView& target, Collector& out) {
          if (target.node && target.node->budget) out.add(static_cast<double>(target.node->budget->remaining));
        }},
    Family{
        "influxdb_wal_pending_cause",
        "1 for the cause that keeps the WAL (InfluxDB 3) from shrinking now, 0 for the others; all 0 where nothing is "
        "wrong.",
        MetricType::Gauge,
        [](const TargetView& target, Collector& out) {
          // Present for 3.x nodes, from the first scrape on if it is known that the target is one.
          if (node_sample_of(target) == nullptr && (!target.node || target.sample != nullptr)) return;
          for (const policy::Cause cause : policy::kCauses) {
            const bool holds = target.not_shrinking && target.not_shrinking->cause == cause;
            out.add("cause", policy::to_string(cause), holds ? 1 : 0);
          }
        }},
    Family{"influxdb_wal_filesystem_avail_bytes",
           "Free bytes for unprivileged users on the filesystem of the WAL at the last sample.", MetricType::Gauge,
           [](const TargetView& target, Collector& out) {
             const auto* sample = sample_of(target);
             if (sample != nullptr && sample->filesystem_avail_bytes) {
               out.add(static_cast<double>(*sample->filesystem_avail_bytes));
             }
           }},
    Family{"influxdb_wal_data_filesystem_avail_bytes",
           "Free bytes for unprivileged users on the filesystem of the data (InfluxDB 1 and 2), where a checkpoint "
           "writes, at the last sample. On the filesystem of the WAL it is the same number. Absent while not known.",
           MetricType::Gauge,
           [](const TargetView& target, Collector& out) {
             const auto* sample = sample_of(target);
             if (sample != nullptr && sample->data_filesystem_avail_bytes) {
               out.add(static_cast<double>(*sample->data_filesystem_avail_bytes));
             }
           }},
    Family{
        "influxdb_wal_uncounted_folders",
        "Folders and links of the WAL that InfluxDB follows and the last sample could not, and the whole WAL where it "
        "is not, or may not be, in the directory: the numbers of files and bytes are too small by what lies there.",
        MetricType::Gauge,
        [](const TargetView& target, Collector& out) {
          if (sample_of(target) != nullptr) out.add(static_cast<double>(target.uncounted_folders()));
        }},
    Family{"influxdb_wal_health",
           "1 for the health the target has, 0 for the others; all 0 while it is unknown because there is no "
           "current sample.",
           MetricType::Gauge,
           [](const TargetView& target, Collector& out) {
             for (const policy::Health health : policy::kHealths) {
               out.add("status", policy::to_string(health), target.health == health ? 1 : 0);
             }
           }},
    Family{"influxdb_wal_threshold_files",
           "Pending files above this number give the level; compare with influxdb_wal_files{state=\"pending\"}.",
           MetricType::Gauge,
           [](const TargetView& target, Collector& out) {
             if (sample_of(target) == nullptr) return;  // `max_files: auto` is not known before a sample
             out.add("level", "warning", static_cast<double>(target.thresholds.warning_files));
             out.add("level", "critical", static_cast<double>(target.thresholds.critical_files));
           }},
    Family{"influxdb_wal_threshold_bytes",
           "Pending bytes above this number give the level; compare with influxdb_wal_bytes{state=\"pending\"}.",
           MetricType::Gauge,
           [](const TargetView& target, Collector& out) {
             if (sample_of(target) == nullptr) return;
             out.add("level", "warning", static_cast<double>(target.thresholds.warning_bytes));
             out.add("level", "critical", static_cast<double>(target.thresholds.critical_bytes));
           }},
    Family{
        "influxdb_wal_growth_files_per_second",
        "WAL files written per second over the window, since the last nudge at most, whatever a snapshot or a "
        "checkpoint took away meanwhile.",
        MetricType::Gauge,
        [](const TargetView& target, Collector& out) { add_growth(target, &policy::Growth::files_per_second, out); }},
    Family{
        "influxdb_wal_growth_bytes_per_second",
        "Bytes written to the WAL per second over the window, since the last nudge at most, whatever a snapshot or a "
        "checkpoint took away meanwhile.",
        MetricType::Gauge,
        [](const TargetView& target, Collector& out) { add_growth(target, &policy::Growth::bytes_per_second, out); }},
    Family{"influxdb_wal_threshold_eta_seconds",
           "Seconds until the level is reached by count or by size if growth goes on as it is: 0 where it has been, "
           "+Inf where it is not in sight, as where snapshots or checkpoints keep the WAL below it.",
           MetricType::Gauge,
           [](const TargetView& target, Collector& out) {
             const policy::Forecast& forecast = target.forecast;
             if (forecast.warning_eta_seconds) out.add("level", "warning", *forecast.warning_eta_seconds);
             if (forecast.critical_eta_seconds) out.add("level", "critical", *forecast.critical_eta_seconds);
           }},
    Family{"influxdb_wal_replay_estimate_seconds",
           "How long a restart of InfluxDB would replay what is pending, estimated from a configured rate.",
           MetricType::Gauge,
           [](const TargetView& target, Collector& out) {
             if (sample_of(target) != nullptr) out.add(target.forecast.replay_estimate_seconds);
           }},
};

}  // namespace

std::span<const Family> wal_families() {
  return kWalFamilies;
}

}  // namespace wal_exporter::metrics
