#include "control/checkpointer.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/bytes.h"
#include "base/text.h"
#include "control/parts.h"
#include "control/situation.h"
#include "view/json.h"

namespace wal_exporter::control {
namespace {

using influxdb::OutcomeKind;
using policy::Health;
using policy::Reason;

constexpr std::uint64_t kSmallShard = kMiB;
constexpr std::size_t kRunsKept = 100;

// Small shards are left alone where their number is not the trouble: in scheduled
// runs, and in warning or critical ones that size alone caused. If there are only
// small ones, leaving them alone would help nothing.
std::uint64_t skip_below(const Parts& parts, Reason reason) {
  if (reason == Reason::scheduled) return kSmallShard;
  const bool by_size = (reason == Reason::warning || reason == Reason::critical) && parts.memory.levels &&
                       parts.memory.levels->files == Health::healthy;
  const wal::Sample* sample = parts.wal.sample().get();
  if (!by_size || sample == nullptr) return 0;
  // A shard whose snapshot fails is left alone, so it is not the one that helps.
  const bool any_large = std::any_of(sample->shards.begin(), sample->shards.end(), [&](const wal::Shard& shard) {
    return shard.pending.bytes >= kSmallShard && shard.state == wal::ShardState::pending &&
           !parts.shards.entries.contains(shard.key());
  });
  return any_large ? kSmallShard : 0;
}

std::vector<wal::ShardKey> left_alone(const Parts& parts, Asker asker, Now now) {
  const wal::Sample* sample = parts.wal.sample().get();
  if (sample == nullptr) return {};
  std::vector<wal::ShardKey> out = policy::left_alone(parts.shards, *sample, now.wall);
  // A person may have repaired what fails; and whoever may override the wait of failing shards does so.
  if (asker == Asker::somebody || shards_wait_until(parts, now)) {
    std::erase_if(out, [&](const wal::ShardKey& shard) {
      const auto found = parts.shards.entries.find(shard);
      return found != parts.shards.entries.end() && found->second.state == wal::ShardState::pending;
    });
  }
  return out;
}

// What the run showed of single shards. `after`: the WAL as it was read after it.
void remember_shards(Parts& parts, const influxdb::Outcome& outcome, const wal::Sample& after, Now now) {
  using influxdb::ShardEnd;
  policy::ShardBook& book = parts.shards;
  book.server_proven = book.server_proven || outcome.server_proven;
  for (const influxdb::ShardOutcome& one : outcome.shards) {
    if (one.end == ShardEnd::persisted) book = policy::after_persisted(std::move(book), one.shard);
    const auto found = std::find_if(after.shards.begin(), after.shards.end(),
                                    [&](const wal::Shard& shard) { return shard.key() == one.shard; });
    if (found == after.shards.end()) continue;
    switch (one.end) {
      case ShardEnd::orphaned: {
        const auto entry = book.entries.find(one.shard);
        const bool known = entry != book.entries.end() && entry->second.state == wal::ShardState::orphaned;
        book = policy::set_apart(std::move(book), *found, wal::ShardState::orphaned, one.message, now.wall);
        if (known) break;
        parts.ledger.log()->warn("Shard {} is set apart: {} [{}]", policy::name_of(one.shard), one.message,
                                 parts.settings.name);
        break;
      }
      case ShardEnd::kept_open:
        book = policy::set_apart(std::move(book), *found, wal::ShardState::kept_open, one.message, now.wall);
        break;
      case ShardEnd::busy:
      case ShardEnd::failed:
      case ShardEnd::unverified: {
        // Of a wrong address no shard is to blame.
        if (!book.server_proven) break;
        book = policy::after_failure(std::move(book), *found, one.message, now.wall);
        const auto entry = book.entries.find(one.shard);
        if (entry == book.entries.end() || !entry->second.is_failing()) break;
        parts.ledger.log()->error("Shard {} was asked {} times in a row and is left alone for {}: {} [{}]",
                                  policy::name_of(one.shard), entry->second.failures,
                                  format_duration_rough(*entry->second.next_try - now.wall), one.message,
                                  parts.settings.name);
        break;
      }
      case ShardEnd::persisted:
      case ShardEnd::unknown:
      case ShardEnd::left_alone:
      case ShardEnd::not_asked:
        break;
    }
  }
}

// Busy for ever is a failure.
bool is_busy_no_more(const Parts& parts, const influxdb::Outcome& outcome) {
  return outcome.kind == OutcomeKind::busy &&
         std::any_of(outcome.shards.begin(), outcome.shards.end(), [&](const influxdb::ShardOutcome& one) {
           const auto found = parts.shards.entries.find(one.shard);
           return one.end == influxdb::ShardEnd::busy && found != parts.shards.entries.end() &&
                  found->second.is_failing();
         });
}

// Without the shards whose snapshots fail: those have a wait of their own, and neither a
// checkpoint nor a restart takes them away.
wal::Extent can_be_emptied(const policy::ShardBook& book, const wal::Sample& sample) {
  wal::Extent out = sample.pending;
  for (const wal::Shard& shard : sample.shards) {
    const auto found = book.entries.find(shard.key());
    if (shard.state != wal::ShardState::pending || found == book.entries.end()) continue;
    out.files -= std::min(out.files, shard.pending.files);
    out.bytes -= std::min(out.bytes, shard.pending.bytes);
  }
  return out;
}

policy::Shortfall shortfall_of(const influxdb::Outcome& outcome) {
  const bool some_done =
      std::any_of(outcome.shards.begin(), outcome.shards.end(),
                  [](const influxdb::ShardOutcome& one) { return one.end == influxdb::ShardEnd::persisted; });
  switch (outcome.kind) {
    case OutcomeKind::failed:
      return some_done ? policy::Shortfall::partial : policy::Shortfall::failed;
    case OutcomeKind::unverified:
      return some_done ? policy::Shortfall::partial : policy::Shortfall::unverified;
    case OutcomeKind::succeeded:
    case OutcomeKind::no_op:
    case OutcomeKind::busy:
      break;
  }
  return policy::Shortfall::none;
}

// In a sentence; elsewhere, and for scripts, the outcome's own name stands.
std::string_view said_of(OutcomeKind kind) {
  return kind == OutcomeKind::no_op ? "skipped" : influxdb::to_string(kind);
}

}  // namespace

Checkpointer::Checkpointer() : duration_(view::Counters().checkpoint_duration.bounds) {
  outcomes_ = view::Counters().checkpoints;
}

std::int64_t Checkpointer::begin(Parts& parts, Reason reason, Asker asker, influxdb::NudgeMode mode,
                                 const std::string& actor, const std::vector<policy::Blocked>& passed_over, Now now) {
  const Log& log = parts.ledger.log();
  parts.memory = policy::after_start(std::move(parts.memory), now.wall);
  view::CheckpointRun run;
  run.reason = reason;
  run.started = now.wall;
  log->info("Triggering checkpoint (reason: {})... [{}]", policy::to_string(reason), parts.settings.name);
  nlohmann::ordered_json detail{
      {"state", "started"}, {"reason", policy::to_string(reason)}, {"by", actor}, {"method", method_of(parts).name}};
  std::string summary = "checkpoint started (reason: " + std::string(policy::to_string(reason)) + ")";
  if (const auto planned = outlook_of(parts, asker, mode, now); planned && planned->plan) {
    summary += ": " + planned->plan->explanation;
    log->info("{} [{}]", planned->plan->explanation, parts.settings.name);
  }
  if (!passed_over.empty()) {
    const std::vector<std::string_view> names = policy::names(passed_over);
    detail["passed_over"] = names;
    summary += ", asked for by " + actor + ", passing over " + join(names, ", ");
  }
  run.id = parts.ledger.tell(events::Type::checkpoint, events::Severity::info, summary, std::move(detail),
                             parts.wal.sample().get(), now.wall);
  running_ = run;
  parts.keep_memory();
  // Nobody waits for an unasked run, so it goes by the boundary that has passed.
  parts.effects.emplace_back(
      RunCheckpoint{run.id, reason, now.wall, parts.server.version(), mode, asker == Asker::nobody,
                    parts.server.node().rules, parts.server.clock_offset(now), skip_below(parts, reason),
                    left_alone(parts, asker, now), parts.shards.server_proven, planned_rewrites(parts)});
  return run.id;
}

void Checkpointer::take_up(Parts& parts, Now now) {
  if (!parts.acts_unasked) return;
  const auto last = parts.ledger.last_event(events::Type::checkpoint);
  const auto told = nlohmann::json::parse(last.value_or(""), nullptr, /*allow_exceptions=*/false);
  if (!told.is_object() || told.value("state", "") != "started") return;
  const std::optional<Time>& start = parts.memory.last_start;
  if (start && parts.memory.last_end && *parts.memory.last_end >= *start) return;  // the end could not be told
  const Reason reason = policy::parse_reason(told.value("reason", "")).value_or(Reason::manual);
  ++outcomes_[{reason, OutcomeKind::failed}];
  if (parts.memory.failed < std::numeric_limits<std::uint32_t>::max()) ++parts.memory.failed;
  const std::string message = "the exporter ended while it ran, so what came of it is not known";
  parts.ledger.log()->warn("Checkpoint failed: {} [{}]", message, parts.settings.name);
  parts.ledger.tell(events::Type::checkpoint, events::Severity::warning, "checkpoint failed: " + message,
                    {{"state", "ended"},
                     {"reason", policy::to_string(reason)},
                     {"outcome", influxdb::to_string(OutcomeKind::failed)},
                     {"message", message}},
                    nullptr, now.wall);
  parts.keep_memory();
}

void Checkpointer::end(Parts& parts, RunEnded result, Now now) {
  if (!running_ || running_->id != result.id) return;
  view::CheckpointRun run = *std::exchange(running_, std::nullopt);
  run.ended = now.wall;
  influxdb::Outcome& outcome = result.outcome;
  const policy::Rules& rules = parts.server.rules();
  if (result.after) {
    remember_shards(parts, outcome, **result.after, now);
    result.after = parts.with_shards(*std::move(result.after), now);
  }
  if (is_busy_no_more(parts, outcome)) outcome.kind = OutcomeKind::failed;

  policy::Ended ended;
  ended.reason = run.reason;
  ended.success = outcome.kind == OutcomeKind::succeeded || outcome.kind == OutcomeKind::no_op;
  ended.neutral = outcome.kind == OutcomeKind::busy;
  // Busy: what was done, somebody else did.
  ended.did_nothing = outcome.kind == OutcomeKind::no_op || outcome.kind == OutcomeKind::busy;
  ended.shortfall = shortfall_of(outcome);
  const wal::Sample* judged = result.after ? result.after->get() : parts.wal.sample().get();
  ended.still_critical =
      judged != nullptr &&
      policy::judge(can_be_emptied(parts.shards, *judged), policy::resolve(rules.thresholds, *judged)).worse() ==
          Health::critical;
  // That we were stopped says nothing about InfluxDB.
  if (!result.stopped || ended.success) {
    parts.memory = policy::after_end(rules, std::move(parts.memory), ended, now.wall, result.jitter);
  }

  ++outcomes_[{run.reason, outcome.kind}];
  duration_.observe(to_seconds(outcome.elapsed));
  reclaimed_ += outcome.reclaimed;
  const Log& log = parts.ledger.log();
  if (outcome.kind == OutcomeKind::succeeded) {
    if (method_of(parts).writes_points()) parts.wal.forget_growth();
    log->info("Checkpoint completed successfully: {} [{}]", outcome.message, parts.settings.name);
  } else {
    log->log(ended.success ? spdlog::level::info : spdlog::level::err, "Checkpoint {}: {} [{}]", said_of(outcome.kind),
             outcome.message, parts.settings.name);
  }
  const std::string summary = "checkpoint " + std::string(said_of(outcome.kind)) + ": " + outcome.message;
  outcome.shards = {};  // the book has what counts of them
  run.outcome = std::move(outcome);
  nlohmann::ordered_json detail = view::to_json(run);
  detail["state"] = "ended";
  // What the checkpoint left; the target's own sample is still the one before.
  if (result.after) detail["sample"] = view::event_sample_json(**result.after);
  parts.ledger.tell(events::Type::checkpoint,
                    ended.success || ended.neutral ? events::Severity::info : events::Severity::warning, summary,
                    std::move(detail), parts.wal.sample().get(), now.wall);

  if (!ended.did_nothing) last_ = run;
  ended_.push_back(std::move(run));
  if (ended_.size() > kRunsKept) ended_.pop_front();
  if (!result.after) return;
  parts.wal.take_after_run(*std::move(result.after), *log, parts.settings.name);
  parts.health.sampled();
}

void Checkpointer::tell_no_op(Parts& parts, Reason reason, const std::string& actor, Now now) {
  ++outcomes_[{reason, OutcomeKind::no_op}];
  parts.ledger.tell(events::Type::checkpoint, events::Severity::info, "checkpoint skipped: nothing is pending",
                    {{"state", "ended"}, {"reason", policy::to_string(reason)}, {"outcome", "no_op"}, {"by", actor}},
                    parts.wal.sample().get(), now.wall);
}

std::optional<view::CheckpointRun> Checkpointer::find(std::int64_t id) const {
  if (running_ && running_->id == id) return running_;
  const auto found =
      std::find_if(ended_.begin(), ended_.end(), [&](const view::CheckpointRun& run) { return run.id == id; });
  return found == ended_.end() ? std::nullopt : std::optional(*found);
}

void Checkpointer::count_into(view::Counters& counters) const {
  counters.checkpoints = outcomes_;
  counters.checkpoint_duration = duration_;
  counters.reclaimed = reclaimed_;
}

view::CheckpointPlan plan_of(const Parts& parts, influxdb::NudgeMode mode, Now now) {
  view::CheckpointPlan plan;
  plan.target = parts.settings.name;
  plan.method = method_of(parts).name;
  policy::Decision decision =
      policy::decide_on_request(parts.server.rules(), parts.memory, situation_of(parts, Asker::somebody, mode, now),
                                Reason::manual, /*override_soft=*/false);
  plan.blockers = std::move(decision.blockers);
  plan.why = std::move(decision.why);
  if (parts.wal.sample() != nullptr) {
    if (const auto budget = policy::snapshot_budget(*parts.wal.sample(), parts.server.node().rules)) {
      plan.snapshot_budget_remaining = budget->remaining;
    }
  }
  plan.rewrites = rewrite_plans(parts);
  if (const auto points = planned_rewrites(parts).size(); points > 0) {
    plan.why = "writes " + count_of(points, "point") +
               " again exactly as they are, so that InfluxDB lets go of files that it keeps open; " + plan.why;
  }
  const auto nudge = outlook_of(parts, Asker::somebody, mode, now);
  if (!nudge) return plan;
  plan.mode = influxdb::to_string(mode);
  if (nudge->plan) {
    plan.goal = nudge->plan->goal;
    plan.points = nudge->plan->points;
    plan.duration_seconds = to_seconds(nudge->plan->duration);
    if (nudge->plan->boundary && *nudge->plan->boundary > parts.server.clock(now)) {
      plan.not_before = *nudge->plan->boundary - parts.server.clock_offset(now);
    }
    plan.why = nudge->plan->explanation + "; " + plan.why;
  }
  return plan;
}

}  // namespace wal_exporter::control
