#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "control/situation.h"
#include "control/target_view.h"
#include "invariants.h"
#include "policy/budget.h"
#include "policy/engine.h"

namespace wal_exporter::simulation {
namespace {

using policy::Blocker;
using policy::Health;
using std::chrono::minutes;

bool ends_with_time(Blocker blocker) {
  return blocker == Blocker::cooldown || blocker == Blocker::min_interval || blocker == Blocker::backoff ||
         blocker == Blocker::breaker_open;
}

std::string names_of(const std::vector<Blocker>& blockers) {
  std::string out;
  for (const Blocker blocker : blockers) out += (out.empty() ? "" : ", ") + std::string(policy::to_string(blocker));
  return out.empty() ? "nothing" : out;
}

}  // namespace

// 4: broken by a decision that is not made anew when a blocker ends; by a blocker that
// is named where it does not hold.
void Invariants::check_decision(const control::Control& control) const {
  const policy::Decision& decision = control.parts().decision;
  const auto bad = [&](const std::string& what) { broken(Invariant::decisions_are_true, what); };
  if (decision.explanation().empty()) bad("a decision without an explanation");
  if (decision.action == policy::Action::checkpoint) {
    if (!decision.reason) bad("a checkpoint without a reason");
    if (!decision.blockers.empty()) bad("a checkpoint that is blocked");
    return;
  }
  if (decision.reason && decision.blockers.empty()) bad("blocked, and by nothing");
  for (const Blocker blocker : policy::without_why(decision.blockers)) {
    if (!is_true(blocker, control))
      bad("blocked by " + std::string(policy::to_string(blocker)) + ", which is not true");
  }
}

bool Invariants::is_true(Blocker blocker, const control::Control& control) const {
  const control::Parts& parts = control.parts();
  const auto lasts = [&](const std::optional<Moment>& then, Duration wait) {
    return reverted_ || (then && clocks_.at_least_since(*then, now()) < wait);
  };
  const bool stale =
      sample_ == nullptr || std::chrono::abs(wall() - sample_->taken_at) > 2 * settings_.rules.sample_interval;
  switch (blocker) {
    case Blocker::in_flight:
      return running_ || was_running_ || starts_ || restart_was_under_way_ ||
             parts.restarter.holds_checkpoints(control::Asker::nobody);
    case Blocker::cooldown:
      return lasts(end_, settings_.rules.cooldown);
    case Blocker::min_interval:
      return starts_ || lasts(start_, parts.server.rules().min_interval);
    case Blocker::backoff:
      // Or each shard with something pending waits for itself.
      return lasts(failure_, minutes(18)) || (sample_ != nullptr && shards_.all_may_rest(*sample_, now()));
    case Blocker::breaker_open:
      return lasts(failure_, minutes(30));
    case Blocker::outside_window:
      return !settings_.checkpoint.windows.empty() && !is_inside(settings_.checkpoint.windows, wall());
    case Blocker::maintenance:
      return is_inside(settings_.maintenance, wall());
    case Blocker::paused:
      return pause_ && wall() < *pause_;
    case Blocker::server_unreachable:
      return (answer_ && !answer_->server.up) || !knows_node_;
    case Blocker::sample_stale:
      return stale || !parts.memory.levels;
    case Blocker::disk_headroom:
      // The disk that a checkpoint fills, which need not be the WAL's.
      if (sample_ == nullptr) return false;
      if (sample_->layout == wal::Layout::segments) {
        return sample_->data_filesystem_avail_bytes &&
               *sample_->data_filesystem_avail_bytes < settings_.rules.min_free_bytes;
      }
      return !sample_->filesystem_avail_bytes || *sample_->filesystem_avail_bytes < settings_.rules.min_free_bytes;
    case Blocker::snapshot_budget: {
      const auto budget =
          sample_ == nullptr ? std::nullopt : policy::snapshot_budget(*sample_, parts.server.node().rules);
      return budget && budget->remaining < budget->floor;
    }
    case Blocker::clocks_differ:
      return parts.server.is_node() && std::chrono::abs(server_ahead_) > parts.server.node().rules.gen1_duration;
    case Blocker::gen1_boundary: {
      if (sample_ == nullptr) return false;
      const wal::NodeRules& rules = parts.server.node().rules;
      const Time floor = rules.floor(parts.server.clock(context_.schedule.now()));
      const auto& row = sample_->periods;
      const auto stop =
          std::find_if(row.begin(), row.end(), [&](const wal::Period& period) { return period.max_time >= floor; });
      const auto stays = static_cast<std::uint64_t>(row.end() - stop);
      const std::uint64_t points = std::max<std::uint64_t>(rules.row_goal(), row.size() + 1) - row.size();
      return stays > 0 && (stays + points) * 2 > row.size();
    }
    case Blocker::too_long: {
      const std::uint64_t most = parts.server.node().rules.all_goal();
      const Duration writing = parts.server.node().rules.flush_interval * static_cast<std::int64_t>(most);
      return most > settings_.checkpoint.nudge.max_points || writing > settings_.checkpoint.nudge.max_duration;
    }
    case Blocker::method_disabled:
      return parts.server.version() == wal::Generation::unknown || !settings_.checkpoint.nudge.enabled ||
             sample_ == nullptr || sample_->newest_file_damaged;
    case Blocker::dry_run:
      return settings_.dry_run;
    case Blocker::count:
      break;
  }
  return false;
}

// 5: broken by an audit that is told after the bus; by a health that is told again at
// each start; by considerations that are not remembered.
void Invariants::told(const events::Event& event) {
  ++checks_;
  const auto bad = [&](const std::string& what) { broken(Invariant::events_are_told_once, what); };
  if (event.id != 0) {  // else it is not on disk, so no later process knows of it
    if (event.id <= last_event_) bad("event " + std::to_string(event.id) + " after " + std::to_string(last_event_));
    last_event_ = event.id;
  }
  const std::string kind(events::to_string(event.type));
  switch (event.type) {
    case events::Type::health:
      return told_of_health(event);
    case events::Type::checkpoint:
      return told_of_checkpoint(event);
    case events::Type::restart_consideration:
      if (considered_) bad("a restart is considered twice in one episode");
      considered_ = true;
      return;
    default:
      return;
  }
}

void Invariants::told_of_health(const events::Event& event) {
  const auto detail = nlohmann::json::parse(event.detail);
  const std::string to = detail.at("to").get<std::string>();
  if (to == told_health_) {
    broken(Invariant::events_are_told_once, "health " + to + " is told twice in a row");
  }
  told_health_ = event.id > 0 ? to : "";
  if (to == "healthy") considered_ = false;
}

void Invariants::told_of_checkpoint(const events::Event& event) {
  const auto detail = nlohmann::json::parse(event.detail);
  if (detail.at("state") == "started") {
    may_be_interrupted_ = true;
    return;
  }
  if (!detail.contains("id")) {
    if (detail.at("outcome") == "no_op") return;  // nothing was pending
    // At the start of a process, of one that the process before was killed in.
    if (!running_ && !ending_ && !was_running_ && std::exchange(may_be_interrupted_, false)) return;
    broken(Invariant::events_are_told_once, "a checkpoint that no process was killed in is told as such");
  }
  may_be_interrupted_ = false;
  const auto id = detail.at("id").get<std::int64_t>();
  if (ending_ && running_ && ending_->id == id && std::exchange(end_told_, id) != id) return;
  broken(Invariant::events_are_told_once,
         "the end of checkpoint " + std::to_string(id) + ", which has not ended, or again");
}

// 6: broken by next_allowed() that leaves out a wait, or decides by another health than
// decide() does.
void Invariants::check_promise(const control::Control& control) {
  const control::Parts& parts = control.parts();
  const policy::Decision& decision = parts.decision;
  if (health_ != parts.health.health()) {
    health_ = parts.health.health();
    ++epoch_;
  }
  // Shards at rest count where nothing else is pending, and the next of them is another once one is gone.
  const std::pair at_rest(shards_.failing().size(), sample_ != nullptr && shards_.can_be_emptied(*sample_).files == 0);
  if (at_rest_ != at_rest) {
    at_rest_ = at_rest;
    ++epoch_;
  }
  if (said_ && said_->epoch == epoch_ && wall() >= said_->next_allowed) {
    for (const Blocker blocker : policy::without_why(decision.blockers)) {
      if (ends_with_time(blocker)) {
        broken(Invariant::what_is_said_happens, std::string(policy::to_string(blocker)) + " after " +
                                                    format_time(said_->next_allowed) +
                                                    ", from when on the next checkpoint was said to be allowed");
      }
    }
    said_.reset();
    ++promises_kept_;
  }
  if (said_ && said_->epoch != epoch_) said_.reset();
  if (said_ || clock_was_set_ || decision.blockers.empty() || !decision.reason ||
      *decision.reason == policy::Reason::scheduled) {
    return;
  }
  const bool timed = std::any_of(decision.blockers.begin(), decision.blockers.end(),
                                 [](const policy::Blocked& one) { return ends_with_time(one.blocker); });
  const auto next = control::view_of(control, context_.schedule.now())->next_allowed;
  if (timed && !next) broken(Invariant::what_is_said_happens, "blocked by a wait, and said to be allowed now");
  if (next) said_ = Said{*next, epoch_};
}

// 6: broken by request_blockers that are made for another asker than the request's.
void Invariants::check_probe(const Result<view::CheckpointAnswer>& given) {
  using State = view::CheckpointAnswer::State;
  const Probe said = *std::exchange(probe_, std::nullopt);
  ++probes_;
  const auto bad = [&](const std::string& what) {
    broken(Invariant::what_is_said_happens, what + "; the view said: " + names_of(said.blockers) +
                                                "; the answer: " + (given ? given->message : given.error().message));
  };
  if (!given) return bad("the target is gone");
  const view::CheckpointAnswer& answer = *given;
  switch (answer.state) {
    case State::running:
    case State::ended:
      if (!said.blockers.empty()) bad("a checkpoint starts that was said to be blocked");
      return;
    case State::blocked:
      if (said.blockers != policy::without_why(answer.blockers)) {
        bad("a request is refused by " + names_of(policy::without_why(answer.blockers)));
      }
      return;
    case State::no_op:
      if (said.pending != 0 || said.running) bad("nothing to do, and files are pending");
      return;
  }
}

}  // namespace wal_exporter::simulation
