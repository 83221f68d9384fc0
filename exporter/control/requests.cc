#include "control/requests.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/text.h"
#include "control/parts.h"
#include "control/situation.h"

namespace wal_exporter::control {
namespace {

using influxdb::NudgeMode;
using influxdb::OutcomeKind;
using policy::Blocker;
using policy::Reason;
using CheckpointState = view::CheckpointAnswer::State;
using AlertState = view::AlertAnswer::State;

constexpr const char* kAlertsKey = "alerts";
constexpr const char* kNotStarted = "No checkpoint was started";

view::CheckpointAnswer checkpoint_answer(CheckpointState state, std::string message, Now now) {
  view::CheckpointAnswer answer;
  answer.state = state;
  answer.message = std::move(message);
  answer.timestamp = now.wall;
  return answer;
}

Result<view::AlertAnswer> alert_answer(const Result<view::CheckpointAnswer>& done) {
  if (!done) return tl::unexpected(done.error());
  view::AlertAnswer answer{AlertState::started, policy::explain(done->message, done->blockers),
                           policy::without_why(done->blockers), std::nullopt};
  if (done->run) answer.run_id = done->run->id;
  if (done->state == CheckpointState::blocked) answer.state = AlertState::blocked;
  if (done->state == CheckpointState::no_op) answer.state = AlertState::no_op;
  return answer;
}

// `left`: what a restart would replay; nullptr: not known.
view::PrepareRestartAnswer prepared(bool safe, std::string message, const wal::Sample* left,
                                    const policy::ForecastRules& rules, Now now) {
  view::PrepareRestartAnswer answer;
  answer.safe = safe;
  answer.timestamp = now.wall;
  answer.message = std::move(message);
  if (left == nullptr) return answer;
  answer.pending = left->pending;
  answer.kept_open = left->kept_open;
  answer.replay_estimate_seconds = policy::replay_estimate(rules, left->replayed().bytes);
  if (left->pending.files > 0) answer.message += "; " + wal::extent_text(left->pending) + " left";
  if (left->kept_open.files > 0) {
    answer.message +=
        "; " + wal::extent_text(left->kept_open) + " persisted, but kept open by InfluxDB, so replayed once more";
  }
  answer.message += "; replay takes " + policy::replay_text(*answer.replay_estimate_seconds);
  return answer;
}

// What makes a restart lose data, or the server, whatever a checkpoint has persisted.
std::optional<wal::Finding> unsafe_finding(const wal::Sample& sample, const wal::ServerTraits& server) {
  const auto findings = wal::findings_of(sample, server);
  if (findings.empty() || findings.front().effect < wal::Effect::skipped) return std::nullopt;
  return findings.front();
}

// What forbids no restart, and whoever makes one should know; empty: nothing.
std::string remarks(const wal::Sample* sample, const wal::ServerTraits& server) {
  std::string out;
  if (sample == nullptr) return out;
  for (const wal::Finding& finding : wal::findings_of(*sample, server)) {
    if (finding.effect == wal::Effect::doubtful) out += "; but " + describe(finding, server);
  }
  return out;
}

// Why nobody can say what a restart would replay; empty: all was counted.
std::string uncounted(const wal::Sample* sample) {
  if (sample == nullptr || sample->uncounted.folders == 0) return {};
  if (sample->uncounted.all) {
    return "what a restart would replay is not known: " + sample->uncounted.first;
  }
  const std::uint64_t folders = sample->uncounted.folders;
  return count_of(folders, "folder") +
         " of the WAL could not be counted, and a restart replays what lies there: " + sample->uncounted.first;
}

// When all that holds it back is over; nullopt: not by time alone.
std::optional<SteadyTime> end_of_waits(const std::vector<policy::Blocked>& blockers, Now now) {
  SteadyTime end = now.steady;
  for (const policy::Blocked& blocked : blockers) {
    if (!blocked.until) return std::nullopt;
    end = std::max(end, now.steady + (*blocked.until - now.wall));
  }
  return end;
}

bool is_running(const Parts& parts, std::int64_t id) {
  const auto& running = parts.checkpointer.running();
  return running && running->id == id;
}

}  // namespace

Requests::Requests(Ledger& ledger) {
  if (const auto stored = ledger.kept(kAlertsKey)) alerts_ = AlertLedger::from_text(*stored);
}

void Requests::await_sample(Parts& parts, Waiting& waiting, SteadyTime deadline) {
  waiting.phase = Phase::sample;
  waiting.deadline = deadline;
  if (!parts.stopping && !parts.checkpointer.running()) {
    waiting.sample = parts.ask_for_sample();
  } else {
    waiting.deadline = SteadyTime::min();  // by what is known
  }
}

std::uint64_t Requests::checkpoint(Parts& parts, view::CheckpointCommand command, Now now) {
  Waiting waiting;
  waiting.number = ++last_;
  waiting.command = std::move(command);
  // What is pending decides between no_op and the blockers.
  await_sample(parts, waiting, now.steady + kFreshSampleWithin);
  waiting_.push_back(std::move(waiting));
  return last_;
}

std::uint64_t Requests::prepare_restart(Parts& parts, view::PrepareRestartCommand command, Asker asker, Now now) {
  Waiting waiting;
  waiting.number = ++last_;
  waiting.asker = asker;
  waiting.max_until = now.steady + command.max_wait;
  waiting.command = std::move(command);
  if (parts.checkpointer.running()) {
    waiting.phase = Phase::other_run;
    waiting.run = parts.checkpointer.running()->id;
    waiting.deadline = waiting.max_until;
  } else {
    await_sample(parts, waiting, std::max(waiting.max_until, now.steady + kFreshSampleWithin));
  }
  waiting_.push_back(std::move(waiting));
  return last_;
}

std::uint64_t Requests::alert(Parts& parts, const view::AlertCommand& command, Now now) {
  std::vector<std::string> unserved = alerts_.missing(command.instances);
  if (unserved.empty()) {
    parts.effects.emplace_back(Reply{
        ++last_, view::AlertAnswer{
                     AlertState::already_served, "each of these alerts has had its checkpoint", {}, std::nullopt}});
    return last_;
  }
  // A person's request is tried all the same; an alert is sent again.
  if (parts.server.is_down()) {
    parts.effects.emplace_back(Reply{++last_, view::AlertAnswer{AlertState::blocked,
                                                                "InfluxDB does not answer: " + parts.server.error(),
                                                                {Blocker::server_unreachable},
                                                                std::nullopt}});
    return last_;
  }
  view::CheckpointCommand wanted;
  wanted.target = command.target;
  wanted.reason = Reason::alert;
  wanted.wait = Duration::zero();
  wanted.actor = "alert " + escape_control(command.alert);
  const std::uint64_t number = checkpoint(parts, std::move(wanted), now);
  waiting_.back().asker = Asker::alert;
  waiting_.back().alerts = std::move(unserved);
  return number;
}

void Requests::answer(Parts& parts, Now now) {
  std::erase_if(waiting_, [&](Waiting& waiting) { return advance(parts, waiting, now); });
}

bool Requests::awaits_checkpoint() const {
  return std::any_of(waiting_.begin(), waiting_.end(), [](const Waiting& waiting) {
    return waiting.phase == Phase::sample && waiting.asker != Asker::own_restart;
  });
}

SteadyTime Requests::next() const {
  SteadyTime next = SteadyTime::max();
  for (const Waiting& waiting : waiting_) next = std::min(next, waiting.deadline);
  return next;
}

bool Requests::advance(Parts& parts, Waiting& waiting, Now now) {
  if (const auto* checkpoint = std::get_if<view::CheckpointCommand>(&waiting.command)) {
    return advance_checkpoint(parts, waiting, *checkpoint, now);
  }
  return advance_preparation(parts, waiting, std::get<view::PrepareRestartCommand>(waiting.command), now);
}

bool Requests::advance_checkpoint(Parts& parts, Waiting& waiting, const view::CheckpointCommand& command, Now now) {
  const bool late = now.steady >= waiting.deadline;
  if (waiting.phase == Phase::sample) {
    if (parts.stopping) {
      reply(parts, waiting,
            failure(ErrorKind::cancelled, "The exporter is shutting down or its settings for this target have changed"),
            now);
      return true;
    }
    if (!late && awaits_sample(parts, waiting.sample)) return false;
    const auto mode = command.at_once ? NudgeMode::at_once : NudgeMode::patient;
    const policy::Decision decision =
        policy::decide_on_request(parts.server.rules(), parts.memory, situation_of(parts, waiting.asker, mode, now),
                                  command.reason, command.override_soft);
    const bool running = parts.checkpointer.running().has_value();
    if (!running && is_fresh(parts, now) && parts.wal.sample()->pending.files == 0 && planned_rewrites(parts).empty()) {
      parts.checkpointer.tell_no_op(parts, command.reason, command.actor, now);
      reply(parts, waiting, checkpoint_answer(CheckpointState::no_op, "Nothing to do: no WAL data is pending", now),
            now);
      return true;
    }
    if (running || decision.action != policy::Action::checkpoint) {
      auto blockers = policy::without_why(decision.blockers);
      if (waiting.alerts.empty() || std::exchange(alert_refused_by_, blockers) != blockers) {
        parts.ledger.note("decision", "refused: " + decision.explanation(),
                          nlohmann::ordered_json{{"by", command.actor}}.dump(), now.wall);
      }
      auto answer = checkpoint_answer(CheckpointState::blocked, kNotStarted, now);
      answer.blockers = decision.blockers;
      reply(parts, waiting, std::move(answer), now);
      return true;
    }
    if (!waiting.alerts.empty()) alert_refused_by_.clear();
    waiting.run =
        parts.checkpointer.begin(parts, command.reason, waiting.asker, mode, command.actor, decision.passed_over, now);
    waiting.phase = Phase::own_run;
    waiting.deadline = now.steady + command.wait;
  }
  if (is_running(parts, waiting.run) && now.steady < waiting.deadline) return false;
  view::CheckpointAnswer answer;
  answer.timestamp = now.wall;
  answer.run = parts.checkpointer.find(waiting.run);
  if (is_running(parts, waiting.run)) {
    answer.state = CheckpointState::running;
    answer.message = "The checkpoint is running";
  } else if (answer.run) {
    answer.state = CheckpointState::ended;
    answer.message = answer.run->outcome->message;
  } else {
    reply(parts, waiting,
          failure(ErrorKind::unavailable, "The outcome of the checkpoint is no longer known; see the history"), now);
    return true;
  }
  reply(parts, waiting, std::move(answer), now);
  return true;
}

bool Requests::advance_preparation(Parts& parts, Waiting& waiting, const view::PrepareRestartCommand& command,
                                   Now now) {
  if (waiting.phase == Phase::other_run || waiting.phase == Phase::wait) {
    const bool waits = waiting.phase == Phase::wait || is_running(parts, waiting.run);
    if (waits && !parts.stopping && now.steady < waiting.deadline) return false;
    await_sample(parts, waiting, std::max(waiting.max_until, now.steady + kFreshSampleWithin));
  }
  if (waiting.phase == Phase::sample) {
    if (!parts.stopping && now.steady < waiting.deadline && awaits_sample(parts, waiting.sample)) return false;
    if (auto answer = prepare(parts, waiting, command, now)) {
      reply(parts, waiting, *std::move(answer), now);
      return true;
    }
    if (waiting.phase != Phase::own_run) return false;
  }
  if (is_running(parts, waiting.run)) {
    if (now.steady < waiting.deadline) return false;
    parts.effects.emplace_back(StopCheckpoint{});
    reply(parts, waiting,
          prepared(false, "Not safe: the checkpoint did not end within max_wait and is being stopped",
                   parts.wal.sample().get(), parts.settings.forecast, now),
          now);
    return true;
  }
  const auto run = parts.checkpointer.find(waiting.run);
  const bool done =
      run && run->outcome && (run->outcome->kind == OutcomeKind::succeeded || run->outcome->kind == OutcomeKind::no_op);
  std::string said = run && run->outcome ? run->outcome->message : std::string("no outcome is known");
  const wal::ServerTraits& server = parts.server.rules().server;
  const auto found = parts.wal.sample() == nullptr ? std::nullopt : unsafe_finding(*parts.wal.sample(), server);
  if (found) said += "; " + describe(*found, server);
  const std::string missed = uncounted(parts.wal.sample().get());
  if (!missed.empty()) said += "; " + missed;
  const auto failing = std::find_if(parts.shards.entries.begin(), parts.shards.entries.end(),
                                    [](const auto& one) { return one.second.state == wal::ShardState::pending; });
  const bool persisted = failing == parts.shards.entries.end();
  if (!persisted) said += "; the snapshot of shard " + policy::name_of(failing->first) + " fails";
  const bool safe = done && !found && persisted && missed.empty();
  if (safe) said += remarks(parts.wal.sample().get(), server);
  auto answer = prepared(safe, (safe ? "Safe to restart: " : "Not safe: ") + said, parts.wal.sample().get(),
                         parts.settings.forecast, now);
  answer.run = run;
  reply(parts, waiting, std::move(answer), now);
  return true;
}

std::optional<view::PrepareRestartAnswer> Requests::prepare(Parts& parts, Waiting& waiting,
                                                            const view::PrepareRestartCommand& command, Now now) {
  const wal::Sample* sample = parts.wal.sample().get();
  const auto answer = [&](bool safe, std::string message, const wal::Sample* left, std::vector<Blocker> blockers = {}) {
    auto out = prepared(safe, std::move(message), left, parts.settings.forecast, now);
    out.blockers = std::move(blockers);
    return out;
  };
  if (parts.stopping) return answer(false, "Not safe: the exporter is shutting down", nullptr);
  if (const auto& running = parts.checkpointer.running()) {
    if (now.steady >= waiting.max_until) {
      return answer(false, "Not safe: a checkpoint is still running", sample, {Blocker::in_flight});
    }
    waiting.phase = Phase::other_run;
    waiting.run = running->id;
    waiting.deadline = waiting.max_until;
    return std::nullopt;
  }
  if (!is_fresh(parts, now)) {
    return answer(
        false,
        "Not safe: there is no current sample of the WAL" + (parts.wal.error().empty() ? "" : ": " + parts.wal.error()),
        nullptr, {Blocker::sample_stale});
  }
  const wal::ServerTraits& server = parts.server.rules().server;
  const auto found = unsafe_finding(*sample, server);
  // A checkpoint is the cure of some; only after it the WAL tells whether it helped.
  if (found && !found->is_cured_by_checkpoint && found->effect >= wal::Effect::ends_at_write) {
    return answer(false, "Not safe: " + describe(*found, server), sample);
  }
  if (const std::string& why = parts.server.node().not_measured; !why.empty()) {
    return answer(false, "Not safe: " + why, sample);
  }
  if (parts.vanish.standing()) return answer(false, "Not safe: " + parts.vanish.text(), sample);
  const std::optional<policy::OwnTrigger> trigger = own_trigger_of(parts.memory);
  const bool ours_alone = std::all_of(sample->periods.begin(), sample->periods.end(),
                                      [&](const wal::Period& period) { return policy::is_own(trigger, period); });
  const std::string missed = uncounted(sample);
  const bool rewrites = !planned_rewrites(parts).empty();
  if (sample->pending.files == 0 && !rewrites) {
    // Nothing that a checkpoint could still save.
    if (found) return answer(false, "Not safe: " + describe(*found, server), sample);
    return missed.empty() ? answer(true, "Safe to restart: nothing is pending" + remarks(sample, server), sample)
                          : answer(false, "Not safe: " + missed, sample);
  }
  if (!sample->periods.empty() && ours_alone && missed.empty() && !found) {
    return answer(true, "Safe to restart: nothing but the last nudge's own point is pending" + remarks(sample, server),
                  sample);
  }

  policy::Situation situation = situation_of(parts, waiting.asker, NudgeMode::at_once, now);
  const auto nudge = outlook_of(parts, waiting.asker, NudgeMode::at_once, now);
  const Duration left = std::max(waiting.max_until - now.steady, Duration::zero());
  if (nudge && nudge->plan && nudge->plan->duration > left) {
    situation.blockers.push_back({Blocker::too_long, std::to_string(nudge->plan->points) + " points take about " +
                                                         format_duration_rough(nudge->plan->duration) +
                                                         ", max_wait leaves " + format_duration_rough(left) +
                                                         "; allow more"});
  }
  if (command.in_any_window) {
    situation.outside_window.clear();
    situation.maintenance.clear();
  }
  const policy::Decision decision = policy::decide_on_request(parts.server.rules(), parts.memory, situation,
                                                              Reason::pre_restart, command.override_soft);
  if (decision.action != policy::Action::checkpoint) {
    if (const auto end = end_of_waits(decision.blockers, now); end && *end < waiting.max_until) {
      waiting.phase = Phase::wait;
      waiting.deadline = *end;
      return std::nullopt;
    }
    parts.ledger.note("decision", "restart not prepared: " + decision.explanation(),
                      nlohmann::ordered_json{{"by", command.actor}}.dump(), now.wall);
    return answer(false,
                  policy::explain("Not safe: no checkpoint was started", decision.blockers) +
                      (found ? "; " + describe(*found, server) : std::string()),
                  sample, policy::without_why(decision.blockers));
  }
  waiting.run = parts.checkpointer.begin(parts, Reason::pre_restart, waiting.asker, NudgeMode::at_once, command.actor,
                                         decision.passed_over, now);
  waiting.phase = Phase::own_run;
  waiting.deadline = waiting.max_until;
  return std::nullopt;
}

void Requests::reply(Parts& parts, const Waiting& waiting, Result<view::CheckpointAnswer> answer, Now now) {
  if (waiting.alerts.empty()) {
    parts.effects.emplace_back(Reply{waiting.number, std::move(answer)});
    return;
  }
  auto told = alert_answer(answer);
  if (told && (told->state == AlertState::started || told->state == AlertState::no_op)) {
    alerts_.add(waiting.alerts, now.wall);
    parts.ledger.keep(kAlertsKey, alerts_.to_text());
  }
  parts.effects.emplace_back(Reply{waiting.number, std::move(told)});
}

void Requests::reply(Parts& parts, const Waiting& waiting, view::PrepareRestartAnswer answer, Now now) {
  if (waiting.asker == Asker::own_restart) return parts.restarter.prepared(parts, std::move(answer), now);
  parts.effects.emplace_back(Reply{waiting.number, std::move(answer)});
}

}  // namespace wal_exporter::control
