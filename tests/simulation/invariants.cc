#include "invariants.h"

#include <algorithm>
#include <utility>

#include "control/situation.h"
#include "policy/budget.h"

namespace wal_exporter::simulation {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

// A day's chart, an hour of growth, a hundred ended runs and some strings.
constexpr Held kMostHeld{400, 250'000};
// More steps within a second than any real moment has reason for.
constexpr std::uint64_t kMostStepsInASecond = 2000;
// A call comes a little after its time.
constexpr Duration kLate = seconds(1);

}  // namespace

std::string_view name_of(Invariant invariant) {
  switch (invariant) {
    case Invariant::acts_alone_and_allowed:
      return "1, acts alone and only where it may";
    case Invariant::waits_hold:
      return "2, waits hold across kills and clocks";
    case Invariant::nudges_keep_to_their_plan:
      return "3, a nudge keeps to its plan";
    case Invariant::decisions_are_true:
      return "4, decisions name what is true";
    case Invariant::events_are_told_once:
      return "5, events are told once and in order";
    case Invariant::what_is_said_happens:
      return "6, what the API says is what happens";
    case Invariant::gets_below_the_limit:
      return "7, gets below the limit once faults end";
    case Invariant::memory_is_bounded:
      return "8, memory does not grow";
    case Invariant::everybody_is_answered:
      return "9, everybody is answered in time";
  }
  return "unknown";
}

Violation::Violation(Invariant broken, const std::string& what)
    : std::runtime_error("invariant " + std::string(name_of(broken)) + ": " + what), invariant(broken) {}

void Invariants::broken(Invariant invariant, const std::string& what) const {
  throw Violation(invariant, what);
}

void Invariants::started(const settings::Target& settings) {
  settings_ = settings;
  shards_.ask(settings.influxdb.backup_address + " " + settings.influxdb.url);
  asked_.clear();
  sample_.reset();
  answer_.reset();
  knows_node_ = false;
  running_.reset();
  ending_.reset();
  restart_acts_ = false;
  restart_was_under_way_ = false;
  was_running_ = false;
  probe_.reset();
  health_.reset();
  end_told_ = 0;
  runs_.clear();
  ++epoch_;
}

void Invariants::killed(bool saved, Cut cut) {
  const bool may_have_ended = cut == Cut::step && ending_ && ending_->after && running_ && running_->id == ending_->id;
  if (may_have_ended) shards_.ended(ending_->outcome, **ending_->after, clocks_.moment(now()));
  if (may_have_ended || !saved) shards_.may_be_forgotten();
  started(settings_);
  if (cut != Cut::at_rest) {
    // What was kept may say that something was begun or has ended, of which nobody saw more.
    start_ = end_ = failure_ = clocks_.moment(now());
  }
  if (cut == Cut::step) {
    // Of what was told in that step nobody knows whether the audit had it, and the memory
    // not yet.
    told_health_.clear();
    may_be_interrupted_ = true;
    considered_ = false;
    // A sample in it told the time to nobody who remembers.
    reverted_ = true;
  }
  if (saved) return;
  reverted_ = true;
  holds_start_.reset();
  holds_end_.reset();
  holds_failure_.reset();
  holds_failures_ = 0;
  holds_pause_.reset();
  considered_ = false;
}

void Invariants::stopped() {
  for (const auto& [number, one] : asked_) {
    if (now() > one.deadline + kLate) {
      broken(Invariant::everybody_is_answered, "request " + std::to_string(number) + " was never answered");
    }
  }
  asked_.clear();
}

void Invariants::clock_set(Duration by) {
  clocks_.set(by);
  shards_.clock_set(by);
  clock_was_set_ = true;
  ++epoch_;
}

void Invariants::about_to_pause(std::optional<Duration> length) {
  // Where a resume can't be kept, an earlier pause comes back.
  if (length) pause_ = std::max(pause_.value_or(Time{}), wall() + *length);
  holds_pause_.reset();
}

void Invariants::paused(std::optional<Duration> length) {
  holds_pause_ = length ? std::optional(wall() + *length) : std::nullopt;
}

void Invariants::asked_for_checkpoint(std::uint64_t number, const view::CheckpointCommand& command) {
  asked_[number] = {command.reason,
                    command.override_soft,
                    command.override_soft,
                    command.at_once,
                    true,
                    now() + control::kFreshSampleWithin + command.wait};
}

void Invariants::asked_for_preparation(std::uint64_t number, const view::PrepareRestartCommand& command) {
  asked_[number] = {policy::Reason::pre_restart,
                    command.override_soft,
                    command.in_any_window || command.override_soft,
                    true,
                    true,
                    now() + command.max_wait + control::kFreshSampleWithin};
}

void Invariants::asked_by_alert(std::uint64_t number) {
  asked_[number] = {policy::Reason::alert, false, false, false, false, now() + control::kFreshSampleWithin};
}

void Invariants::sampled(const control::SampleTaken& taken) {
  if (!taken.sample) return;
  sample_ = *taken.sample;
  shards_.sampled(*sample_, now());
  clock_was_set_ = false;
  // From here on each wait runs out within its own length.
  if (std::exchange(reverted_, false)) start_ = end_ = failure_ = clocks_.moment(now());
}

void Invariants::answered(const control::ServerAnswer& answer) {
  answer_ = answer;
  if (!answer.node) return;
  knows_node_ = true;
  ++epoch_;  // G may be another
}

void Invariants::run_ends(const control::RunEnded& ended) {
  ending_ = ended;
  was_running_ = true;
}

void Invariants::wanted(const control::Control& control, const control::Effect& effect) {
  ++checks_;
  if (const auto* run = std::get_if<control::RunCheckpoint>(&effect)) check_start(control, *run);
  if (std::holds_alternative<control::RestartInfluxdb>(effect)) check_restart(control);
  if (const auto* reply = std::get_if<control::Reply>(&effect)) check_reply(*reply);
}

void Invariants::step(const control::Control& control, const control::Effects& effects, bool store_works) {
  ++checks_;
  starts_ = std::any_of(effects.begin(), effects.end(), [](const control::Effect& effect) {
    return std::holds_alternative<control::RunCheckpoint>(effect);
  });
  if (ending_) {
    if (ending_->after) sample_ = *ending_->after;
    if (running_ && running_->id == ending_->id) account_end(control);
    ending_.reset();
  }
  const control::Parts& parts = control.parts();
  if (store_works && (parts.memory != parts.kept_memory || parts.shards != parts.kept_shards)) {
    broken(Invariant::waits_hold, "what must outlive a kill is not on disk");
  }
  if (!control.parts().stopping) {
    check_decision(control);
    check_promise(control);
  }
  was_running_ = running_.has_value();
  restart_was_under_way_ = control.parts().restarter.holds_checkpoints(control::Asker::nobody);
  check_liveness(control);
  check_memory();
  check_answers();
  const std::int64_t second = now().time_since_epoch() / seconds(1);
  steps_in_a_second_ = second == second_ ? steps_in_a_second_ + 1 : 0;
  second_ = second;
  if (steps_in_a_second_ > kMostStepsInASecond) broken(Invariant::what_is_said_happens, "next() comes again and again");
}

// 7: broken by a backoff that never ends, a breaker that lets nobody try, a state of the
// restarter that nothing ends, a blocker that is not lifted.
void Invariants::check_liveness(const control::Control& control) {
  if (!calm_since_ || below_limit_) return;
  const control::Parts& parts = control.parts();
  // The longest of its waits and one checkpoint, after the end of what ran when the
  // faults ended; and a few samples to see it.
  const Duration run = parts.server.is_node() ? settings_.checkpoint.nudge.max_duration : settings_.checkpoint.timeout;
  // A shard whose snapshot fails is asked several times before it rests.
  const auto& failing = shards_.failing();
  const bool asks_again = std::any_of(failing.begin(), failing.end(),
                                      [](const auto& one) { return one.second.least < policy::kMostShardFailures; });
  const std::int64_t tries = asks_again ? policy::kMostShardFailures : 1;
  const Duration bound = run + tries * (run + longest_wait(control)) + 4 * settings_.rules.sample_interval + minutes(2);
  if (!could_act(control)) {
    calm_since_ = now();
    return;
  }
  if (now() - *calm_since_ <= bound) return;
  broken(Invariant::gets_below_the_limit,
         "for " + format_duration(now() - *calm_since_) +
             " nothing has gone wrong, and the WAL is above its limit: " + parts.decision.explanation());
}

Duration Invariants::longest_wait(const control::Control& control) const {
  const control::Parts& parts = control.parts();
  Duration longest = std::max<Duration>(minutes(30), settings_.rules.cooldown);  // the breaker
  if (settings_.rules.restart.enabled) {
    longest =
        std::max(longest, settings_.rules.restart.ready_timeout + settings_.rules.restart.prepare_wait + minutes(3));
  }
  if (parts.server.is_node()) longest = std::max(longest, 2 * parts.server.node().rules.gen1_duration);
  // A window may be over before the other waits are.
  if (!settings_.checkpoint.windows.empty() || !settings_.maintenance.empty()) longest += 2 * kDay;
  return longest;
}

// What the settings forbid, or would do harm, is not asked for.
bool Invariants::could_act(const control::Control& control) const {
  const control::Parts& parts = control.parts();
  if (parts.settings.dry_run || parts.wal.sample() == nullptr) return false;
  if (policy::paused_until(parts.memory, parts.wal.sample()->taken_at)) return false;
  if (!control::method_of(parts).disabled.empty()) return false;
  if (is_true(policy::Blocker::clocks_differ, control)) return false;
  const auto budget = policy::snapshot_budget(*parts.wal.sample(), parts.server.node().rules);
  return !budget || budget->remaining >= budget->floor;
}

void Invariants::calm(bool is_calm) {
  if (calm_since_ && below_limit_) ++liveness_checked_;
  calm_since_ = is_calm ? std::optional(now()) : std::nullopt;
  below_limit_ = false;
}

// 8: broken by ended runs that are all kept, or by effects that nobody takes.
void Invariants::check_memory() {
  const Held held = held_by_control();
  most_held_.blocks = std::max(most_held_.blocks, held.blocks);
  most_held_.bytes = std::max(most_held_.bytes, held.bytes);
  if (held.blocks > kMostHeld.blocks || held.bytes > kMostHeld.bytes) {
    broken(Invariant::memory_is_bounded,
           std::to_string(held.blocks) + " blocks, " + std::to_string(held.bytes) + " bytes are held");
  }
}

// 9: broken by a deadline that nobody looks at, or by stop() that leaves who waits.
void Invariants::check_answers() const {
  for (const auto& [number, one] : asked_) {
    if (now() > one.deadline + kLate) {
      broken(Invariant::everybody_is_answered, "request " + std::to_string(number) + " waits for an answer since " +
                                                   format_duration(now() - one.deadline));
    }
  }
}

void Invariants::check_reply(const control::Reply& reply) {
  if (asked_.erase(reply.request) == 0) {
    broken(Invariant::everybody_is_answered,
           "an answer to request " + std::to_string(reply.request) + ", which was not asked or has been answered");
  }
  const auto* answer = std::get_if<Result<view::CheckpointAnswer>>(&reply.answer);
  if (probe_ && probe_->number == reply.request && answer != nullptr) check_probe(*answer);
}

}  // namespace wal_exporter::simulation
