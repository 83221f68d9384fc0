#include "control/restarter.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/bytes.h"
#include "control/parts.h"
#include "control/situation.h"

namespace wal_exporter::control {
namespace {

using events::RestartStep;
using policy::Blocker;
using policy::Health;
using policy::RestartVerdict;
using Json = nlohmann::ordered_json;

// A checkpoint that the preparation gave up on comes to its safe point meanwhile.
constexpr Duration kRunEndsWithin = std::chrono::seconds(60);
constexpr const char* kResultKey = "restart";
constexpr const char* kBegunKey = "restart_begun";

Json extent(const wal::Extent& value) {
  return {{"files", value.files}, {"bytes", value.bytes}};
}

bool is_passing(Blocker blocker) {
  return policy::traits(blocker).passing;
}

RestartVerdict judge(const Parts& parts, Now now) {
  policy::Situation situation = situation_of(parts, Asker::own_restart, influxdb::NudgeMode::at_once, now);
  situation.server_down_for = parts.server.down_for(now);
  RestartVerdict verdict = policy::judge_restart(parts.server.rules(), parts.memory, situation, parts.server.is_node());
  // The last good sample may be recent and the one after it have failed.
  if (verdict.kind == RestartVerdict::Kind::go && !is_fresh(parts, now)) {
    verdict = {RestartVerdict::Kind::wait,
               {Blocker::sample_stale},
               "there is no current sample of the WAL: " + parts.wal.error()};
  }
  return verdict;
}

}  // namespace

Restarter::Restarter(const settings::Target& settings, bool acts_unasked, Ledger& ledger, Now now) {
  if (const auto stored = ledger.kept(kResultKey)) last_ = restart_result_from(*stored);
  if (!acts_unasked || settings.influxdb.url.empty()) return;
  const auto stored = ledger.kept(kBegunKey);
  const auto begun = stored ? restart_start_from(*stored) : std::nullopt;
  if (!begun) return;
  ledger.log()->warn("This exporter was ended while InfluxDB was being restarted ({}); checking how it ended [{}]",
                     begun->plan, settings.name);
  const Duration ago = std::max(Duration::zero(), Duration(now.wall - begun->at));
  Starting starting;
  starting.start = *begun;
  starting.begun = now.steady - ago;
  starting.deadline = now.steady + settings.rules.restart.ready_timeout;
  starting.acted = now.wall;
  state_ = std::move(starting);
}

void Restarter::take_up(Parts& parts) const {
  if (std::holds_alternative<Starting>(state_)) parts.effects.emplace_back(TakeLock{});
}

bool Restarter::holds_checkpoints(Asker asker) const {
  if (std::holds_alternative<Idle>(state_) || std::holds_alternative<Waiting>(state_)) return false;
  const bool preparing = std::holds_alternative<Checking>(state_) || std::holds_alternative<Preparing>(state_);
  return !preparing || asker != Asker::own_restart;
}

bool Restarter::is_acting() const {
  return std::holds_alternative<Locking>(state_) || std::holds_alternative<Acting>(state_);
}

SteadyTime Restarter::next() const {
  if (const auto* preparing = std::get_if<Preparing>(&state_); preparing != nullptr && preparing->answer) {
    return preparing->deadline;
  }
  const auto* starting = std::get_if<Starting>(&state_);
  if (starting == nullptr) return SteadyTime::max();
  return starting->up_at ? starting->sample_deadline : starting->deadline;
}

void Restarter::step(Parts& parts, Now now) {
  if (parts.stopping) return;
  if (std::holds_alternative<Idle>(state_) || std::holds_alternative<Waiting>(state_)) step_waiting(parts, now);
  if (std::holds_alternative<Preparing>(state_)) settle_preparation(parts, now);
  if (std::holds_alternative<Starting>(state_)) step_starting(parts, now);
}

// One that was considered, and waits for what holds it back.
void Restarter::step_waiting(Parts& parts, Now now) {
  if (!parts.memory.restart_waits || !parts.acts_unasked) {
    state_ = Idle{};
    return;
  }
  if (!parts.settings.rules.restart.enabled) {
    parts.memory = policy::after_restart_settled(std::move(parts.memory));
    return;
  }
  const RestartVerdict verdict = judge(parts, now);
  if (verdict.kind == RestartVerdict::Kind::wait) {
    // None: the WAL has shrunk meanwhile.
    std::vector<Blocker> blockers = verdict.blockers;
    std::erase_if(blockers, is_passing);
    const auto* waiting = std::get_if<Waiting>(&state_);
    if (!blockers.empty() && (waiting == nullptr || waiting->blockers != blockers)) hold(parts, verdict, now);
    return;
  }
  if (verdict.kind == RestartVerdict::Kind::refuse)
    return give_up(parts, RestartStep::refused, verdict.explanation, now);
  // Who asked for a checkpoint was first.
  if (parts.requests.awaits_checkpoint()) return;
  // It waits in the memory until the act, so that one of us that is killed while it
  // prepares leaves it to the next.
  state_ = Checking{};
  parts.effects.emplace_back(CheckRestart{});
}

void Restarter::checked(Parts& parts, const Result<std::string>& plan, Now now) {
  if (!std::holds_alternative<Checking>(state_)) return;
  if (!plan) return give_up(parts, RestartStep::failed, plan.error().message, now);
  if (parts.settings.dry_run) {
    return give_up(parts, RestartStep::dry_run, "would prepare it, then " + *plan + "; dry_run is set for this target",
                   now);
  }
  tell(parts, RestartStep::preparing, "then " + *plan, {}, now);
  state_ = Preparing{*plan, std::nullopt, {}};
  parts.requests.prepare_restart(parts,
                                 {parts.settings.name, parts.settings.rules.restart.prepare_wait, "restart",
                                  /*override_soft=*/true, /*in_any_window=*/false},
                                 Asker::own_restart, now);
}

void Restarter::prepared(Parts& parts, view::PrepareRestartAnswer answer, Now now) {
  auto* preparing = std::get_if<Preparing>(&state_);
  if (preparing == nullptr || parts.stopping) return;
  Json more{{"pending", extent(answer.pending)},
            {"replay_estimate_seconds",
             answer.replay_estimate_seconds ? Json(*answer.replay_estimate_seconds) : Json(nullptr)}};
  tell(parts, answer.safe ? RestartStep::prepared : RestartStep::not_prepared, answer.message, std::move(more), now);
  preparing->answer = std::move(answer);
  preparing->deadline = now.steady + kRunEndsWithin;
}

void Restarter::settle_preparation(Parts& parts, Now now) {
  auto& preparing = std::get<Preparing>(state_);
  if (!preparing.answer || (parts.checkpointer.running() && now.steady < preparing.deadline)) return;
  const view::PrepareRestartAnswer& answer = *preparing.answer;
  // Much may have changed since it was considered.
  RestartVerdict verdict = judge(parts, now);
  if (verdict.kind == RestartVerdict::Kind::go && !answer.safe) {
    const auto why = policy::forbids_unprepared(parts.settings.rules.restart, answer.replay_estimate_seconds);
    auto held = answer.blockers;
    std::erase_if(held, [](Blocker blocker) { return !policy::traits(blocker).holds_a_restart; });
    if (!held.empty()) {
      verdict = {RestartVerdict::Kind::wait, std::move(held), answer.message};
    } else if (why) {
      verdict = {RestartVerdict::Kind::refuse, {}, "it could not be prepared, and " + *why + ": " + answer.message};
    }
  }
  if (verdict.kind == RestartVerdict::Kind::go) {
    state_ = Locking{std::move(preparing.plan)};  // from here on no checkpoint starts
    parts.effects.emplace_back(TakeLock{});
  } else if (verdict.kind == RestartVerdict::Kind::wait && !verdict.blockers.empty()) {
    hold(parts, verdict, now);
  } else {
    give_up(parts, RestartStep::refused, verdict.explanation, now);
  }
}

void Restarter::locked(Parts& parts, Result<HeldLock> lock, Now now) {
  if (auto* starting = std::get_if<Starting>(&state_)) {
    if (lock) starting->lock = *std::move(lock);
    return;
  }
  auto* locking = std::get_if<Locking>(&state_);
  if (locking == nullptr) return;
  if (!lock) return give_up(parts, RestartStep::refused, lock.error().message, now);
  const auto& sample = parts.wal.sample();
  const auto& server = parts.server.facts();
  const RestartStart start{now.wall, locking->plan, sample != nullptr ? sample->pending : wal::Extent{},
                           server ? server->process_id : std::string(), std::nullopt};
  const policy::Memory before = parts.memory;
  parts.memory = policy::after_restart_begun(std::move(parts.memory), now.wall);
  if (!parts.keep_memory() || !parts.ledger.keep(kBegunKey, to_text(start))) {
    parts.memory = before;
    return give_up(parts, RestartStep::refused,
                   "that it was made can't be kept, so restart.max_per_day would not hold: free space for "
                   "--state.directory, or make it writable",
                   now);
  }
  tell(parts, RestartStep::restarting, start.plan, {{"pending", extent(start.pending)}}, now);
  parts.ledger.log()->warn("Restarting InfluxDB: {} [{}]", start.plan, parts.settings.name);
  state_ = Acting{start, now.steady, *std::move(lock)};
  parts.effects.emplace_back(RestartInfluxdb{});
}

void Restarter::restarted(Parts& parts, const Result<std::string>& done, Now now) {
  auto* acting = std::get_if<Acting>(&state_);
  if (acting == nullptr) return;
  parts.server.restarted(now);
  if (!done && done.error().kind == ErrorKind::cancelled) return leave(parts, false, done.error().message, now);
  if (!done) return end(parts, RestartStep::failed, done.error().message, false, {}, now);
  ++restarts_;
  tell(parts, RestartStep::restarted, *done, {{"took_seconds", to_seconds(now.steady - acting->begun)}}, now);
  Starting starting;
  starting.start = std::move(acting->start);
  starting.start.done = *done;
  starting.begun = acting->begun;
  starting.deadline = acting->begun + parts.settings.rules.restart.ready_timeout;
  starting.acted = now.wall;
  starting.answers = parts.server.answers();
  starting.lock = std::move(acting->lock);
  parts.ledger.keep(kBegunKey, to_text(starting.start));  // where it can't be, the next says: not known
  state_ = std::move(starting);
  if (parts.stopping) stop(parts, now);
}

// InfluxDB opens its port when the replay is done; then what is pending is compared.
void Restarter::step_starting(Parts& parts, Now now) {
  auto& starting = std::get<Starting>(state_);
  if (!starting.up_at) {
    const bool up = parts.server.is_up() && (parts.server.facts()->asked_at >= starting.acted ||
                                             parts.server.answers() >= starting.answers + 2);
    if (up) {
      starting.up_at = now.steady;
      starting.sample = parts.ask_for_sample();
      starting.sample_deadline = now.steady + kFreshSampleWithin;
    } else if (now.steady < starting.deadline) {
      return;
    } else {
      const Duration elapsed = now.steady - starting.begun;
      return end(parts, RestartStep::failed,
                 "InfluxDB is not up " + format_duration_rough(elapsed) + " after the restart began: " +
                     (parts.server.facts() ? parts.server.error() : std::string("it has not answered yet")) +
                     "; check its log now",
                 false, {{"took_seconds", to_seconds(elapsed)}, {"pending_before", extent(starting.start.pending)}},
                 now);
    }
  }
  if (awaits_sample(parts, starting.sample) && now.steady < starting.sample_deadline) return;
  conclude(parts, starting, now);
}

void Restarter::conclude(Parts& parts, Starting& starting, Now now) {
  const RestartStart& start = starting.start;
  const Duration elapsed = *starting.up_at - starting.begun;
  Json more{{"took_seconds", to_seconds(elapsed)}, {"pending_before", extent(start.pending)}};
  std::string summary = "InfluxDB is up again " + format_duration_rough(elapsed) +
                        " after the restart began; pending: " + wal::extent_text(start.pending) + " before";
  if (is_fresh(parts, now)) {
    summary += ", " + wal::extent_text(parts.wal.sample()->pending) + " now";
    more["pending_after"] = extent(parts.wal.sample()->pending);
  }
  const std::string& process_id = parts.server.facts()->process_id;
  const bool known = !start.process_id.empty() && !process_id.empty();
  if (known) more["new_process"] = process_id != start.process_id;
  if (known && process_id == start.process_id) {
    return end(parts, RestartStep::failed,
               "InfluxDB answers, but it is the same process as before: " + start.done.value_or(start.plan), false,
               std::move(more), now);
  }
  if (!start.done && !known) {
    return end(parts, RestartStep::failed,
               "InfluxDB answers, but this exporter was ended while it restarted it (" + start.plan +
                   "), so whether that came to its end is not known; check InfluxDB's log; " + summary,
               false, std::move(more), now);
  }
  parts.ledger.log()->info("Restart completed: {} [{}]", summary, parts.settings.name);
  end(parts, RestartStep::ready, summary, true, std::move(more), now);
}

void Restarter::stop(Parts& parts, Now now) {
  if (std::holds_alternative<Checking>(state_) || std::holds_alternative<Acting>(state_)) {
    parts.effects.emplace_back(StopRestart{});
  }
  if (auto* starting = std::get_if<Starting>(&state_)) {
    if (starting->up_at) return conclude(parts, *starting, now);  // by the last sample
    return leave(parts, starting->start.done.has_value(),
                 starting->start.done.value_or(starting->start.plan) +
                     "; this exporter stopped before InfluxDB was seen up again",
                 now);
  }
  if (!std::holds_alternative<Acting>(state_)) state_ = Idle{};
}

void Restarter::tell(Parts& parts, RestartStep step, const std::string& summary, Json more, Now now) {
  Json detail{{"step", to_string(step)}};
  const std::string method = restart_view_of(parts.settings, parts.memory, now.wall).method;
  if (!method.empty()) detail["method"] = method;
  detail["message"] = summary;
  for (const auto& [key, value] : more.items()) detail[key] = value;
  parts.ledger.tell(events::Type::restart, severity_of(step),
                    "restart " + std::string(to_string(step)) + ": " + summary, std::move(detail),
                    parts.wal.sample().get(), now.wall);
}

void Restarter::hold(Parts& parts, const RestartVerdict& verdict, Now now) {
  Waiting waiting{verdict.blockers, verdict.explanation};
  std::erase_if(waiting.blockers, is_passing);
  state_ = std::move(waiting);
  tell(parts, RestartStep::refused, "not now, but when this ends: " + verdict.explanation,
       {{"waits", true}, {"blockers", policy::names(verdict.blockers)}}, now);
}

void Restarter::end(Parts& parts, RestartStep step, const std::string& summary, bool success, Json more, Now now) {
  tell(parts, step, summary, std::move(more), now);
  if (step == RestartStep::failed) {
    ++failures_;
    parts.ledger.log()->error("Restart failed: {} [{}]", summary, parts.settings.name);
  }
  keep_result(parts, success, summary, now);
  if (std::holds_alternative<Acting>(state_) || std::holds_alternative<Starting>(state_)) {
    parts.ledger.keep(kBegunKey, "");
  }
  state_ = Idle{};
}

void Restarter::give_up(Parts& parts, RestartStep step, const std::string& summary, Now now) {
  parts.memory = policy::after_restart_settled(std::move(parts.memory));
  end(parts, step, summary, false, {}, now);
}

void Restarter::leave(Parts& parts, bool success, const std::string& summary, Now now) {
  parts.ledger.log()->warn("The restart is not seen to its end: {} [{}]", summary, parts.settings.name);
  keep_result(parts, success, summary, now);
  state_ = Idle{};
}

void Restarter::keep_result(Parts& parts, bool success, const std::string& summary, Now now) {
  last_ = view::RestartView::Result{now.wall, success, summary};
  parts.ledger.keep(kResultKey, to_text(*last_));
}

view::RestartView Restarter::view_of(const Parts& parts, Now now) const {
  view::RestartView out = restart_view_of(parts.settings, parts.memory, now.wall);
  out.last = last_;
  if (std::holds_alternative<Idle>(state_) || std::holds_alternative<Waiting>(state_)) {
    out.state = parts.memory.restart_waits ? view::RestartState::waiting : view::RestartState::idle;
  } else if (std::holds_alternative<Checking>(state_) || std::holds_alternative<Preparing>(state_)) {
    out.state = view::RestartState::preparing;
  } else {
    out.state = is_acting() ? view::RestartState::restarting : view::RestartState::starting;
  }
  return out;
}

std::optional<std::string> Restarter::advice(const Parts& parts) const {
  const auto* waiting = std::get_if<Waiting>(&state_);
  const bool idle = waiting != nullptr || std::holds_alternative<Idle>(state_);
  if (parts.health.health() != Health::critical || !parts.memory.restart_considered || !idle) return std::nullopt;
  if (parts.memory.restart_waits) {
    if (waiting == nullptr) return std::nullopt;
    return "The restart of InfluxDB is held back: " + waiting->why;
  }
  if (parts.settings.rules.restart.enabled) {
    if (!last_ || last_->success) return std::nullopt;
    return "The exporter did not restart InfluxDB: " + last_->message;
  }
  if (parts.server.is_node()) return std::nullopt;  // it would empty nothing
  return "A restart of InfluxDB is worth considering: prepare it with --prepare-restart, or let the exporter do it "
         "(restart.enabled)";
}

void Restarter::count_into(view::Counters& counters) const {
  counters.restarts = restarts_;
  counters.restart_failures = failures_;
}

}  // namespace wal_exporter::control
