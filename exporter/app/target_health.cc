// The part of Target that judges a sample, and tells of a change of health.
#include <nlohmann/json.hpp>
#include <utility>

#include "app/target.h"
#include "base/bytes.h"
#include "base/text.h"
#include "policy/recommend.h"

namespace wal_exporter::app {
namespace {

using policy::Health;

// Unknown is a warning: nothing acts, and nobody knows how it goes on.
events::Severity severity_of(std::optional<Health> health) {
  if (health == Health::healthy) return events::Severity::info;
  return health == Health::critical ? events::Severity::critical : events::Severity::warning;
}

}  // namespace

bool Target::awaits_limits() const {
  return awaits_answers() && !settings_.influxdb.snapshot_size && !remembered_facts_ && !(server_ && !server_->up) &&
         services_.clock->steady() < judge_at_;
}

void Target::judge_sample() {
  if (judged_ || sample_ == nullptr || awaits_limits()) return;
  judged_ = true;
  const std::optional<Health> before = health_;
  memory_ = policy::observe(rules_, std::move(memory_), *sample_, services_.clock->now());
  health_ = memory_.levels->worse();
  samples_.add({sample_->taken_at, health_, sample_->pending, sample_->retained});
  explain_pending();
  // What is told of the change says what holds a checkpoint back now, not at the last step.
  decision_ = policy::decide(rules_, memory_, situation(std::nullopt));
  note_health(before);
}

// What an event tells a person to do; what is about the server's settings is for the
// view alone.
std::vector<std::string> Target::advice() const {
  if (!health_) return {};
  std::vector<std::string> out = policy::recommend(*health_, *sample_, decision_, not_shrinking_);
  if (auto of_restart = restart_advice()) out.push_back(*std::move(of_restart));
  return out;
}

void Target::consider_restart(const std::string& why) {
  memory_ = policy::after_restart_considered(std::move(memory_));
  ++counters_.restart_considerations;
  nlohmann::ordered_json detail{{"why", why}};
  std::string summary = why;
  if (memory_.critical_failures > 0 && last_run_ && last_run_->outcome) {
    summary += "; the last checkpoint: " + std::string(influxdb::to_string(last_run_->outcome->kind)) + ": " +
               last_run_->outcome->message;
  }
  if (!decision_.blockers.empty()) {
    std::vector<std::string> names;
    for (const policy::Blocker blocker : decision_.blockers) names.emplace_back(policy::to_string(blocker));
    summary += "; now blocked by " + join(names, ", ");
    detail["blockers"] = names;
  }
  detail["recommendations"] = advice();
  services_.log->warn("Restart consideration: {} [{}]", summary, settings_.name);
  emit(events::Type::restart_consideration, events::Severity::critical, summary, std::move(detail));
  if (settings_.restart.enabled && acts_unasked_) memory_ = policy::after_restart_wanted(std::move(memory_));
}

// The older service's lines, word for word, with the target behind them.
void Target::log_sample(bool notable) {
  const std::string numbers =
      std::to_string(sample_->pending.files) + " files, " + format_seed_gigabytes(sample_->pending.bytes);
  switch (*health_) {
    case Health::healthy:
      services_.log->log(notable ? spdlog::level::info : spdlog::level::debug, "WAL health normal: {} [{}]", numbers,
                         settings_.name);
      break;
    case Health::warning:
      services_.log->log(notable ? spdlog::level::warn : spdlog::level::debug, "WARNING WAL status: {} [{}]", numbers,
                         settings_.name);
      break;
    case Health::critical:
      services_.log->log(notable ? spdlog::level::err : spdlog::level::debug, "CRITICAL WAL status: {} [{}]", numbers,
                         settings_.name);
      break;
  }
}

void Target::note_health(std::optional<Health> before) {
  const bool changed = before != health_;
  // As the older service did: a line per interval, and one for every change.
  const SteadyTime steady = services_.clock->steady();
  const bool notable = changed || steady >= next_line_;
  if (notable) next_line_ = steady + settings_.sampling.interval;
  if (health_) log_sample(notable);
  if (!changed) return;
  // A start of the exporter is no change of the health that hooks were told of.
  if (std::exchange(told_before_start_, {}) == policy::to_string(health_)) return;
  nlohmann::ordered_json detail;
  detail["from"] = policy::to_string(before);
  detail["to"] = policy::to_string(health_);
  std::string summary =
      "health " + std::string(policy::to_string(before)) + " -> " + std::string(policy::to_string(health_));
  if (sample_ != nullptr) {
    summary +=
        ": " + std::to_string(sample_->pending.files) + " files, " + format_bytes(sample_->pending.bytes) + " pending";
  }
  if (!health_) summary += ": no fresh sample" + (error_.empty() ? std::string() : ": " + error_);
  if (not_shrinking_) {
    detail["not_shrinking"] = {{"cause", policy::to_string(not_shrinking_->cause)}, {"detail", not_shrinking_->detail}};
  }
  detail["recommendations"] = advice();
  services_.log->info("event {}: {} [{}]", events::to_string(events::Type::health), summary, settings_.name);
  emit(events::Type::health, severity_of(health_), summary, std::move(detail));
}

}  // namespace wal_exporter::app
