// The part of Target that restarts InfluxDB where checkpoints don't help: waits
// until nothing holds it back, prepares, acts, and sees that InfluxDB is up again.
// What talks to others runs on a thread of its own, without the target's lock.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "app/restart.h"
#include "app/target.h"
#include "base/bytes.h"

namespace wal_exporter::app {
namespace {

using policy::Blocker;
using policy::Health;
using policy::RestartVerdict;
using Json = nlohmann::ordered_json;

// A checkpoint that prepare-restart gave up on comes to its safe point meanwhile.
constexpr Duration kRunEnds = std::chrono::seconds(60);
constexpr Duration kFreshLookWithin = std::chrono::seconds(10);
constexpr const char* kResultKey = "restart";
constexpr const char* kBegunKey = "restart_begun";

Json extent(const wal::Extent& value) {
  return {{"files", value.files}, {"bytes", value.bytes}};
}

// Comes and goes, and is told elsewhere: a running checkpoint, a look that is late.
bool is_passing(Blocker blocker) {
  return blocker == Blocker::in_flight || blocker == Blocker::sample_stale;
}

// Of what held back a preparation: what ends by itself or by a person's hand.
std::vector<Blocker> that_end(std::vector<Blocker> blockers) {
  std::erase_if(blockers, [](Blocker blocker) {
    return !is_passing(blocker) && blocker != Blocker::outside_window && blocker != Blocker::maintenance &&
           blocker != Blocker::paused && blocker != Blocker::disk_headroom;
  });
  return blockers;
}

// A step that went as meant asks for nothing; InfluxDB that is not up again does.
events::Severity severity_of(const std::string& step) {
  if (step == "failed") return events::Severity::critical;
  return step == "refused" || step == "not_prepared" ? events::Severity::warning : events::Severity::info;
}

}  // namespace

void Target::load_restart() {
  server_seen_up_ = services_.clock->steady();
  const auto stored = services_.store->get(settings_.name, kResultKey);
  if (stored && *stored) restart_last_ = restart_result_from(**stored);
  if (!acts_unasked_ || settings_.influxdb.url.empty()) return;
  const auto begun = services_.store->get(settings_.name, kBegunKey);
  if (begun && *begun) restart_begun_ = restart_start_from(**begun);
  if (restart_begun_) restart_phase_ = RestartPhase::starting;
}

// One that a process of ours began and did not see the end of: nobody else would
// look whether InfluxDB came up again.
void Target::take_up_restart() {
  const MutexLock lock(mutex_);
  if (!restart_begun_) return;
  services_.log->warn("This exporter was ended while InfluxDB was being restarted ({}); looking what came of it [{}]",
                      restart_begun_->plan, settings_.name);
  restart_thread_ = std::jthread([this, start = *restart_begun_] {
    auto lock_file = state::TargetLock::acquire(services_.state_directory, settings_.name);
    const MutexLock inner(mutex_);
    if (lock_file) restart_lock_ = *std::move(lock_file);
    const Duration ago = std::max(Duration::zero(), Duration(services_.clock->now() - start.at));
    const SteadyTime now = services_.clock->steady();
    await_ready(start, now - ago, now + settings_.restart.ready_timeout);
  });
}

view::RestartView Target::restart_view() const {
  view::RestartView out = restart_view_of(settings_.restart, memory_, services_.clock->now());
  out.last = restart_last_;
  switch (restart_phase_) {
    case RestartPhase::idle:
      out.state = memory_.restart_waits ? "waiting" : "idle";
      break;
    case RestartPhase::preparing:
      out.state = "preparing";
      break;
    case RestartPhase::restarting:
      out.state = "restarting";
      break;
    case RestartPhase::starting:
      out.state = "starting";
      break;
  }
  return out;
}

std::optional<std::string> Target::restart_advice() const {
  if (health_ != Health::critical || !memory_.restart_considered || restart_phase_ != RestartPhase::idle) {
    return std::nullopt;
  }
  if (memory_.restart_waits) {
    if (restart_held_why_.empty()) return std::nullopt;
    return "The restart of InfluxDB is held back: " + restart_held_why_;
  }
  if (settings_.restart.enabled) {
    if (!restart_last_ || restart_last_->success) return std::nullopt;
    return "The exporter did not restart InfluxDB: " + restart_last_->message;
  }
  if (version_ == "3") return std::nullopt;  // it would empty nothing
  return "A restart of InfluxDB is worth considering: prepare it with --prepare-restart, or let the exporter do it "
         "(restart.enabled)";
}

RestartVerdict Target::judge_restart() const {
  policy::Situation now = situation(influxdb::NudgeMode::at_once);
  if (server_ && server_->port_closed) now.server_down_for = services_.clock->steady() - server_seen_up_;
  RestartVerdict verdict =
      policy::judge_restart(restart_rules_of(settings_.restart), rules_, memory_, now, version_ == "3");
  // The last good look may be recent and the one after it have failed.
  if (verdict.kind == RestartVerdict::Kind::go && !is_fresh()) {
    verdict = {RestartVerdict::Kind::wait, {Blocker::sample_stale}, "nothing fresh is known about the WAL: " + error_};
  }
  return verdict;
}

void Target::restart_step(const std::string& step, const std::string& summary, Json more) {
  Json detail{{"step", step}};
  if (const std::string method = restart_view_of(settings_.restart, memory_, services_.clock->now()).method;
      !method.empty()) {
    detail["method"] = method;
  }
  detail["message"] = summary;
  for (const auto& [key, value] : more.items()) detail[key] = value;
  emit(events::Type::restart, severity_of(step), "restart " + step + ": " + summary, std::move(detail));
}

// One that was considered, and waits for what holds it back.
void Target::step_restart() {
  if (!memory_.restart_waits || restart_phase_ != RestartPhase::idle || stopping_ || !acts_unasked_) return;
  if (!settings_.restart.enabled) {
    memory_ = policy::after_restart_settled(std::move(memory_));
    return;
  }
  RestartVerdict verdict = judge_restart();
  if (verdict.kind == RestartVerdict::Kind::wait) {
    // Empty: the WAL has shrunk meanwhile.
    std::erase_if(verdict.blockers, is_passing);
    if (!verdict.blockers.empty() && verdict.blockers != restart_held_) hold_restart(verdict);
    return;
  }
  restart_held_.clear();
  restart_held_why_.clear();
  if (verdict.kind == RestartVerdict::Kind::refuse) return give_up_restart("refused", verdict.explanation);
  // It waits in the memory until the act, so that one of us that is killed while it
  // prepares leaves it to the next.
  if (restart_thread_.joinable()) restart_thread_.join();  // has ended: the phase is idle
  restart_phase_ = RestartPhase::preparing;
  restart_thread_ = std::jthread([this](const std::stop_token& stop) { run_restart(stop); });
}

void Target::hold_restart(const RestartVerdict& verdict) {
  Json blockers = Json::array();
  for (const Blocker blocker : verdict.blockers) blockers.push_back(policy::to_string(blocker));
  restart_held_ = verdict.blockers;
  std::erase_if(restart_held_, is_passing);
  restart_held_why_ = verdict.explanation;
  restart_step("refused", "not now, but when this ends: " + verdict.explanation,
               {{"waits", true}, {"blockers", std::move(blockers)}});
}

void Target::end_restart(const std::string& step, const std::string& summary, bool success, Json more) {
  restart_step(step, summary, std::move(more));
  if (step == "failed") {
    ++counters_.restart_failures;
    services_.log->error("Restart failed: {} [{}]", summary, settings_.name);
  }
  keep_restart_result(success, summary);
  rest_restart();
}

// Nothing was done to InfluxDB, and nothing will be in this episode.
void Target::give_up_restart(const std::string& step, const std::string& summary) {
  memory_ = policy::after_restart_settled(std::move(memory_));
  end_restart(step, summary, false, {});
}

// This exporter stops; what came of it is for the next one to see.
void Target::leave_restart(bool success, const std::string& summary) {
  restart_begun_.reset();  // in the state it stays
  services_.log->warn("The restart is not seen to its end: {} [{}]", summary, settings_.name);
  keep_restart_result(success, summary);
  rest_restart();
}

void Target::keep_restart_result(bool success, const std::string& summary) {
  restart_last_ = view::RestartView::Result{services_.clock->now(), success, summary};
  const auto put = services_.store->put(settings_.name, kResultKey, to_text(*restart_last_));
  if (!put && !std::exchange(state_failing_, true)) {
    services_.log->error("{} [{}]", put.error().message, settings_.name);
  }
}

// The last of every course: from here on checkpoints start again. A restart that
// was not given up waits for a later time, or for the next one of us.
void Target::rest_restart() {
  if (std::exchange(restart_begun_, std::nullopt)) {
    const auto put = services_.store->put(settings_.name, kBegunKey, "");
    if (!put && !std::exchange(state_failing_, true)) {
      services_.log->error("{} [{}]", put.error().message, settings_.name);
    }
  }
  restart_lock_.reset();
  restart_phase_ = RestartPhase::idle;
  remember();
  publish();
  changed_.notify_all();
}

void Target::run_restart(const std::stop_token& stop) {
  const auto method = make_restart_method(settings_.restart, services_.clock);
  const auto plan = method == nullptr ? Result<std::string>(failure(ErrorKind::invalid, "no restart.method is set"))
                                      : method->check(stop);
  {
    const MutexLock lock(mutex_);
    if (stopping_) return rest_restart();
    if (!plan) return give_up_restart("failed", plan.error().message);
    if (settings_.dry_run) {
      return give_up_restart("dry_run", "would prepare it, then " + *plan + "; dry_run is set for this target");
    }
    restart_step("preparing", "then " + *plan, {});
    publish();
  }
  const view::PrepareRestartAnswer prepared = prepare_restart(
      {settings_.name, settings_.restart.prepare_wait, "restart", /*override_soft=*/true, /*in_any_window=*/false});
  {
    const MutexLock lock(mutex_);
    if (stopping_) return rest_restart();
    if (!settle_preparation(prepared)) return;
    if (stopping_) return rest_restart();
    restart_phase_ = RestartPhase::restarting;  // from here on no checkpoint starts
    publish();
  }
  auto lock_file = state::TargetLock::acquire(services_.state_directory, settings_.name);
  RestartStart start;
  SteadyTime begun{};
  {
    const MutexLock lock(mutex_);
    if (stopping_) return rest_restart();
    if (!lock_file) return give_up_restart("refused", lock_file.error().message);
    restart_lock_ = *std::move(lock_file);
    start = {services_.clock->now(), *plan, sample_ != nullptr ? sample_->pending : wal::Extent{},
             server_ ? server_->process_id : std::string(), std::nullopt};
    begun = services_.clock->steady();
    if (!begin_restart(start)) {
      return give_up_restart("refused",
                             "that it was made can't be kept, so restart.max_per_day would not hold: free space for "
                             "--state.directory, or make it writable");
    }
    restart_step("restarting", *plan, {{"pending", extent(start.pending)}});
    services_.log->warn("Restarting InfluxDB: {} [{}]", *plan, settings_.name);
    publish();
  }
  const auto done = method->restart(stop);
  const MutexLock lock(mutex_);
  server_seen_up_ = services_.clock->steady();
  if (!done && done.error().kind == ErrorKind::cancelled) return leave_restart(false, done.error().message);
  if (!done) return end_restart("failed", done.error().message, false, {});
  ++counters_.restarts;
  restart_step("restarted", *done, {{"took_seconds", to_seconds(services_.clock->steady() - begun)}});
  restart_phase_ = RestartPhase::starting;
  start.done = *done;
  restart_begun_ = start;
  static_cast<void>(services_.store->put(settings_.name, kBegunKey, to_text(start)));  // else the next says: not known
  publish();
  await_ready(start, begun, begun + settings_.restart.ready_timeout);
}

// False: the state can't be written, and nothing has begun.
bool Target::begin_restart(const RestartStart& start) {
  const policy::Memory before = memory_;
  memory_ = policy::after_restart_begun(std::move(memory_), start.at);
  remember();
  const auto put = services_.store->put(settings_.name, kBegunKey, to_text(start));
  if (memory_ == saved_ && put) {
    restart_begun_ = start;
    return true;
  }
  memory_ = before;
  return false;
}

// Whether the restart goes on; where not, it is ended.
bool Target::settle_preparation(const view::PrepareRestartAnswer& prepared) {
  Json more{{"pending", extent(prepared.pending)},
            {"replay_estimate_seconds",
             prepared.replay_estimate_seconds ? Json(*prepared.replay_estimate_seconds) : Json(nullptr)}};
  restart_step(prepared.safe ? "prepared" : "not_prepared", prepared.message, std::move(more));
  publish();
  const SteadyTime deadline = services_.clock->steady() + kRunEnds;
  while (running_ && !stopping_ && services_.clock->steady() < deadline) {
    services_.clock->wait_until(changed_, mutex_, deadline);
  }
  if (stopping_) return true;
  // Much may have changed since it was considered.
  RestartVerdict verdict = judge_restart();
  if (verdict.kind == RestartVerdict::Kind::go && !prepared.safe) {
    const auto why = policy::forbids_unprepared(restart_rules_of(settings_.restart), prepared.replay_estimate_seconds);
    if (auto held = that_end(prepared.blockers); !held.empty()) {
      verdict = {RestartVerdict::Kind::wait, std::move(held), prepared.message};
    } else if (why) {
      verdict = {RestartVerdict::Kind::refuse, {}, "it could not be prepared, and " + *why + ": " + prepared.message};
    }
  }
  if (verdict.kind == RestartVerdict::Kind::go) return true;
  if (verdict.kind == RestartVerdict::Kind::wait && !verdict.blockers.empty()) {
    hold_restart(verdict);
    rest_restart();
  } else {
    give_up_restart("refused", verdict.explanation);
  }
  return false;
}

// InfluxDB opens its port when the replay is done; then what is pending is compared.
void Target::await_ready(const RestartStart& start, SteadyTime begun, SteadyTime deadline) {
  const Time acted = services_.clock->now();
  const std::uint64_t answers = answers_;
  // An answer to a question from before the act says nothing.
  const auto up = [&]() WAL_EXPORTER_NO_ANALYSIS {
    return server_ && server_->up && (server_->asked_at >= acted || answers_ >= answers + 2);
  };
  while (!up() && !stopping_ && services_.clock->steady() < deadline) {
    services_.clock->wait_until(changed_, mutex_, deadline);
  }
  const Duration took = services_.clock->steady() - begun;
  Json more{{"took_seconds", to_seconds(took)}, {"pending_before", extent(start.pending)}};
  if (up()) {
    wait_for_fresh_look(services_.clock->steady() + kFreshLookWithin);
    std::string summary = "InfluxDB is up again " + format_duration_rough(took) +
                          " after the restart began; pending: " + influxdb::extent_text(start.pending) + " before";
    if (is_fresh()) {
      summary += ", " + influxdb::extent_text(sample_->pending) + " now";
      more["pending_after"] = extent(sample_->pending);
    }
    const bool known = !start.process_id.empty() && !server_->process_id.empty();
    if (known) more["new_process"] = server_->process_id != start.process_id;
    if (known && server_->process_id == start.process_id) {
      return end_restart("failed",
                         "InfluxDB answers, but as the same process as before: " + start.done.value_or(start.plan),
                         false, std::move(more));
    }
    if (!start.done && !known) {
      return end_restart("failed",
                         "InfluxDB answers, but this exporter was ended while it restarted it (" + start.plan +
                             "), so whether that came to its end is not known; look at InfluxDB's log; " + summary,
                         false, std::move(more));
    }
    services_.log->info("Restart completed: {} [{}]", summary, settings_.name);
    return end_restart("ready", summary, true, std::move(more));
  }
  if (stopping_) {
    return leave_restart(start.done.has_value(),
                         start.done.value_or(start.plan) + "; this exporter stopped before InfluxDB was seen up again");
  }
  end_restart("failed",
              "InfluxDB is not up " + format_duration_rough(took) + " after the restart began: " +
                  (server_ ? server_->error : std::string("it has not answered yet")) + "; look at its log now",
              false, std::move(more));
}

}  // namespace wal_exporter::app
