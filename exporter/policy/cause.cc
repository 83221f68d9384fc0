#include "policy/cause.h"

#include <algorithm>
#include <cmath>

namespace wal_exporter::policy {
namespace {

// A flush is given so long to become a snapshot before that counts as a stall.
constexpr Duration kStallAfter = std::chrono::seconds(30);

std::string ago(Time time, Time now) {
  return format_duration_rough(std::max(now - time, Duration::zero())) + " ago";
}

std::string no_write_since(const wal::Period& newest, Time now) {
  return newest.persisted ? ", the last write was " + ago(*newest.persisted, now) : std::string();
}

}  // namespace

std::string_view to_string(Cause cause) {
  switch (cause) {
    case Cause::too_few_files:
      return "too_few_files";
    case Cause::idle:
      return "idle";
    case Cause::future_data:
      return "future_data";
    case Cause::stalled:
      return "stalled";
  }
  return "stalled";
}

bool is_own(const std::optional<OwnTrigger>& trigger, const wal::Period& period) {
  if (!trigger) return false;
  if (trigger->file) return period.number == *trigger->file;
  return period.max_time == trigger->time && period.min_time == trigger->time;
}

std::optional<NotShrinking> not_shrinking(const wal::Sample& sample, const wal::NodeRules& rules, Time now,
                                          const std::optional<OwnTrigger>& own_trigger,
                                          std::optional<double> files_per_second) {
  const auto& periods = sample.periods;
  if (periods.empty()) return std::nullopt;
  const wal::Period& newest = periods.back();
  const Time boundary = rules.next_multiple(now);

  const auto future = std::find_if(periods.begin(), periods.end(), [&](const wal::Period& period) {
    return period.max_time && *period.max_time >= boundary && !is_own(own_trigger, period);
  });
  if (future != periods.end()) {
    NotShrinking out{Cause::future_data, future->number, future->persisted, {}};
    out.detail = wal::node_wal_name(future->number) + " holds data dated " + format_time(*future->max_time) + ", " +
                 format_duration_rough(*future->max_time - now) +
                 " ahead: until newer data comes than that, the server keeps it and all after it, up to " +
                 std::to_string(rules.all_goal()) + " files (" + std::to_string(periods.size()) + " now)";
    return out;
  }
  const std::uint64_t goal = rules.row_goal();
  if (periods.size() + 1 < goal) {
    NotShrinking out{Cause::too_few_files, std::nullopt, std::nullopt, {}};
    const std::uint64_t missing = goal - periods.size();
    out.detail = std::to_string(periods.size()) + " of " + std::to_string(goal) +
                 " files that make the server snapshot, " + std::to_string(missing) + " missing";
    if (files_per_second && *files_per_second > 0) {
      const double seconds = std::min(static_cast<double>(missing) / *files_per_second, 3e9);
      out.detail +=
          ", about " +
          format_duration_rough(std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds))) +
          " at this rate";
    }
    out.detail += no_write_since(newest, now);
    return out;
  }
  if (newest.persisted && *newest.persisted < rules.floor(now)) {
    NotShrinking out{Cause::idle, std::nullopt, newest.persisted, {}};
    out.detail = std::to_string(periods.size()) +
                 " files are enough, but only a write makes the server look, and none has come for " +
                 format_duration_rough(now - *newest.persisted);
    return out;
  }
  for (std::size_t i = 0; i < periods.size(); ++i) {
    const auto& flushed = periods[i].persisted;
    if (!flushed || now - *flushed <= kStallAfter || !takes_front(rules, periods, i)) continue;
    NotShrinking out{Cause::stalled, std::nullopt, flushed, {}};
    out.detail = "the write of " + wal::node_wal_name(periods[i].number) + " " + ago(*flushed, now) +
                 " should have made the server snapshot, and it has not; look at its log and at its disk";
    return out;
  }
  return std::nullopt;
}

}  // namespace wal_exporter::policy
