// The part of Target that starts, follows and ends checkpoints.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>
#include <utility>

#include "app/method.h"
#include "app/target.h"
#include "base/bytes.h"
#include "state/lock.h"
#include "view/json.h"

namespace wal_exporter::app {
namespace {

using influxdb::OutcomeKind;
using policy::Health;
using policy::Reason;

constexpr Duration kFreshLook = std::chrono::seconds(10);
constexpr std::uint64_t kSmallShard = kMiB;
constexpr std::size_t kRunsKept = 100;

double random_jitter() {
  std::random_device device;
  return std::uniform_real_distribution<double>(-1, 1)(device);
}

}  // namespace

// Small shards are left alone where their number is not the trouble: in scheduled
// runs, and in warning or critical ones that size alone caused. If there are only
// small ones, leaving them alone would help nothing.
std::uint64_t Target::skip_below(Reason reason) const {
  const bool by_size = (reason == Reason::warning || reason == Reason::critical) && memory_.levels &&
                       memory_.levels->files == Health::healthy;
  if (reason == Reason::scheduled) return kSmallShard;
  if (!by_size || sample_ == nullptr) return 0;
  const bool any_large = std::any_of(sample_->shards.begin(), sample_->shards.end(),
                                     [](const wal::Shard& shard) { return shard.pending.bytes >= kSmallShard; });
  return any_large ? kSmallShard : 0;
}

void Target::start_run(Reason reason, std::optional<influxdb::NudgeMode> mode, const std::string& actor) {
  const Time now = services_.clock->now();
  // Nobody waits for an unasked run, so it goes by the boundary that has passed.
  NudgeRun nudge{mode.value_or(influxdb::NudgeMode::patient), !mode.has_value(), node_.rules,
                 [this](std::optional<std::uint64_t> file, Time time) { on_future_trigger(file, time); }};
  auto method = make_method(settings_, version_, std::move(nudge), source_, services_.clock, services_.log);
  if (method == nullptr) return;
  if (worker_.joinable()) worker_.join();  // has ended: running_ is unset

  memory_ = policy::after_start(std::move(memory_), now);
  view::CheckpointRun run;
  run.reason = reason;
  run.started = now;
  services_.log->info("Triggering checkpoint (reason: {})... [{}]", policy::to_string(reason), settings_.name);
  nlohmann::ordered_json detail{
      {"state", "started"}, {"reason", policy::to_string(reason)}, {"by", actor}, {"method", method->name()}};
  std::string summary = "checkpoint started (reason: " + std::string(policy::to_string(reason)) + ")";
  if (const auto planned = outlook(mode); planned && planned->plan) {
    summary += ": " + planned->plan->explanation;
    services_.log->info("{} [{}]", planned->plan->explanation, settings_.name);
  }
  run.id = emit(events::Type::checkpoint, events::Severity::info, summary, std::move(detail));
  running_ = run;
  remember();
  const influxdb::CheckpointRequest request{skip_below(reason)};
  worker_ = std::jthread(
      [this, run, request, method = std::move(method), source = source_](const std::stop_token& stop) mutable {
        execute(run, request, std::move(method), std::move(source), stop);
      });
}

// Kept at once: a restart of this process must not take it for the user's data.
void Target::on_future_trigger(std::optional<std::uint64_t> file, Time time) {
  const MutexLock lock(mutex_);
  memory_.own_trigger_file = file;
  memory_.own_trigger_time = time;
  remember();
}

void Target::execute(view::CheckpointRun run, influxdb::CheckpointRequest request,
                     std::unique_ptr<influxdb::CheckpointMethod> method, std::shared_ptr<wal::WalSource> source,
                     const std::stop_token& stop) {
  influxdb::Outcome outcome;
  {
    const auto lock = state::TargetLock::acquire(services_.state_directory, settings_.name);
    if (lock) {
      outcome = method->run(request, stop);
    } else {
      outcome.kind = lock.error().kind == ErrorKind::conflict ? OutcomeKind::busy : OutcomeKind::failed;
      outcome.message = lock.error().message;
      outcome.started = run.started;
    }
  }
  // Even a stopped run is judged by what the WAL shows.
  auto after = source->look({});
  end_run(std::move(run), std::move(outcome), std::move(after), stop.stop_requested());
}

void Target::end_run(view::CheckpointRun run, influxdb::Outcome outcome,
                     Result<std::shared_ptr<const wal::Sample>> after, bool stopped) {
  const MutexLock lock(mutex_);
  const Time now = services_.clock->now();
  run.ended = now;

  policy::Ended ended;
  ended.reason = run.reason;
  ended.success = outcome.kind == OutcomeKind::succeeded || outcome.kind == OutcomeKind::no_op;
  ended.neutral = outcome.kind == OutcomeKind::busy;
  // Busy: what was done, somebody else did.
  ended.did_nothing = outcome.kind == OutcomeKind::no_op || outcome.kind == OutcomeKind::busy;
  const wal::Sample* judged = after ? after->get() : sample_.get();
  ended.still_critical =
      judged != nullptr &&
      policy::judge(judged->pending, policy::resolve(rules_.thresholds, *judged)).worse() == Health::critical;
  // That we were stopped says nothing about InfluxDB.
  if (!stopped || ended.success) memory_ = policy::after_end(rules_, std::move(memory_), ended, now, random_jitter());

  ++counters_.checkpoints[{run.reason, outcome.kind}];
  counters_.checkpoint_duration.observe(to_seconds(outcome.took));
  counters_.reclaimed += outcome.reclaimed;
  if (outcome.kind == OutcomeKind::succeeded) history_.clear();
  if (outcome.kind == OutcomeKind::succeeded) {
    services_.log->info("Checkpoint completed successfully: {} [{}]", outcome.message, settings_.name);
  } else {
    services_.log->log(ended.success ? spdlog::level::info : spdlog::level::err, "Checkpoint {}: {} [{}]",
                       influxdb::to_string(outcome.kind), outcome.message, settings_.name);
  }
  const std::string summary = "checkpoint " + std::string(influxdb::to_string(outcome.kind)) + ": " + outcome.message;
  run.outcome = std::move(outcome);
  nlohmann::ordered_json detail = view::to_json(run);
  detail["state"] = "ended";
  // What the checkpoint left; the target's own sample is still the one before.
  if (after) detail["sample"] = view::event_sample_json(**after);
  emit(events::Type::checkpoint, ended.success || ended.neutral ? events::Severity::info : events::Severity::warning,
       summary, std::move(detail));

  running_.reset();
  if (!ended.did_nothing) last_run_ = run;
  ended_.push_back(std::move(run));
  if (ended_.size() > kRunsKept) ended_.pop_front();
  if (after) {
    take_look(Look{0, *std::move(after), judged->took, version_, source_, {}});
  }
  if (!stopping_) decision_ = policy::decide(rules_, memory_, situation(std::nullopt));
  remember();
  publish();
  changed_.notify_all();
}

view::CheckpointAnswer Target::no_op(const view::CheckpointCommand& command) {
  ++counters_.checkpoints[{command.reason, OutcomeKind::no_op}];
  const std::string message = "Nothing to do: no WAL data is pending";
  emit(
      events::Type::checkpoint, events::Severity::info, "checkpoint no_op: nothing is pending",
      {{"state", "ended"}, {"reason", policy::to_string(command.reason)}, {"outcome", "no_op"}, {"by", command.actor}});
  publish();
  view::CheckpointAnswer answer;
  answer.state = view::CheckpointAnswer::State::no_op;
  answer.timestamp = services_.clock->now();
  answer.message = message;
  return answer;
}

view::CheckpointAnswer Target::refuse(const view::CheckpointCommand& command, const policy::Decision& decision) {
  record("decision", "refused: " + decision.explanation, nlohmann::ordered_json{{"by", command.actor}}.dump());
  view::CheckpointAnswer answer;
  answer.state = view::CheckpointAnswer::State::blocked;
  answer.blockers = decision.blockers;
  answer.message = "No checkpoint was started: " + decision.explanation;
  answer.timestamp = services_.clock->now();
  return answer;
}

bool Target::is_fresh() const {
  return !policy::is_stale(rules_, sample_.get(), services_.clock->now()) && error_.empty();
}

void Target::wait_for_fresh_look(SteadyTime deadline) {
  const std::uint64_t wanted = sampler_->request();
  const auto waits = [&]() WAL_EXPORTER_NO_ANALYSIS {
    const bool unanswered = !settings_.influxdb.url.empty() && !server_;
    return looks_ < wanted || unanswered || (version_.empty() && change_seen_);
  };
  while (waits() && !stopping_ && services_.clock->steady() < deadline) {
    services_.clock->wait_until(changed_, mutex_, deadline);
  }
}

void Target::wait_for_end(std::int64_t id, SteadyTime deadline) {
  while (running_ && running_->id == id && services_.clock->steady() < deadline) {
    services_.clock->wait_until(changed_, mutex_, deadline);
  }
}

view::CheckpointAnswer Target::checkpoint(const view::CheckpointCommand& command) {
  using State = view::CheckpointAnswer::State;
  const MutexLock lock(mutex_);
  view::CheckpointAnswer answer;
  const auto finish = [&](State state, std::string message) {
    answer.state = state;
    answer.message = std::move(message);
    answer.timestamp = services_.clock->now();
    return answer;
  };
  const auto mode = command.at_once ? influxdb::NudgeMode::at_once : influxdb::NudgeMode::patient;

  // A fresh look first: what is pending decides between no_op and the blockers.
  if (!running_ && !stopping_) wait_for_fresh_look(services_.clock->steady() + kFreshLook);
  if (stopping_) {
    return finish(State::gone, "The exporter is shutting down or its settings for this target have changed");
  }
  const policy::Decision decision =
      policy::decide_on_request(rules_, memory_, situation(mode), command.reason, command.override_soft);
  if (running_) return refuse(command, decision);
  if (is_fresh() && sample_->pending.files == 0) return no_op(command);
  if (decision.action != policy::Action::checkpoint) return refuse(command, decision);
  start_run(command.reason, mode, command.actor);
  if (!running_) return finish(State::gone, "The checkpoint could not be started");
  const std::int64_t id = running_->id;
  publish();
  wait_for_end(id, services_.clock->steady() + command.wait);
  if (running_ && running_->id == id) {
    answer.run = running_;
    return finish(State::running, "The checkpoint is running");
  }
  for (const view::CheckpointRun& run : ended_) {
    if (run.id == id) answer.run = run;
  }
  if (!answer.run) return finish(State::gone, "The outcome of the checkpoint is no longer known; see the history");
  return finish(State::ended, answer.run->outcome->message);
}

}  // namespace wal_exporter::app
