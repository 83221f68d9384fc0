#include "wal/node_rules.h"

#include <algorithm>

namespace wal_exporter::wal {

Time NodeRules::floor(Time time) const {
  const std::int64_t g = std::max<std::int64_t>(gen1_duration.count(), 1);
  const std::int64_t t = time.time_since_epoch().count();
  const std::int64_t remainder = ((t % g) + g) % g;
  return Time(Duration(t - remainder));
}

std::string node_wal_name(std::uint64_t number) {
  constexpr std::size_t kDigits = 11;
  const std::string digits = std::to_string(number);
  return std::string(kDigits - std::min(kDigits, digits.size()), '0') + digits + ".wal";
}

bool takes_front(const NodeRules& rules, const std::vector<Period>& periods, std::size_t index) {
  const std::uint64_t count = index + 1;
  if (count < rules.row_goal()) return false;
  if (count >= rules.all_goal()) return true;
  const auto& front = periods.front().max_time;
  const auto& newest = periods[index].max_time;
  return front && newest && *front < rules.floor(*newest);
}

std::uint64_t snapshot_limit(const NodeRules& rules) {
  constexpr std::uint64_t kLeast = 100;
  const std::int64_t g = std::max<std::int64_t>(rules.gen1_duration.count(), 1);
  return std::max<std::uint64_t>(kLeast,
                                 static_cast<std::uint64_t>(std::max<std::int64_t>(rules.lookback.count(), 0) / g));
}

}  // namespace wal_exporter::wal
