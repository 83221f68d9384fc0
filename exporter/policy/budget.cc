#include "policy/budget.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace wal_exporter::policy {
namespace {

constexpr Duration kHour = std::chrono::hours(1);

// Ages of snapshots in seconds, the newest first.
using Ages = std::vector<double>;

Ages ages_of(const wal::Sample& sample) {
  Ages ages;
  ages.reserve(sample.snapshot_times.size());
  for (const Time written : sample.snapshot_times) ages.push_back(std::max(0.0, to_seconds(sample.taken_at - written)));
  return ages;
}

// Per second: over the last day, or since the oldest where that is shorter. n
// snapshots are n - 1 steps, so that one per G is not taken for more by where the day
// begins.
double rate_of(const Ages& ages) {
  const auto last_day = std::count_if(ages.begin(), ages.end(), [](double age) { return age < to_seconds(kDay); });
  if (last_day < 2) return 0;
  return static_cast<double>(last_day - 1) / std::clamp(ages.back(), to_seconds(kHour), to_seconds(kDay));
}

// How many more can be made, `rate` per second, until one younger than `reach` is not
// among the newest `limit`. nullopt: that never comes.
std::optional<std::uint64_t> until_unseen(const Ages& ages, std::uint64_t limit, double reach, double rate) {
  const auto time_for = [&](std::uint64_t snapshots) {
    if (snapshots == 0) return 0.0;
    return rate > 0 ? static_cast<double>(snapshots) / rate : std::numeric_limits<double>::infinity();
  };
  for (std::size_t i = ages.size(); i-- > 0;) {
    const std::uint64_t push_it_out = limit - std::min<std::uint64_t>(limit, i);
    if (ages[i] + time_for(push_it_out) < reach) return std::max<std::uint64_t>(push_it_out, 1) - 1;
  }
  if (time_for(limit) < reach) return limit;
  return std::nullopt;
}

// How many were made beyond `rate` per second, and are not made up for yet.
std::uint64_t beyond(const Ages& ages, double reach, double rate) {
  double most = 0;
  for (std::size_t i = 0; i < ages.size() && ages[i] < reach; ++i) {
    most = std::max(most, static_cast<double>(i + 1) - ages[i] * rate);
  }
  return static_cast<std::uint64_t>(std::ceil(most));
}

}  // namespace

std::optional<SnapshotBudget> snapshot_budget(const wal::Sample& sample, const wal::NodeRules& rules) {
  if (sample.layout != wal::Layout::node) return std::nullopt;
  SnapshotBudget budget;
  budget.limit = wal::snapshot_limit(rules);
  budget.floor = std::max<std::uint64_t>(budget.limit / 20, 5);

  Ages ages = ages_of(sample);
  const double rate = rate_of(ages);
  const double lookback = std::max(to_seconds(rules.lookback), 1.0);
  const double reach = lookback * 49 / 50;
  const double sustainable =
      std::max(static_cast<double>(budget.limit) / lookback, 1 / std::max(to_seconds(rules.gen1_duration), 1e-9));
  const std::uint64_t covered = std::min(sample.snapshots_covered, sample.snapshot_files);
  ages.resize(std::min<std::uint64_t>(ages.size(), sample.snapshot_files - covered));

  const auto forecast = until_unseen(ages, budget.limit, reach, std::max(rate, sustainable));
  budget.remaining = std::min(forecast.value_or(budget.limit),
                              budget.limit - std::min(budget.limit, beyond(ages, reach, sustainable)));
  if (const auto left = until_unseen(ages, budget.limit, reach, rate)) {
    budget.days_left = *left == 0 ? 0 : static_cast<double>(*left) / rate / to_seconds(kDay);
  }
  return budget;
}

bool snapshots_too_often(const wal::NodeRules& rules) {
  return to_seconds(rules.flush_interval) * static_cast<double>(rules.all_goal()) < to_seconds(rules.gen1_duration);
}

}  // namespace wal_exporter::policy
