#include "policy/restart_verdict.h"

#include <algorithm>
#include <cmath>

namespace wal_exporter::policy {
namespace {

std::uint64_t restarts_today(const Memory& memory, Time now) {
  return static_cast<std::uint64_t>(
      std::count_if(memory.restarts.begin(), memory.restarts.end(), [&](Time time) { return now - time < kDay; }));
}

// By health and by the sample itself: hysteresis must not restart what the
// preparation has just helped. Without a sample, that is what holds it back.
bool is_critical(const Rules& rules, const Memory& memory, const wal::Sample* sample) {
  if (!memory.levels || memory.levels->worse() != Health::critical) return false;
  return sample == nullptr || judge(sample->pending, resolve(rules.thresholds, *sample)).worse() == Health::critical;
}

// What would hold back a checkpoint that is asked for, without what says nothing
// about a restart.
Decision lasting_blockers(const Rules& rules, const Memory& memory, const Situation& situation) {
  Decision decision = decide_on_request(rules, memory, situation, Reason::pre_restart, false);
  std::erase_if(decision.blockers, [](const Blocked& blocked) { return !traits(blocked.blocker).holds_a_restart; });
  if (situation.server_down_for && *situation.server_down_for < rules.restart.ready_timeout) {
    add(decision.blockers,
        {Blocker::server_unreachable,
         "InfluxDB's port is closed: it may be replaying its WAL, so a restart waits until " +
             format_duration(rules.restart.ready_timeout) + " (restart.ready_timeout) after it was last up"});
  }
  return decision;
}

}  // namespace

std::uint64_t restarts_left(const RestartRules& rules, const Memory& memory, Time now) {
  const std::uint64_t made = restarts_today(memory, now);
  return rules.max_per_day > made ? rules.max_per_day - made : 0;
}

RestartVerdict judge_restart(const Rules& rules, const Memory& memory, const Situation& situation, bool version_3) {
  using Kind = RestartVerdict::Kind;
  if (!rules.restart.enabled) return {Kind::refuse, {}, "restart.enabled is false"};
  if (version_3 && !rules.restart.allow_v3) {
    return {Kind::refuse,
            {},
            "a restart of InfluxDB 3 replays everything and empties nothing; set restart.allow_v3 where it is wanted "
            "all the same"};
  }
  if (situation.sample != nullptr) {
    const auto findings = wal::findings_of(*situation.sample, rules.server);
    if (!findings.empty() && findings.front().effect >= wal::Effect::skipped) {
      return {Kind::refuse, {}, describe(findings.front(), rules.server)};
    }
  }
  if (!situation.vanished.empty()) return {Kind::refuse, {}, "a restart would lose data: " + situation.vanished};
  if (restarts_left(rules.restart, memory, situation.now) == 0) {
    const std::uint64_t made = restarts_today(memory, situation.now);
    return {Kind::refuse,
            {},
            count_of(made, "restart") + " in the last 24 h, restart.max_per_day allows " +
                std::to_string(rules.restart.max_per_day)};
  }
  if (!is_critical(rules, memory, situation.sample)) {
    return {Kind::wait, {}, "the WAL is not critical now, so no restart is needed"};
  }
  const Decision decision = lasting_blockers(rules, memory, situation);
  if (!decision.blockers.empty()) return {Kind::wait, without_why(decision.blockers), decision.explanation()};
  return {Kind::go, {}, "nothing blocks it"};
}

std::optional<std::string> forbids_unprepared(const RestartRules& rules, const std::optional<double>& replay_seconds) {
  if (!rules.unprepared) return "restart.unprepared is false";
  if (!replay_seconds || std::isnan(*replay_seconds)) return "how long a restart would replay is not known";
  const double most = to_seconds(rules.max_replay);
  if (*replay_seconds > most) {
    return "replay would take " + policy::replay_text(*replay_seconds) + ", restart.max_replay is " +
           format_duration(rules.max_replay);
  }
  return std::nullopt;
}

Memory after_restart_wanted(Memory memory) {
  memory.restart_waits = true;
  return memory;
}

Memory after_restart_settled(Memory memory) {
  memory.restart_waits = false;
  return memory;
}

Memory after_restart_begun(Memory memory, Time now) {
  std::erase_if(memory.restarts, [&](Time time) { return now - time >= kDay; });
  memory.restarts.push_back(now);
  return after_restart_settled(std::move(memory));
}

}  // namespace wal_exporter::policy
