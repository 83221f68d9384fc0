// The nudge: makes an InfluxDB 3 server snapshot by writing points. Off until
// enabled, because it writes.
//
// Follows the plan: fillers dated at the smallest pending time, then the last
// point; looks at the WAL after each, stops as soon as the proof is there (a
// snapshot whose wal_file_sequence_number covers plan.cover_to), never writes
// more points than the plan, whatever others write. run() is bounded by
// `max_duration` and ends within a point's time of a stop.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "base/log.h"
#include "influxdb/checkpoint_method.h"
#include "influxdb/method_kind.h"
#include "influxdb/nudge_plan.h"
#include "influxdb/options.h"

namespace wal_exporter::influxdb {

struct NudgeOptions : Endpoint, NudgeSettings {
  Duration write_timeout = std::chrono::seconds(30);  // of one point; at least a few flush intervals
  Duration proof_timeout = std::chrono::seconds(60);  // for the snapshot after the last point
  NudgeMode mode = NudgeMode::patient;
  bool boundary_passed = false;  // as plan_nudge takes it
  wal::NodeRules rules{};
  Duration clock_offset{};  // the server's clock minus ours: data is dated by it
  // Told the date of a last point dated in the future (at_once) before it is sent,
  // and its file's number as soon as a sample shows it, so that it is never taken for
  // the user's data, whatever happens in between.
  std::function<void(std::optional<std::uint64_t>, Time)> on_future_trigger{};
};

[[nodiscard]] std::unique_ptr<CheckpointMethod> make_nudge(NudgeOptions options, std::shared_ptr<wal::WalSource> source,
                                                           std::shared_ptr<Clock> clock, Log log);

// Its row in the table of methods.
extern const MethodKind kNudgeKind;

}  // namespace wal_exporter::influxdb
