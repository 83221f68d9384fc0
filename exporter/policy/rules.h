// What a person can set of the judging and deciding, with its defaults. Plain
// values; safe from any thread.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/time.h"
#include "wal/finding.h"
#include "wal/generation.h"
#include "wal/node_rules.h"

namespace wal_exporter::policy {

struct ThresholdRules {
  std::optional<std::uint64_t> max_files;  // nullopt: auto
  std::uint64_t max_bytes = kGiB;
  double critical_files_factor = 2;
  double critical_bytes_factor = 3;
  std::uint64_t snapshot_size = 600;  // S; for auto on 3.x

  friend bool operator==(const ThresholdRules&, const ThresholdRules&) = default;
};

// Restarting InfluxDB unasked, where checkpoints don't help.
struct RestartRules {
  bool enabled = false;
  // When one is considered; also where it is not enabled.
  std::uint64_t after_failures = 3;
  Duration failure_spacing = std::chrono::minutes(5);
  Duration after_blocked = std::chrono::minutes(15);

  bool allow_v3 = false;                              // on 3.x a restart empties nothing
  bool unprepared = false;                            // also where no checkpoint before it worked
  Duration max_replay = std::chrono::minutes(5);      // the longest estimate for an unprepared one
  std::uint64_t max_per_day = 1;                      // in any 24 h
  Duration prepare_wait = std::chrono::seconds(60);   // for the checkpoint before it
  Duration ready_timeout = std::chrono::minutes(30);  // what a start may take, its replay included

  friend bool operator==(const RestartRules&, const RestartRules&) = default;
};

struct Rules {
  Duration sample_interval = std::chrono::minutes(2);  // stale after two of them
  Duration cooldown = std::chrono::minutes(5);
  std::optional<Duration> schedule = std::chrono::minutes(10);  // nullopt: off
  Duration min_interval = std::chrono::seconds(60);             // between two starts; 3.x: G
  Duration files_grace = Duration::zero();   // 3.x: 2 min over the count limit for warning before it counts
  std::uint64_t min_free_bytes = 64 * kMiB;  // disk_headroom: never start with less free where it writes
  std::uint64_t scheduled_min_bytes = kMiB;
  std::uint64_t scheduled_most_points = 10;

  Duration backoff_first = std::chrono::seconds(30);
  Duration backoff_longest = std::chrono::minutes(15);
  double backoff_jitter = 0.2;
  std::uint32_t breaker_failures = 5;
  Duration breaker_open_for = std::chrono::minutes(30);

  ThresholdRules thresholds;
  RestartRules restart;
  wal::ServerTraits server;  // not set: as it was heard

  friend bool operator==(const Rules&, const Rules&) = default;
};

// As they are set, for an InfluxDB of `generation`; `node` counts for 3.x.
[[nodiscard]] Rules rules_for(Rules set, wal::Generation generation, const wal::NodeRules& node);

struct ForecastRules {
  Duration short_window = std::chrono::minutes(10);
  Duration long_window = std::chrono::hours(1);
  // What a restart replays in a second: measured 8 MB/s on 3.10 (80 MB in 10.4 s).
  std::uint64_t replay_bytes_per_second = 8'000'000;

  friend bool operator==(const ForecastRules&, const ForecastRules&) = default;
};

}  // namespace wal_exporter::policy
