#include <algorithm>

#include "invariants.h"
#include "policy/budget.h"
#include "policy/engine.h"
#include "policy/shard_book.h"

namespace wal_exporter::simulation {
namespace {

using control::Asker;
using control::RunCheckpoint;
using influxdb::OutcomeKind;
using policy::Reason;

constexpr Duration kBackoffFirst = std::chrono::seconds(30);
constexpr Duration kBackoffLongest = std::chrono::minutes(15);
constexpr std::uint32_t kBreakerFailures = 5;
constexpr Duration kBreakerOpen = std::chrono::minutes(30);

bool is_unasked(Reason reason) {
  return reason == Reason::warning || reason == Reason::critical || reason == Reason::scheduled;
}

Duration least_backoff(std::uint32_t failures) {
  Duration wait = kBackoffFirst;
  for (std::uint32_t i = 1; i < failures && wait < kBackoffLongest; ++i) wait *= 2;
  return std::min(wait, kBackoffLongest) * 8 / 10 - std::chrono::milliseconds(1);
}

}  // namespace

// 1: broken by act() that does not ask whether a checkpoint runs; by a sample that
// counts as fresh for ever; by decide_on_request() without the pause.
void Invariants::check_start(const control::Control& control, const RunCheckpoint& run) {
  using I = Invariant;
  const bool unasked = is_unasked(run.reason);
  bool lifts_soft = false;
  bool in_any_window = false;
  bool at_once = false;
  bool asked = false;
  for (const auto& [number, one] : asked_) {
    if (one.reason != run.reason) continue;
    asked = true;
    lifts_soft = lifts_soft || one.lifts_soft;
    in_any_window = in_any_window || one.in_any_window;
    at_once = at_once || one.at_once;
  }
  const view::RestartState state = control.parts().restarter.view_of(control.parts(), context_.schedule.now()).state;
  const bool own = run.reason == Reason::pre_restart && state == view::RestartState::preparing;
  if (own) lifts_soft = at_once = true;
  if (!unasked && !own && !asked) broken(I::acts_alone_and_allowed, "a checkpoint that nobody asked for");
  if (unasked && !run.boundary_passed) broken(I::acts_alone_and_allowed, "an unasked checkpoint waits for a boundary");
  if (running_) broken(I::acts_alone_and_allowed, "a second checkpoint at once");
  if (restart_acts_ || state == view::RestartState::restarting)
    broken(I::acts_alone_and_allowed, "a checkpoint while a restart acts");
  if (settings_.dry_run) broken(I::acts_alone_and_allowed, "a checkpoint in a dry run");
  if (sample_ == nullptr || std::chrono::abs(wall() - sample_->taken_at) > 2 * settings_.rules.sample_interval) {
    broken(I::acts_alone_and_allowed, "a checkpoint on a stale sample");
  }
  if (holds_pause_ && wall() < *holds_pause_) broken(I::acts_alone_and_allowed, "a checkpoint while paused");
  const bool any_window = in_any_window || (lifts_soft && !own);
  if (!any_window && !own && !settings_.checkpoint.windows.empty() &&
      !is_inside(settings_.checkpoint.windows, wall())) {
    broken(I::acts_alone_and_allowed, "a checkpoint outside of its windows");
  }
  if (!any_window && !own && is_inside(settings_.maintenance, wall())) {
    broken(I::acts_alone_and_allowed, "a checkpoint during maintenance");
  }
  if (run.mode == influxdb::NudgeMode::at_once && !at_once) {
    broken(I::nudges_keep_to_their_plan, "at once, and nobody asked for that");
  }
  if (run.version == wal::Generation::v3) {
    const auto budget = policy::snapshot_budget(*sample_, run.rules);
    if (budget && budget->remaining < budget->floor) {
      broken(I::nudges_keep_to_their_plan, "a nudge takes a snapshot of those that must be left");
    }
  }
  check_waits(run, own);
  if (!runs_.insert(run.id).second) {
    broken(I::events_are_told_once, "two checkpoints with the number " + std::to_string(run.id));
  }
  running_ = run;
  start_ = holds_start_ = clocks_.moment(now());
  ++epoch_;
}

// 2: broken by after_start() that keeps no time; by memory that is not kept before the
// act; by a wait that takes a time from the future for long ago; by failures that are
// not counted.
void Invariants::check_waits(const RunCheckpoint& run, bool own) {
  const auto passed = [&](const std::optional<Moment>& then, Duration wait) {
    return !then || clocks_.at_most_since(*then, now()) >= wait;
  };
  const bool unasked = is_unasked(run.reason);
  const bool nudges = run.version == wal::Generation::v3;
  if (unasked && run.reason != Reason::critical && !passed(holds_end_, settings_.rules.cooldown)) {
    broken(Invariant::waits_hold, "a checkpoint within the cooldown");
  }
  const Duration spacing = nudges ? run.rules.gen1_duration : Duration(std::chrono::seconds(60));
  if ((unasked || nudges) && !passed(holds_start_, spacing)) {
    broken(Invariant::waits_hold, "two starts too close to each other");
  }
  bool asks_resting = false;
  for (const auto& [shard, one] : shards_.failing()) {
    const bool left = std::find(run.leave_alone.begin(), run.leave_alone.end(), shard) != run.leave_alone.end();
    if (left || clocks_.at_most_since(one.last, now()) >= rest_after(one.least)) continue;
    asks_resting = true;
    if (!unasked && run.reason != Reason::alert) continue;
    broken(Invariant::waits_hold, "a shard that failed " + std::to_string(one.least) + " times in a row is asked");
  }
  // Who asks by hand is not held back by failures; an alert that fires again and again is. A
  // person may have repaired a shard that rests: each asks for it once.
  if (!unasked && run.reason != Reason::alert) {
    const auto person = std::find_if(asked_.begin(), asked_.end(), [&](const auto& one) {
      return one.second.person && one.second.reason == run.reason && !one.second.asked_resting;
    });
    if (asks_resting && !own && person == asked_.end()) {
      broken(Invariant::waits_hold, "a shard at rest is asked more often than people asked");
    }
    if (asks_resting && person != asked_.end()) person->second.asked_resting = true;
    return;
  }
  if (holds_failures_ == 0) return;
  if (!passed(holds_failure_, least_backoff(holds_failures_))) {
    broken(Invariant::waits_hold,
           "a checkpoint within the backoff of " + std::to_string(holds_failures_) + " failures");
  }
  if (holds_failures_ >= kBreakerFailures && !passed(holds_failure_, kBreakerOpen)) {
    broken(Invariant::waits_hold, "a checkpoint while the breaker is open");
  }
}

// 1 and 2 for a restart: broken by restarts that are not kept before the act, or are
// forgotten where the clock was set back.
void Invariants::check_restart(const control::Control& control) {
  if (running_) broken(Invariant::acts_alone_and_allowed, "a restart while a checkpoint runs");
  if (settings_.dry_run) broken(Invariant::acts_alone_and_allowed, "a restart in a dry run");
  if (!settings_.rules.restart.enabled) broken(Invariant::acts_alone_and_allowed, "a restart that is not enabled");
  if (control.parts().server.is_node() && !settings_.rules.restart.allow_v3) {
    broken(Invariant::acts_alone_and_allowed, "a restart of InfluxDB 3 that is not allowed");
  }
  if (holds_pause_ && wall() < *holds_pause_) {
    broken(Invariant::acts_alone_and_allowed, "a restart while paused");
  }
  std::erase_if(restarts_, [&](const Moment& then) { return clocks_.at_most_since(then, now()) >= kDay; });
  if (restarts_.size() >= settings_.rules.restart.max_per_day) {
    broken(Invariant::waits_hold, "more restarts in 24 h than allowed");
  }
  restarts_.push_back(clocks_.moment(now()));
}

// 3: broken by fillers of at-once plans dated now, or by one point too many.
void Invariants::nudge_point(const NudgePoint& point, const wal::NodeRules& rules) {
  ++checks_;
  const auto bad = [&](const std::string& what) { broken(Invariant::nudges_keep_to_their_plan, what); };
  if (point.number > point.plan.points) bad("more points than planned");
  if (point.number > settings_.checkpoint.nudge.max_points) bad("more points than allowed");
  const bool at_once = point.plan.mode == influxdb::NudgeMode::at_once;
  if (!point.is_trigger) {
    if (point.date != point.plan.filler_time) bad("a filler that is not dated at the smallest time");
    return;
  }
  if (!at_once && point.date > server_wall()) bad("a point dated in the future that nobody asked for");
  if (point.date > std::max(server_wall(), rules.next_multiple(point.planned_at)))
    bad("a point dated past the next multiple of G");
}

// What an ended run means for the waits, once Control has worked it through.
void Invariants::account_end(const control::Control& control) {
  const control::RunEnded ended = *std::exchange(ending_, std::nullopt);
  const RunCheckpoint run = *std::exchange(running_, std::nullopt);
  ++epoch_;
  const Moment moment = clocks_.moment(now());
  if (ended.after) shards_.ended(ended.outcome, *sample_, moment);
  OutcomeKind kind = ended.outcome.kind;
  // Busy for ever is none.
  const auto told = control.parts().checkpointer.find(run.id);
  if (kind == OutcomeKind::busy && told && told->outcome->kind == OutcomeKind::failed) {
    const auto& failing = shards_.failing();
    const bool any = std::any_of(failing.begin(), failing.end(),
                                 [](const auto& one) { return one.second.most >= policy::kMostShardFailures; });
    if (!any) broken(Invariant::decisions_are_true, "a run failed that was busy, and no shard was for long");
    kind = OutcomeKind::failed;
  }
  const bool success = kind == OutcomeKind::succeeded || kind == OutcomeKind::no_op;
  const bool neutral = kind == OutcomeKind::busy;
  if (ended.stopped && !success) return;
  if (kind != OutcomeKind::no_op && !neutral) end_ = holds_end_ = moment;
  const wal::Sample* judged = ended.after ? ended.after->get() : sample_.get();
  const policy::Rules& rules = control.parts().server.rules();
  const auto stays_critical = [&](bool at_most) {
    return run.reason == Reason::critical && judged != nullptr &&
           policy::judge(shards_.can_be_emptied(*judged, at_most), policy::resolve(rules.thresholds, *judged))
                   .worse() == policy::Health::critical;
  };
  const bool critical_failure = stays_critical(/*at_most=*/false);
  // What is known of single shards may be forgotten.
  if (stays_critical(/*at_most=*/true)) failure_ = moment;
  if (neutral && !critical_failure) return;
  if (success && !critical_failure) {
    holds_failures_ = 0;
    return;
  }
  ++holds_failures_;
  failure_ = holds_failure_ = moment;
}

}  // namespace wal_exporter::simulation
