#include "policy/budget.h"

#include <algorithm>

namespace walx::policy {
namespace {

constexpr Duration kDay = std::chrono::hours(24);

}  // namespace

std::optional<SnapshotBudget> snapshot_budget(const wal::Sample& sample, const wal::NodeRules& rules) {
  if (sample.layout != wal::Layout::node) return std::nullopt;
  SnapshotBudget budget;
  budget.limit = wal::snapshot_limit(rules);
  const std::uint64_t seen = std::max(sample.snapshot_files, sample.snapshots_covered) - sample.snapshots_covered;
  std::uint64_t counted = 0;
  std::uint64_t last_day = 0;
  for (const Time written : sample.snapshot_times) {
    const Duration age = sample.taken_at - written;
    if (counted < seen && age < rules.lookback) ++counted;
    if (age < kDay) ++last_day;
  }
  budget.remaining = budget.limit - std::min(budget.limit, counted);
  budget.floor = std::max<std::uint64_t>(budget.limit / 20, 5);
  if (last_day > 0) budget.days_left = static_cast<double>(budget.remaining) / static_cast<double>(last_day);
  return budget;
}

bool snapshots_too_often(const wal::NodeRules& rules) {
  return rules.flush_interval * static_cast<std::int64_t>(std::min<std::uint64_t>(rules.all_goal(), 1'000'000'000)) <
         rules.gen1_duration;
}

}  // namespace walx::policy
