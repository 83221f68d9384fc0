// Health of a target, judged from one sample.
//
// Pure: no clock, no I/O; safe from any thread. Limits are inclusive of the
// better level (a count equal to max_files is healthy), as in the service this
// project grew from.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "policy/rules.h"
#include "wal/finding.h"
#include "wal/sample.h"

namespace wal_exporter::policy {

enum class Health { healthy, warning, critical };
inline constexpr Health kHealths[] = {Health::healthy, Health::warning, Health::critical};

[[nodiscard]] std::string_view to_string(Health health);
// "unknown" where there is none: no fresh sample.
[[nodiscard]] std::string_view to_string(const std::optional<Health>& health);

// Exceeding (not reaching) a limit gives its level.
struct Thresholds {
  std::uint64_t warning_files = 30;
  std::uint64_t critical_files = 60;
  std::uint64_t warning_bytes = std::uint64_t{1} << 30;
  std::uint64_t critical_bytes = std::uint64_t{3} << 30;

  friend bool operator==(const Thresholds&, const Thresholds&) = default;
};

// auto: 1.x and 2.x 30, or twice the number of hot shards where that is more; 3.x S + S/2, and 30
// where S is below 4: with S = 1 the server itself lets 2 files collect.
[[nodiscard]] Thresholds resolve(const ThresholdRules& rules, const wal::Sample& sample);

// The two verdicts apart, by count and by size.
struct Levels {
  Health files = Health::healthy;
  Health bytes = Health::healthy;

  // The worse one wins.
  [[nodiscard]] Health worse() const { return files > bytes ? files : bytes; }
  friend bool operator==(const Levels&, const Levels&) = default;
};

[[nodiscard]] Levels judge(const wal::Extent& pending, const Thresholds& thresholds);

// The second voice, whatever the counts: what ends the server at a start or a write is
// critical, what loses data at a start or has to be looked at a warning. Health is the
// worse of both; actions follow the limits alone (but see decide in engine.h).
[[nodiscard]] Health judge(const std::vector<wal::Finding>& findings);

// As `judge`, but each verdict falls to a better level only once its value is
// below 90 % of the limit it exceeded, so that a WAL on the edge does not flap.
[[nodiscard]] Levels judge_after(const Levels& previous, const wal::Extent& pending, const Thresholds& thresholds);

}  // namespace wal_exporter::policy
