#include "control/health_state.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "base/bytes.h"

namespace wal_exporter::control {
namespace {

using policy::Health;

// Unknown is a warning: nothing acts, and nobody knows how it goes on.
events::Severity severity_of(std::optional<Health> health) {
  if (health == Health::healthy) return events::Severity::info;
  return health == Health::critical ? events::Severity::critical : events::Severity::warning;
}

// As the audit has it; empty: none.
std::string health_told_last(Ledger& ledger) {
  const auto text = ledger.last_event(events::Type::health);
  if (!text) return {};
  const auto detail = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  return detail.is_object() && detail.contains("to") && detail["to"].is_string() ? detail["to"].get<std::string>()
                                                                                 : std::string();
}

}  // namespace

HealthState::HealthState(Ledger& ledger, Duration line_interval)
    : line_interval_(line_interval), told_before_start_(health_told_last(ledger)) {}

std::optional<Judged> HealthState::judge(const WalState& wal, const ServerState& server, const VanishState& vanish,
                                         policy::Memory& memory, Chart& chart, Now now) {
  if (judged_ || wal.sample() == nullptr || server.awaits_limits(now) || vanish.suspects()) return std::nullopt;
  judged_ = true;
  const wal::Sample& sample = *wal.sample();
  const Judged judged{health_};
  memory = policy::observe(server.rules(), std::move(memory), sample, now.wall);
  health_ = std::max(memory.levels->worse(), vanish.standing() ? Health::warning : Health::healthy);
  chart.add({sample.taken_at, health_, sample.pending, sample.retained});
  return judged;
}

std::optional<Judged> HealthState::lose(Chart& chart, Now now) {
  if (!health_) return std::nullopt;
  const Judged judged{std::exchange(health_, std::nullopt)};
  chart.gap(now.wall);
  return judged;
}

void HealthState::explain(const WalState& wal, const ServerState& server, const policy::Memory& memory,
                          const policy::ForecastRules& rules, bool stale, Now now) {
  not_shrinking_.reset();
  if (stale) return;
  const auto rate = policy::growth(wal.history(), rules.short_window);
  not_shrinking_ = policy::not_shrinking(*wal.sample(), server.node().rules, server.clock(now), own_trigger_of(memory),
                                         rate ? std::optional<double>(rate->files_per_second) : std::nullopt);
  if (not_shrinking_ && not_shrinking_->since) *not_shrinking_->since -= server.clock_offset(now);
}

// The older service's lines, word for word, with the target behind them.
void HealthState::log_sample(const wal::Sample& sample, bool notable, const Ledger& ledger) const {
  struct Line {
    spdlog::level::level_enum level;
    std::string_view text;
  };
  const Line line = health_ == Health::healthy   ? Line{spdlog::level::info, "WAL health normal"}
                    : health_ == Health::warning ? Line{spdlog::level::warn, "WARNING WAL status"}
                                                 : Line{spdlog::level::err, "CRITICAL WAL status"};
  ledger.log()->log(notable ? line.level : spdlog::level::debug, "{}: {} files, {} [{}]", line.text,
                    sample.pending.files, format_seed_gigabytes(sample.pending.bytes), ledger.target());
}

void HealthState::tell(const Judged& judged, const WalState& wal, const VanishState& vanish,
                       const std::vector<std::string>& advice, Ledger& ledger, Now now) {
  const std::string vanished = vanish.text();
  const bool changed = judged.from != health_ || (!vanished.empty() && vanished != told_vanished_);
  told_vanished_ = vanished;
  // As the older service did: a line per interval, and one for every change.
  const bool notable = changed || now.steady >= next_line_;
  if (notable) next_line_ = now.steady + line_interval_;
  const wal::Sample* sample = wal.sample().get();
  if (health_) log_sample(*sample, notable, ledger);
  if (!changed) return;
  // A start of the exporter is no change of the health that hooks were told of.
  if (vanished.empty() && std::exchange(told_before_start_, {}) == policy::to_string(health_)) return;
  nlohmann::ordered_json detail;
  detail["from"] = policy::to_string(judged.from);
  detail["to"] = policy::to_string(health_);
  std::string summary =
      "health " + std::string(policy::to_string(judged.from)) + " -> " + std::string(policy::to_string(health_));
  if (sample != nullptr) {
    summary +=
        ": " + std::to_string(sample->pending.files) + " files, " + format_bytes(sample->pending.bytes) + " pending";
  }
  if (!health_) summary += ": no fresh sample" + (wal.error().empty() ? std::string() : ": " + wal.error());
  if (vanish.standing()) {
    const wal::Vanished& what = *vanish.standing();
    detail["vanished"] = {{"files", what.extent.files},
                          {"bytes", what.extent.bytes},
                          {"last_seen", format_time(what.last_seen)},
                          {"detail", vanished}};
    summary += "; " + vanished;
  }
  if (not_shrinking_) {
    detail["not_shrinking"] = {{"cause", policy::to_string(not_shrinking_->cause)}, {"detail", not_shrinking_->detail}};
  }
  detail["recommendations"] = advice;
  ledger.log()->info("event {}: {} [{}]", events::to_string(events::Type::health), summary, ledger.target());
  ledger.tell(events::Type::health, severity_of(health_), summary, std::move(detail), sample, now.wall);
}

}  // namespace wal_exporter::control
