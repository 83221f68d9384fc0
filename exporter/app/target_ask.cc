// The part of Target that alerts and a pause come to.
#include <nlohmann/json.hpp>
#include <utility>

#include "app/target.h"
#include "base/text.h"

namespace wal_exporter::app {

view::AlertAnswer Target::alert(const view::AlertCommand& command) {
  using State = view::AlertAnswer::State;
  std::vector<std::string> unserved;
  std::string unreachable;
  {
    const MutexLock lock(mutex_);
    unserved = alerts_.missing(command.instances);
    if (server_ && !server_->up) unreachable = server_->error;
  }
  if (unserved.empty()) {
    return {State::already_served, "each of these alerts has had its checkpoint", {}, std::nullopt};
  }
  // A person's request is tried all the same; an alert is sent again.
  if (!unreachable.empty()) {
    return {State::blocked,
            "InfluxDB does not answer: " + unreachable,
            {policy::Blocker::server_unreachable},
            std::nullopt};
  }
  view::CheckpointCommand wanted;
  wanted.target = command.target;
  wanted.reason = policy::Reason::alert;
  wanted.wait = Duration::zero();
  wanted.actor = "alert " + escape_control(command.alert);
  const view::CheckpointAnswer done = checkpoint(wanted);
  view::AlertAnswer answer{State::started, done.message, done.blockers, std::nullopt};
  if (done.run) answer.run_id = done.run->id;
  if (done.state == view::CheckpointAnswer::State::gone) answer.state = State::gone;
  if (done.state == view::CheckpointAnswer::State::blocked) answer.state = State::blocked;
  if (done.state == view::CheckpointAnswer::State::no_op) answer.state = State::no_op;
  if (answer.state != State::started && answer.state != State::no_op) return answer;
  const MutexLock lock(mutex_);
  alerts_.add(unserved, services_.clock->now());
  const auto put = services_.store->put(settings_.name, kAlertsKey, alerts_.to_text());
  if (!put && !std::exchange(state_failing_, true)) {
    services_.log->error("{} [{}]", put.error().message, settings_.name);
  }
  return answer;
}

view::PauseAnswer Target::pause(const view::PauseCommand& command) {
  const MutexLock lock(mutex_);
  view::PauseAnswer answer;
  const Time now = services_.clock->now();
  answer.timestamp = now;
  if (stopping_) {
    answer.done = false;
    answer.message = "The exporter is shutting down, or the settings of this target are being changed; try again";
    return answer;
  }
  if (command.length) {
    memory_.paused_until = now + *command.length;
    memory_.paused_by = command.actor;
    answer.until = memory_.paused_until;
    answer.message = "Actions on " + settings_.name + " are paused until " + format_time(*answer.until);
  } else {
    const bool was_paused = policy::paused_until(memory_, now).has_value();
    memory_.paused_until.reset();
    memory_.paused_by.clear();
    answer.message = "Actions on " + settings_.name + (was_paused ? " are resumed" : " were not paused");
  }
  services_.log->warn("{} (by {}) [{}]", answer.message, command.actor, settings_.name);
  record(command.length ? "pause" : "resume", answer.message, nlohmann::ordered_json{{"by", command.actor}}.dump());
  remember();
  if (memory_ != saved_) {
    answer.done = false;
    answer.message += ", but that could not be kept: a restart of this exporter forgets it; see its log";
  }
  decision_ = policy::decide(rules_, memory_, situation(std::nullopt));
  publish();
  changed_.notify_all();
  return answer;
}

}  // namespace wal_exporter::app
