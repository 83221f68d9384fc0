#include "policy/budget.h"

#include <algorithm>

namespace walx::policy {

std::optional<SnapshotBudget> snapshot_budget(const wal::Sample& sample, const wal::NodeRules& rules) {
  if (sample.layout != wal::Layout::node) return std::nullopt;
  SnapshotBudget budget;
  budget.limit = wal::snapshot_limit(rules);
  budget.remaining = budget.limit - std::min(budget.limit, sample.snapshots_counted);
  budget.floor = std::max<std::uint64_t>(budget.limit / 20, 5);
  if (sample.snapshots_last_day > 0) {
    budget.days_left = static_cast<double>(budget.remaining) / static_cast<double>(sample.snapshots_last_day);
  }
  return budget;
}

bool snapshots_too_often(const wal::NodeRules& rules) {
  return rules.flush_interval * static_cast<std::int64_t>(std::min<std::uint64_t>(rules.all_goal(), 1'000'000'000)) <
         rules.gen1_duration;
}

}  // namespace walx::policy
