#include "control/control.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/text.h"
#include "control/situation.h"

namespace wal_exporter::control {
namespace {

constexpr Duration kLongestIdle = std::chrono::seconds(30);

}  // namespace

Control::Control(const settings::Target& settings, Purpose purpose, std::shared_ptr<state::Store> store,
                 std::shared_ptr<events::Bus> bus, const Log& log, Now now)
    : parts_(settings, purpose == Purpose::serve, purpose == Purpose::judge_at_once,
             Ledger(settings.name, std::move(store), std::move(bus), log), now) {
  decide(now);
  told_decision_ = parts_.decision;  // that nothing is known at the start is no news
  parts_.checkpointer.take_up(parts_, now);
  parts_.restarter.take_up(parts_);
}

void Control::on_change(Now now) {
  // A sample is wanted already; files that come by the thousand cost no more.
  if (parts_.wal.change_seen()) return;
  parts_.wal.changed();
  settle(now);
}

void Control::on_sample(SampleTaken taken, Now now) {
  if (taken.sample) taken.sample = parts_.with_shards(*std::move(taken.sample), now);
  const bool shows_wal = parts_.wal.take(taken, now, *parts_.ledger.log(), parts_.settings.name);
  if (shows_wal) {
    parts_.server.found(taken.version, parts_.ledger, now);
    parts_.server.sampled(*parts_.wal.sample(), parts_.ledger, now);
    if (parts_.vanish.take(*parts_.wal.sample(), parts_.server, parts_.ledger)) parts_.server.ask_now(now);
    parts_.health.sampled();
  }
  if (parts_.wal.must_ask_again() && !parts_.stopping) parts_.ask_for_sample();
  settle(now);
}

void Control::on_answer(ServerAnswer answer, Now now) {
  const wal::ServerTraits before = parts_.server.rules().server;
  parts_.server.take(std::move(answer), parts_.ledger, now);
  if (parts_.vanish.answered(parts_.server, parts_.ledger)) parts_.server.ask_now(now);
  // What was found in the WAL means something else to this server.
  if (parts_.server.rules().server != before && parts_.wal.sample() != nullptr) parts_.health.sampled();
  // An empty directory takes the server's word for what it will be.
  if (parts_.server.version() == wal::Generation::unknown) parts_.wal.changed();
  settle(now);
}

void Control::on_run_ended(RunEnded ended, Now now) {
  parts_.checkpointer.end(parts_, std::move(ended), now);
  settle(now);
}

void Control::on_restart_checked(const Result<std::string>& plan, Now now) {
  parts_.restarter.checked(parts_, plan, now);
  settle(now);
}

void Control::on_restart_locked(Result<HeldLock> lock, Now now) {
  parts_.restarter.locked(parts_, std::move(lock), now);
  settle(now);
}

void Control::on_restarted(const Result<std::string>& done, Now now) {
  parts_.restarter.restarted(parts_, done, now);
  settle(now);
}

void Control::on_trigger(std::optional<std::uint64_t> file, Time time) {
  parts_.memory.own_trigger_file = file;
  parts_.memory.own_trigger_time = time;
  parts_.keep_memory();
}

std::uint64_t Control::checkpoint(view::CheckpointCommand command, Now now) {
  const std::uint64_t number = parts_.requests.checkpoint(parts_, std::move(command), now);
  settle(now);
  return number;
}

std::uint64_t Control::prepare_restart(view::PrepareRestartCommand command, Now now) {
  const std::uint64_t number = parts_.requests.prepare_restart(parts_, std::move(command), Asker::somebody, now);
  settle(now);
  return number;
}

std::uint64_t Control::alert(const view::AlertCommand& command, Now now) {
  const std::uint64_t number = parts_.requests.alert(parts_, command, now);
  settle(now);
  return number;
}

Result<view::PauseAnswer> Control::pause(const view::PauseCommand& command, Now now) {
  const std::string& name = parts_.settings.name;
  policy::Memory& memory = parts_.memory;
  view::PauseAnswer answer;
  answer.timestamp = now.wall;
  if (parts_.stopping) {
    return failure(ErrorKind::cancelled,
                   "The exporter is shutting down, or the settings of this target are being changed; try again");
  }
  if (command.length) {
    memory.paused_until = now.wall + *command.length;
    memory.paused_by = command.actor;
    answer.until = memory.paused_until;
    answer.message = "Actions on " + name + " are paused until " + format_time(*answer.until);
  } else {
    const bool was_paused = policy::paused_until(memory, now.wall).has_value();
    memory.paused_until.reset();
    memory.paused_by.clear();
    answer.message = "Actions on " + name + (was_paused ? " are resumed" : " were not paused");
  }
  // Nothing changes for who resumes what was not paused.
  const bool changes = command.length || answer.message.ends_with("resumed");
  parts_.ledger.log()->log(changes ? spdlog::level::warn : spdlog::level::info, "{} ({}) [{}]", answer.message,
                           policy::by_whom(command.actor), name);
  parts_.ledger.note(command.length ? "pause" : "resume", answer.message,
                     nlohmann::ordered_json{{"by", command.actor}}.dump(), now.wall);
  const bool kept = parts_.keep_memory();
  settle(now);
  if (kept) return answer;
  return failure(ErrorKind::unavailable,
                 answer.message + ", but that could not be kept: a restart of this exporter forgets it; see its log");
}

std::uint64_t Control::probe(Now now) {
  const std::uint64_t number = parts_.wal.current(now);
  settle(now);
  return number;
}

void Control::stop(Now now) {
  if (std::exchange(parts_.stopping, true)) return;
  if (parts_.checkpointer.running()) parts_.effects.emplace_back(StopCheckpoint{});
  parts_.restarter.stop(parts_, now);
  settle(now);
}

bool Control::has_ended() const {
  return parts_.stopping && !parts_.checkpointer.running() && !parts_.restarter.is_acting() && parts_.requests.empty();
}

void Control::close(Now now) {
  parts_.keep_memory();
  if (!parts_.acts_unasked) return;
  parts_.chart.keep(parts_.ledger, now);
  parts_.vanish.keep_look(parts_.wal, parts_.ledger, now);
}

// Samples and asks where it is time, judges, answers, decides, acts, and keeps.
void Control::settle(Now now) {
  const auto& sample = parts_.wal.sample();
  const bool clock_went_back = sample != nullptr && sample->taken_at > now.wall + std::chrono::seconds(1);
  if (!parts_.stopping && parts_.wal.is_due(now, is_stale(parts_, now) || clock_went_back)) parts_.ask_for_sample();
  if (!parts_.stopping && parts_.server.is_due(now)) {
    parts_.server.asked(now);
    parts_.effects.emplace_back(
        AskServer{parts_.server.version(), kept_open_shards(parts_), parts_.vanish.asks_for_start()});
  }
  judge(now);
  // Before the policy acts: who asked was first.
  parts_.requests.answer(parts_, now);
  if (!parts_.stopping) {
    decide(now);
    consider_restart(now);
    parts_.restarter.step(parts_, now);
    tell_decision(now);
    act(now);
  }
  parts_.keep_memory();
  if (!parts_.acts_unasked) return;
  parts_.chart.keep_now_and_then(parts_.ledger, now);
  parts_.vanish.keep_look_now_and_then(parts_.wal, parts_.ledger, now);
}

void Control::judge(Now now) {
  const bool stale = is_stale(parts_, now);
  std::optional<Judged> judged =
      parts_.health.judge(parts_.wal, parts_.server, parts_.vanish, parts_.memory, parts_.chart, now);
  parts_.health.explain(parts_.wal, parts_.server, parts_.memory, parts_.settings.forecast, stale, now);
  if (judged) {
    // What is told of the change says what holds a checkpoint back now, not a step ago.
    parts_.decision = policy::decide(parts_.server.rules(), parts_.memory,
                                     situation_of(parts_, Asker::nobody, influxdb::NudgeMode::patient, now));
    parts_.health.tell(*judged, parts_.wal, parts_.vanish, advice_of(parts_), foresight_of(parts_, now), parts_.ledger,
                       now);
  }
  // Nobody looks any more, which is no news.
  if (!stale || parts_.stopping) return;
  judged = parts_.health.lose(parts_.chart, now);
  if (!judged) return;
  parts_.ledger.log()->error("no successful sample of the WAL for {}; health is unknown [{}]",
                             format_duration_rough(now.wall - parts_.wal.sample()->taken_at), parts_.settings.name);
  parts_.health.tell(*judged, parts_.wal, parts_.vanish, {}, foresight_of(parts_, now), parts_.ledger, now);
}

void Control::decide(Now now) {
  const policy::Rules& rules = parts_.server.rules();
  policy::Memory& memory = parts_.memory;
  parts_.decision =
      policy::decide(rules, memory, situation_of(parts_, Asker::nobody, influxdb::NudgeMode::patient, now));
  memory = policy::after_decision(std::move(memory), parts_.decision, now.wall);
  if (policy::schedule_due(rules, memory, now.wall) && !is_stale(parts_, now) &&
      (!parts_.decision.reason || parts_.decision.action == policy::Action::checkpoint)) {
    memory = policy::after_schedule(std::move(memory), now.wall);
  }
}

void Control::consider_restart(Now now) {
  const auto why = policy::restart_consideration(parts_.server.rules(), parts_.memory, now.wall);
  if (!why || is_stale(parts_, now)) return;
  parts_.memory = policy::after_restart_considered(std::move(parts_.memory));
  ++restart_considerations_;
  nlohmann::ordered_json detail{{"why", *why}};
  std::string summary = *why;
  const auto& last = parts_.checkpointer.last();
  if (parts_.memory.critical_failures > 0 && last && last->outcome) {
    summary += "; the last checkpoint: " + std::string(influxdb::to_string(last->outcome->kind)) + ": " +
               last->outcome->message;
  }
  if (!parts_.decision.blockers.empty()) {
    const std::vector<std::string_view> names = policy::names(parts_.decision.blockers);
    summary += "; now blocked by " + join(names, ", ");
    detail["blockers"] = names;
  }
  detail["recommendations"] = advice_of(parts_);
  detail.update(foresight_of(parts_, now));
  parts_.ledger.log()->warn("Restart consideration: {} [{}]", summary, parts_.settings.name);
  parts_.ledger.tell(events::Type::restart_consideration, events::Severity::critical, summary, std::move(detail),
                     parts_.wal.sample().get(), now.wall);
  if (parts_.settings.rules.restart.enabled && parts_.acts_unasked) {
    parts_.memory = policy::after_restart_wanted(std::move(parts_.memory));
  }
}

// The audit has the decision before the act.
void Control::tell_decision(Now now) {
  const policy::Decision& decision = parts_.decision;
  if (decision.action == told_decision_.action && decision.reason == told_decision_.reason &&
      policy::names(decision.blockers) == policy::names(told_decision_.blockers)) {
    return;
  }
  told_decision_ = decision;
  nlohmann::ordered_json detail;
  detail["action"] = policy::to_string(decision.action);
  detail["reason"] = decision.reason ? nlohmann::ordered_json(policy::to_string(*decision.reason)) : nullptr;
  detail["blockers"] = policy::names(decision.blockers);
  parts_.ledger.note("decision", decision.explanation(), detail.dump(), now.wall);
}

void Control::act(Now now) {
  if (parts_.decision.action != policy::Action::checkpoint || !parts_.acts_unasked ||
      parts_.restarter.holds_checkpoints(Asker::nobody) || parts_.requests.awaits_checkpoint()) {
    return;
  }
  parts_.checkpointer.begin(parts_, *parts_.decision.reason, Asker::nobody, influxdb::NudgeMode::patient, "policy", {},
                            now);
}

SteadyTime Control::next(Now now) const {
  if (parts_.stopping) return std::min(now.steady + kLongestIdle, parts_.requests.next());
  const policy::Rules& rules = parts_.server.rules();
  const policy::Memory& memory = parts_.memory;
  SteadyTime next = std::min({now.steady + kLongestIdle, parts_.wal.next(now), parts_.server.next(),
                              parts_.requests.next(), parts_.restarter.next()});
  const auto at = [&](std::optional<Time> time) {
    if (time && *time > now.wall) next = std::min(next, now.steady + (*time - now.wall));
  };
  const auto& sample = parts_.wal.sample();
  if (sample != nullptr) at(sample->taken_at + 2 * rules.sample_interval + std::chrono::milliseconds(1));
  if (!parts_.health.judged() && !parts_.vanish.suspects())
    next = std::min(next, std::max(parts_.server.limits_deadline(), now.steady));
  at(policy::next_allowed(rules, memory, now.wall));
  at(shards_wait_until(parts_, now));
  at(memory.paused_until);
  at(policy::cooldown_until(rules, memory, now.wall));
  if (rules.schedule && memory.last_scheduled) at(*memory.last_scheduled + *rules.schedule);
  if (memory.blocked_since) at(*memory.blocked_since + rules.restart.after_blocked);
  // The boundary lets a nudge go, and changes what counts as the future.
  if (parts_.server.is_node())
    at(parts_.server.node().rules.next_multiple(parts_.server.clock(now)) - parts_.server.clock_offset(now));
  if (memory.files_over_since) at(*memory.files_over_since + rules.files_grace);
  return next;
}

}  // namespace wal_exporter::control
