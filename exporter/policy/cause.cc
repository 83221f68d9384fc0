#include "policy/cause.h"

#include <algorithm>
#include <vector>

#include "base/text.h"

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

// When the server snapshots next, by rules 2 to 4 (FACTS.md, "3.x: when it snapshots"), if
// files go on coming at this rate.
struct Due {
  Duration in{};
  std::uint64_t goal = 0;  // with so many files
};

Due next_snapshot(const std::vector<wal::Period>& periods, const wal::NodeRules& rules, Time now, double per_second) {
  const auto until = [&](std::uint64_t goal) {
    constexpr double kLongest = 3e9;
    const double missing = static_cast<double>(goal - std::min<std::uint64_t>(goal, periods.size()));
    return std::chrono::duration_cast<Duration>(
        std::chrono::duration<double>(std::min(missing / per_second, kLongest)));
  };
  const Due all{until(rules.all_goal()), rules.all_goal()};
  const auto& front = periods.front().max_time;
  if (!front) return all;
  const Duration row = std::max(until(rules.row_goal()), rules.next_multiple(*front) - now);
  return row < all.in ? Due{row, rules.row_goal()} : all;
}

NotShrinking too_few_files(const wal::Sample& sample, const wal::NodeRules& rules, Time now,
                           const std::optional<Growth>& growth, const Thresholds& limits) {
  const auto& periods = sample.periods;
  const std::uint64_t goal = rules.row_goal();
  NotShrinking out;
  if (!growth || growth->files_per_second <= 0) {
    out.detail = count_of(periods.size(), "file") + " of the " + std::to_string(goal) +
                 " at which the server snapshots, " + std::to_string(goal - periods.size()) + " missing" +
                 no_write_since(periods.back(), now);
    return out;
  }
  const Due due = next_snapshot(periods, rules, now, growth->files_per_second);
  const double bytes = static_cast<double>(sample.pending.bytes) + growth->bytes_per_second * to_seconds(due.in);
  out.expected = goal <= limits.warning_files + 1 && bytes <= static_cast<double>(limits.warning_bytes);
  out.detail = "next snapshot due in about " + format_duration_rough(due.in) + " (" + std::to_string(due.goal) +
               " files; " + std::to_string(periods.size()) + " so far)";
  if (!out.expected) out.detail += ", and a limit for warning is reached before that";
  return out;
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
                                          const std::optional<Growth>& growth, const Thresholds& limits) {
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
                 count_of(rules.all_goal(), "file") + " (" + std::to_string(periods.size()) + " now)";
    return out;
  }
  const std::uint64_t goal = rules.row_goal();
  if (periods.size() + 1 < goal) return too_few_files(sample, rules, now, growth, limits);
  if (newest.persisted && *newest.persisted < rules.floor(now)) {
    NotShrinking out{Cause::idle, std::nullopt, newest.persisted, {}};
    out.detail = std::to_string(periods.size()) +
                 " files are enough, but the server only checks at a write, and none has come for " +
                 format_duration_rough(now - *newest.persisted);
    return out;
  }
  for (std::size_t i = 0; i < periods.size(); ++i) {
    const auto& flushed = periods[i].persisted;
    if (!flushed || now - *flushed <= kStallAfter || !takes_front(rules, periods, i)) continue;
    NotShrinking out{Cause::stalled, std::nullopt, flushed, {}};
    out.detail = "the write of " + wal::node_wal_name(periods[i].number) + " " + ago(*flushed, now) +
                 " should have made the server snapshot, and it has not; check its log and its disk";
    return out;
  }
  return std::nullopt;
}

std::string advice(const NotShrinking& not_shrinking) {
  const std::string cause(to_string(not_shrinking.cause));
  if (not_shrinking.cause != Cause::too_few_files) {
    return "The WAL does not shrink (" + cause + "): " + not_shrinking.detail;
  }
  std::string text = not_shrinking.detail;
  if (!text.starts_with("next")) return "The WAL waits for more files (" + cause + "): " + text;
  text.front() = 'N';
  return text;
}

}  // namespace wal_exporter::policy
