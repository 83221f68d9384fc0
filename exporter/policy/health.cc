#include "policy/health.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace wal_exporter::policy {
namespace {

constexpr std::uint64_t kSeedFiles = 30;
// With a smaller S the server itself lets as many files collect as a limit by S allows.
constexpr std::uint64_t kSmallestRow = 4;
// A level is left only below this part of its limit.
constexpr double kHysteresis = 0.9;

std::uint64_t scaled(std::uint64_t limit, double factor) {
  constexpr double kMost = 9.2e18;
  const double product = std::min(static_cast<double>(limit) * factor, kMost);
  // 30 x 4.1 is 122.99999999999999 in binary: the whole number that was meant.
  const double whole = std::round(product);
  const bool meant = std::abs(product - whole) <= 4 * std::numeric_limits<double>::epsilon() * product;
  return static_cast<std::uint64_t>(meant ? whole : std::floor(product));
}

Health judge_value(std::uint64_t value, std::uint64_t warning, std::uint64_t critical) {
  if (value > critical) return Health::critical;
  return value > warning ? Health::warning : Health::healthy;
}

bool clearly_below(std::uint64_t value, std::uint64_t limit) {
  return static_cast<double>(value) < static_cast<double>(limit) * kHysteresis || value == 0;
}

Health judge_value_after(Health previous, std::uint64_t value, std::uint64_t warning, std::uint64_t critical) {
  const Health plain = judge_value(value, warning, critical);
  if (plain >= previous) return plain;
  if (previous == Health::critical && !clearly_below(value, critical)) return Health::critical;
  return clearly_below(value, warning) ? Health::healthy : Health::warning;
}

}  // namespace

Thresholds resolve(const ThresholdRules& rules, const wal::Sample& sample) {
  std::uint64_t files = 0;
  if (rules.max_files) {
    files = *rules.max_files;
  } else if (sample.layout == wal::Layout::node) {
    files = rules.snapshot_size < kSmallestRow ? kSeedFiles : rules.snapshot_size + rules.snapshot_size / 2;
  } else {
    files = std::max(kSeedFiles, 2 * sample.hot_shards);
  }
  return Thresholds{files, scaled(files, rules.critical_files_factor), rules.max_bytes,
                    scaled(rules.max_bytes, rules.critical_bytes_factor)};
}

Levels judge(const wal::Extent& pending, const Thresholds& thresholds) {
  return Levels{judge_value(pending.files, thresholds.warning_files, thresholds.critical_files),
                judge_value(pending.bytes, thresholds.warning_bytes, thresholds.critical_bytes)};
}

Health judge(const std::vector<wal::Finding>& findings) {
  const wal::Effect worst = findings.empty() ? wal::Effect::harmless : findings.front().effect;
  if (worst >= wal::Effect::ends_at_write) return Health::critical;
  return worst == wal::Effect::harmless ? Health::healthy : Health::warning;
}

Levels judge_after(const Levels& previous, const wal::Extent& pending, const Thresholds& thresholds) {
  return Levels{judge_value_after(previous.files, pending.files, thresholds.warning_files, thresholds.critical_files),
                judge_value_after(previous.bytes, pending.bytes, thresholds.warning_bytes, thresholds.critical_bytes)};
}

std::string_view to_string(Health health) {
  switch (health) {
    case Health::healthy:
      return "healthy";
    case Health::warning:
      return "warning";
    case Health::critical:
      return "critical";
  }
  return "critical";
}

std::string_view to_string(const std::optional<Health>& health) {
  return health ? to_string(*health) : "unknown";
}

}  // namespace wal_exporter::policy
