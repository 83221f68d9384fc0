#include "influxdb/nudge_plan.h"

#include <algorithm>

#include "influxdb/outcome.h"

namespace wal_exporter::influxdb {
namespace {

// Saturates, so that odd settings give a plan that is refused as too long.
Duration times(Duration duration, std::uint64_t count) {
  constexpr Duration kLongest = std::chrono::hours(24 * 365);
  if (duration <= Duration::zero()) return Duration::zero();
  if (count > static_cast<std::uint64_t>(kLongest / duration)) return kLongest;
  return duration * static_cast<std::int64_t>(count);
}

}  // namespace

std::string_view to_string(NudgeMode mode) {
  return mode == NudgeMode::patient ? "patient" : "at_once";
}

Result<NudgePlan> plan_nudge(const wal::Sample& sample, const wal::NodeRules& rules, NudgeMode mode,
                             bool boundary_passed, Time now) {
  NudgePlan plan;
  plan.mode = mode;
  const auto& periods = sample.periods;
  if (sample.newest_file_damaged) {
    return failure(ErrorKind::conflict,
                   "the newest WAL file is damaged: the server would exit at the first point written; first stop it, "
                   "move the file out of wal/ and keep it, and start the server again");
  }
  if (periods.empty()) {
    plan.explanation = "nothing is pending";
    return plan;
  }
  for (const wal::Period& period : periods) {
    if ((period.min_time && period.max_time) || period.void_times) continue;
    return failure(ErrorKind::corrupt, "the data times of WAL file " + std::to_string(period.number) +
                                           " are not known, so no nudge can be planned; is it damaged, or of a newer "
                                           "format, or is wal.integrity off?");
  }
  // A file that holds nothing valid goes with any snapshot, whatever is dated how.
  std::optional<Time> earliest;
  std::optional<Time> latest;
  for (const wal::Period& period : periods) {
    if (period.void_times) continue;
    earliest = std::min(earliest.value_or(*period.min_time), *period.min_time);
    latest = std::max(latest.value_or(*period.max_time), *period.max_time);
  }
  const Time next = rules.next_multiple(now);
  if (!earliest) earliest = latest = rules.floor(now) - Duration(1);
  plan.filler_time = *earliest;
  plan.everything = *latest >= next;
  plan.cover_to = periods.back().number;

  if (plan.everything) {
    plan.goal = rules.all_goal();
  } else {
    plan.goal = rules.row_goal();
    if (mode == NudgeMode::at_once) {
      plan.trigger_time = next;
    } else if (boundary_passed || *latest < rules.floor(now)) {
      plan.boundary = rules.floor(now);
    } else {
      plan.boundary = next;
    }
  }
  if (plan.boundary) {
    // The row stops at the first file that is not dated before the boundary.
    const auto stop = std::find_if(periods.begin(), periods.end(),
                                   [&](const wal::Period& period) { return period.max_time >= plan.boundary; });
    plan.cover_to = stop == periods.begin() ? 0 : std::prev(stop)->number;
  }
  const std::uint64_t pending = periods.size();
  plan.points = plan.goal > pending ? plan.goal - pending : 1;
  const Duration writing = times(rules.flush_interval, plan.points);
  const Duration waiting = plan.boundary && *plan.boundary > now ? *plan.boundary - now : Duration::zero();
  plan.duration = std::max(writing, waiting + rules.flush_interval);
  plan.explanation = count_of(pending, "file") + " pending, goal " + std::to_string(plan.goal) + ": " +
                     count_of(plan.points, "point") + ", one file each, in about " +
                     format_duration_rough(plan.duration);
  if (plan.everything) {
    plan.explanation += "; data dated " + format_time(*latest) +
                        " is in the way, so the server is brought to 3 x S files, where it snapshots all";
  } else if (plan.trigger_time) {
    plan.explanation += "; the last one is dated " + format_time(*plan.trigger_time) +
                        " and delays the server's own next snapshot beyond that";
  } else if (waiting > Duration::zero()) {
    plan.explanation += "; the last one is written after " + format_time(*plan.boundary);
  }
  return plan;
}

NudgeStep next_step(const NudgePlan& plan, std::uint64_t pending, std::uint64_t written, bool snapshotted, Time now) {
  const std::uint64_t left = plan.points > written ? plan.points - written : 0;
  const std::uint64_t needed = plan.goal > pending ? plan.goal - pending : 1;
  if (needed > left) return plan.everything && snapshotted ? NudgeStep::unreachable : NudgeStep::wait_others;
  if (plan.everything || needed > 1) return NudgeStep::filler;
  return plan.boundary && now < *plan.boundary ? NudgeStep::wait_boundary : NudgeStep::trigger;
}

}  // namespace wal_exporter::influxdb
