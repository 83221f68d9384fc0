#include <algorithm>
#include <array>

#include "metrics/families.h"

namespace wal_exporter::metrics {
namespace {

using prometheus::MetricType;
using view::TargetView;

constexpr std::array kActionFamilies{
    Family{"influxdb_wal_samples_total", "Samples of the WAL taken in the background, successful or not.",
           MetricType::Counter,
           [](const TargetView& target, Collector& out) { out.add(static_cast<double>(target.counters.samples)); }},
    Family{"influxdb_wal_sample_failures_total", "Samples of the WAL that failed.", MetricType::Counter,
           [](const TargetView& target, Collector& out) {
             out.add(static_cast<double>(target.counters.sample_failures));
           }},
    Family{"influxdb_wal_sample_duration_seconds", "Duration of samples of the WAL.", MetricType::Histogram,
           [](const TargetView& target, Collector& out) { out.add_histogram(target.counters.sample_duration); }},
    Family{
        "influxdb_wal_written_files_total",
        "WAL files seen to appear since the exporter started; one that came and went between two samples is missed.",
        MetricType::Counter,
        [](const TargetView& target, Collector& out) { out.add(static_cast<double>(target.counters.written.files)); }},
    Family{
        "influxdb_wal_written_bytes_total",
        "WAL bytes seen to appear since the exporter started; what came and went between two samples is missed.",
        MetricType::Counter,
        [](const TargetView& target, Collector& out) { out.add(static_cast<double>(target.counters.written.bytes)); }},
    Family{"influxdb_wal_watch_degraded",
           "1 if the directory can't be watched for changes and only the interval triggers samples, else 0.",
           MetricType::Gauge, [](const TargetView& target, Collector& out) { out.add(target.watch_degraded ? 1 : 0); }},
    Family{"influxdb_wal_checkpoints_total",
           "Checkpoints that ended, by why they were asked for and by what the WAL showed afterwards.",
           MetricType::Counter,
           [](const TargetView& target, Collector& out) {
             for (const auto& [pair, count] : target.counters.checkpoints) {
               out.add("reason", policy::to_string(pair.first), "outcome", influxdb::to_string(pair.second),
                       static_cast<double>(count));
             }
           }},
    Family{"influxdb_wal_checkpoint_consecutive_failures",
           "Checkpoints since the last that succeeded, by what they fell short in; kept across restarts. partial: some "
           "shards were persisted, others not.",
           MetricType::Gauge,
           [](const TargetView& target, Collector& out) {
             out.add("outcome", "failed", static_cast<double>(target.failed));
             out.add("outcome", "unverified", static_cast<double>(target.unverified));
             out.add("outcome", "partial", static_cast<double>(target.partial));
           }},
    Family{"influxdb_wal_checkpoint_duration_seconds", "Duration of checkpoints, verification included.",
           MetricType::Histogram,
           [](const TargetView& target, Collector& out) { out.add_histogram(target.counters.checkpoint_duration); }},
    Family{"influxdb_wal_checkpoint_reclaimed_files_total",
           "WAL files that were pending when a checkpoint began and gone when it ended.", MetricType::Counter,
           [](const TargetView& target, Collector& out) {
             out.add(static_cast<double>(target.counters.reclaimed.files));
           }},
    Family{"influxdb_wal_checkpoint_reclaimed_bytes_total",
           "Size of the WAL files that were pending when a checkpoint began and gone when it ended.",
           MetricType::Counter,
           [](const TargetView& target, Collector& out) {
             out.add(static_cast<double>(target.counters.reclaimed.bytes));
           }},
    Family{"influxdb_wal_checkpoint_in_progress", "1 while a checkpoint of the target is running, else 0.",
           MetricType::Gauge,
           [](const TargetView& target, Collector& out) { out.add(target.running.has_value() ? 1 : 0); }},
    Family{
        "influxdb_wal_checkpoint_blocked",
        "1 for each named reason that keeps a checkpoint from being taken now, else 0; as of the last decision, made "
        "in the background.",
        MetricType::Gauge,
        [](const TargetView& target, Collector& out) {
          const auto& blockers = target.decision.blockers;
          for (const policy::BlockerRow& row : policy::kBlockers) {
            const bool blocked = std::find(blockers.begin(), blockers.end(), row.value) != blockers.end();
            out.add("blocker", row.name, blocked ? 1 : 0);
          }
        }},
    Family{"influxdb_wal_next_checkpoint_allowed_timestamp_seconds",
           "When the next checkpoint nobody asks for may start, as far as time alone decides. Absent: now.",
           MetricType::Gauge, [](const TargetView& target, Collector& out) { out.add_known(target.next_allowed); }},
    Family{"influxdb_wal_last_checkpoint_timestamp_seconds",
           "When the last checkpoint ended that did something, whatever came of it; kept across restarts.",
           MetricType::Gauge, [](const TargetView& target, Collector& out) { out.add_known(target.last_checkpoint); }},
    Family{"influxdb_wal_last_successful_checkpoint_timestamp_seconds",
           "When the last checkpoint ended that the WAL proved to have worked; kept across restarts.",
           MetricType::Gauge, [](const TargetView& target, Collector& out) { out.add_known(target.last_success); }},
    Family{"influxdb_wal_actions_paused", "1 while a person has paused all actions on the target, else 0.",
           MetricType::Gauge, [](const TargetView& target, Collector& out) { out.add(target.paused ? 1 : 0); }},
    Family{"influxdb_wal_restart_considerations_total",
           "How often a restart of InfluxDB was worth considering: once per critical episode.", MetricType::Counter,
           [](const TargetView& target, Collector& out) {
             out.add(static_cast<double>(target.counters.restart_considerations));
           }},
    Family{"influxdb_wal_restarts_total", "Restarts of InfluxDB that the exporter made.", MetricType::Counter,
           [](const TargetView& target, Collector& out) { out.add(static_cast<double>(target.counters.restarts)); }},
    Family{"influxdb_wal_restart_failures_total", "Restarts of InfluxDB that the exporter tried and that failed.",
           MetricType::Counter,
           [](const TargetView& target, Collector& out) {
             out.add(static_cast<double>(target.counters.restart_failures));
           }},
    Family{"influxdb_wal_events_total", "Events emitted, by type.", MetricType::Counter,
           [](const TargetView& target, Collector& out) {
             for (const auto& [type, count] : target.counters.events) {
               out.add("type", events::to_string(type), static_cast<double>(count));
             }
           }},
};

}  // namespace

std::span<const Family> action_families() {
  return kActionFamilies;
}

}  // namespace wal_exporter::metrics
