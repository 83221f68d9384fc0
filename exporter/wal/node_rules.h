// When InfluxDB 3 snapshots: the numbers that its rules turn on, and the rules'
// arithmetic. Source: exporter/influxdb/FACTS.md, "3.x: when it snapshots".
//
// A period is one WAL file that no snapshot covers yet. Pure; safe from any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"
#include "wal/sample.h"

namespace wal_exporter::wal {

struct NodeRules {
  std::uint64_t snapshot_size = 600;                    // S
  Duration flush_interval = std::chrono::seconds(1);    // F
  Duration gen1_duration = std::chrono::minutes(10);    // G
  std::uint64_t kept_files = 300;                       // snapshotted files kept on purpose
  Duration lookback = std::chrono::seconds(2'630'016);  // --gen1-lookback-duration: a month, 4,383 x 10 min

  // From so many periods on the server takes those in front of the row (rules 2 and 3).
  [[nodiscard]] std::uint64_t row_goal() const { return snapshot_size + snapshot_size / 2; }
  // At so many it takes all, whatever their times (rule 4).
  [[nodiscard]] std::uint64_t all_goal() const { return 3 * snapshot_size; }
  // The multiple of G at or before `time`.
  [[nodiscard]] Time floor(Time time) const;
  // The next multiple of G after `time`.
  [[nodiscard]] Time next_multiple(Time time) const { return floor(time) + gen1_duration; }

  friend bool operator==(const NodeRules&, const NodeRules&) = default;
};

// "00000000004.wal" for 4.
[[nodiscard]] std::string node_wal_name(std::uint64_t number);

// Whether the flush that wrote the period at `index` should have taken the period
// at the front: what rules 2 to 4 say with the periods up to `index` pending.
[[nodiscard]] bool takes_front(const NodeRules& rules, const std::vector<Period>& periods, std::size_t index);

// At start the server reads only the newest so many snapshots; data that only
// older ones know goes unseen.
[[nodiscard]] std::uint64_t snapshot_limit(const NodeRules& rules);

}  // namespace wal_exporter::wal
