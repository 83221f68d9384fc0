// The part of Target that plans a checkpoint, and prepares a planned restart.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "app/method.h"
#include "app/target.h"
#include "base/bytes.h"

namespace wal_exporter::app {
namespace {

using influxdb::NudgeMode;
using influxdb::OutcomeKind;
using policy::Blocker;
using policy::Reason;

constexpr Duration kLeastLook = std::chrono::seconds(10);

}  // namespace

view::CheckpointPlan Target::plan(bool at_once) const {
  const MutexLock lock(mutex_);
  const auto mode = at_once ? NudgeMode::at_once : NudgeMode::patient;
  const MethodChoice choice = choose_method(settings_, version_);
  view::CheckpointPlan plan;
  plan.target = settings_.name;
  plan.method = choice.name;
  const policy::Decision decision = policy::decide_on_request(rules_, memory_, situation(mode), Reason::manual, false);
  plan.blockers = decision.blockers;
  plan.explanation = decision.explanation;
  if (sample_ != nullptr) {
    if (const auto budget = policy::snapshot_budget(*sample_, node_.rules))
      plan.snapshot_budget_remaining = budget->remaining;
  }
  const auto nudge = outlook(mode);
  if (!nudge) return plan;
  plan.mode = influxdb::to_string(mode);
  if (nudge->plan) {
    plan.goal = nudge->plan->goal;
    plan.points = nudge->plan->points;
    plan.duration_seconds = to_seconds(nudge->plan->duration);
    if (nudge->plan->boundary && *nudge->plan->boundary > services_.clock->now())
      plan.not_before = nudge->plan->boundary;
    plan.explanation = nudge->plan->explanation + "; " + plan.explanation;
  }
  return plan;
}

view::PrepareRestartAnswer Target::prepare_restart(const view::PrepareRestartCommand& command) {
  const MutexLock lock(mutex_);
  const SteadyTime deadline = services_.clock->steady() + command.max_wait;
  view::PrepareRestartAnswer answer;
  const auto finish = [&](bool safe, std::string message, const wal::Sample* sample,
                          const policy::ForecastRules& rules) {
    answer.safe = safe;
    answer.timestamp = services_.clock->now();
    answer.message = std::move(message);
    if (sample == nullptr) return answer;
    answer.pending = sample->pending;
    answer.replay_estimate_seconds = static_cast<double>(sample->pending.bytes) /
                                     static_cast<double>(std::max<std::uint64_t>(rules.replay_bytes_per_second, 1));
    answer.message += "; " + influxdb::extent_text(sample->pending) + " left, a restart replays for about " +
                      format_duration_rough(std::chrono::duration_cast<Duration>(
                          std::chrono::duration<double>(*answer.replay_estimate_seconds)));
    return answer;
  };
  const auto wait_over = [&] { return services_.clock->steady() >= deadline; };

  if (running_) wait_for_end(running_->id, deadline);
  if (!stopping_ && !running_) wait_for_fresh_look(std::max(deadline, services_.clock->steady() + kLeastLook));
  if (stopping_) return finish(false, "Not safe: the exporter is shutting down", nullptr, forecast_rules_);
  if (running_) {
    answer.blockers = {Blocker::in_flight};
    return finish(false, "Not safe: a checkpoint is still running", sample_.get(), forecast_rules_);
  }
  if (!is_fresh()) {
    answer.blockers = {Blocker::sample_stale};
    return finish(false, "Not safe: nothing fresh is known about the WAL" + (error_.empty() ? "" : ": " + error_),
                  nullptr, forecast_rules_);
  }
  if (sample_->newest_file_damaged) {
    return finish(false,
                  "Not safe: the newest WAL file is damaged, so InfluxDB would end itself at its first write after the "
                  "start; with it stopped, copy the file away and move it aside",
                  sample_.get(), forecast_rules_);
  }
  const std::optional<policy::OwnTrigger> trigger = own_trigger_of(memory_);
  const bool ours_alone = std::all_of(sample_->periods.begin(), sample_->periods.end(),
                                      [&](const wal::Period& period) { return policy::is_own(trigger, period); });
  if (sample_->pending.files == 0 || (!sample_->periods.empty() && ours_alone)) {
    return finish(true,
                  sample_->pending.files == 0 ? "Safe to restart: nothing is pending"
                                              : "Safe to restart: nothing but the last nudge's own point is pending",
                  sample_.get(), forecast_rules_);
  }

  policy::Situation situation = this->situation(NudgeMode::at_once);
  const auto nudge = outlook(NudgeMode::at_once);
  const Duration left = std::max(deadline - services_.clock->steady(), Duration::zero());
  if (nudge && nudge->plan && nudge->plan->duration > left) {
    situation.plan_blockers.emplace_back(Blocker::too_long,
                                         std::to_string(nudge->plan->points) + " points take about " +
                                             format_duration_rough(nudge->plan->duration) + ", max_wait leaves " +
                                             format_duration_rough(left) + "; allow more");
  }
  if (command.in_any_window) {
    situation.outside_window.clear();
    situation.maintenance.clear();
  }
  const policy::Decision decision =
      policy::decide_on_request(rules_, memory_, situation, Reason::pre_restart, command.override_soft);
  if (decision.action != policy::Action::checkpoint) {
    answer.blockers = decision.blockers;
    record("decision", "restart not prepared: " + decision.explanation, "{}");
    return finish(false, "Not safe: " + decision.explanation, sample_.get(), forecast_rules_);
  }
  start_run(Reason::pre_restart, NudgeMode::at_once, command.actor);
  if (!running_) return finish(false, "Not safe: the checkpoint could not be started", sample_.get(), forecast_rules_);
  const std::int64_t id = running_->id;
  publish();
  wait_for_end(id, deadline);
  if (running_ && running_->id == id && wait_over()) {
    worker_.request_stop();
    return finish(false, "Not safe: the checkpoint did not end within max_wait and is being stopped", sample_.get(),
                  forecast_rules_);
  }
  for (const view::CheckpointRun& run : ended_) {
    if (run.id == id) answer.run = run;
  }
  const bool done =
      answer.run && answer.run->outcome &&
      (answer.run->outcome->kind == OutcomeKind::succeeded || answer.run->outcome->kind == OutcomeKind::no_op);
  const std::string said =
      answer.run && answer.run->outcome ? answer.run->outcome->message : std::string("no outcome is known");
  return finish(done, (done ? "Safe to restart: " : "Not safe: ") + said, sample_.get(), forecast_rules_);
}

}  // namespace wal_exporter::app
