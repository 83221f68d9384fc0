#include "control/health_state.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/bytes.h"
#include "base/text.h"

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

HealthState::HealthState(Ledger& ledger, Duration line_interval, std::string vanished)
    : line_interval_(line_interval),
      told_before_start_(health_told_last(ledger)),
      told_vanished_(std::move(vanished)) {}

std::optional<Judged> HealthState::judge(const WalState& wal, const ServerState& server, const VanishState& vanish,
                                         policy::Memory& memory, Chart& chart, Now now) {
  if (judged_ || wal.sample() == nullptr || server.awaits_limits(now) || vanish.suspects()) return std::nullopt;
  judged_ = true;
  const wal::Sample& sample = *wal.sample();
  const Judged judged{health_};
  memory = policy::observe(server.rules(), std::move(memory), sample, now.wall);
  by_limits_ = memory.levels->worse();
  server_ = server.rules().server;
  findings_ = wal::findings_of(sample, server_);
  const bool warns = vanish.standing() || sample.uncounted.folders > 0 || !server.node().not_measured.empty();
  health_ = std::max({by_limits_, policy::judge(findings_), warns ? Health::warning : Health::healthy});
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
  not_shrinking_ = policy::not_shrinking(*wal.sample(), server.node().rules, server.clock(now), own_trigger_of(memory),
                                         policy::growth(wal.history(), rules.short_window),
                                         policy::resolve(server.rules().thresholds, *wal.sample()));
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
  const bool found = policy::judge(findings_) > by_limits_;
  ledger.log()->log(notable ? line.level : spdlog::level::debug, "{}: {} files, {} [{}]{}", line.text,
                    sample.pending.files, format_seed_gigabytes(sample.pending.bytes), ledger.target(),
                    found ? ": " + summary(findings_.front(), server_) : "");
}

// Once for each kind, until it is gone.
void HealthState::log_findings(const Ledger& ledger) {
  const auto same_as = [](const wal::Finding& a) {
    return [&a](const wal::Finding& b) { return a.reason == b.reason && a.effect == b.effect; };
  };
  for (const wal::Finding& finding : findings_) {
    if (std::any_of(logged_.begin(), logged_.end(), same_as(finding))) continue;
    const Health means = policy::judge({finding});
    const bool worth_a_warning = means == Health::warning || finding.reason == wal::InvalidReason::newer;
    const auto level = means == Health::critical ? spdlog::level::err
                       : worth_a_warning         ? spdlog::level::warn
                                                 : spdlog::level::info;
    ledger.log()->log(level, "{} [{}]", describe(finding, server_), ledger.target());
  }
  logged_ = findings_;
}

void HealthState::tell(const Judged& judged, const WalState& wal, const VanishState& vanish,
                       const std::vector<std::string>& advice, const nlohmann::ordered_json& outlook, Ledger& ledger,
                       Now now) {
  const std::string vanished = vanish.text();
  const bool vanished_now = !vanished.empty() && vanished != told_vanished_;
  const bool changed = judged.from != health_ || vanished_now;
  told_vanished_ = vanished;
  // As the older service did: a line per interval, and one for every change.
  const bool notable = changed || now.steady >= next_line_;
  if (notable) next_line_ = now.steady + line_interval_;
  const wal::Sample* sample = wal.sample().get();
  if (health_) {
    log_sample(*sample, notable, ledger);
    log_findings(ledger);
  }
  if (!changed) return;
  // A start of the exporter is no change of the health that was told last.
  std::string from = std::exchange(told_before_start_, {});
  if (from == policy::to_string(health_) && !vanished_now) return;
  if (from.empty() || from == "removed") from = policy::to_string(judged.from);
  nlohmann::ordered_json detail;
  detail["from"] = from;
  detail["to"] = policy::to_string(health_);
  if (!findings_.empty()) {
    detail["findings"] = nlohmann::ordered_json::array();
    for (const wal::Finding& finding : findings_) detail["findings"].push_back(describe(finding, server_));
  }
  std::string text = "health: " + from + " -> " + std::string(policy::to_string(health_));
  if (sample != nullptr) {
    text += " (" + wal::extent_text(sample->pending) + " pending" + (health_ ? ")" : " at the last sample)");
  }
  if (health_ && sample->uncounted.folders > 0) text += "; not counted: " + sample->uncounted.first;
  if (health_ && policy::judge(findings_) > by_limits_) text += "; " + wal::summary(findings_.front(), server_);
  if (!health_) text += "; no fresh sample" + (wal.error().empty() ? std::string() : ": " + wal.error());
  if (vanish.standing()) {
    const wal::Vanished& what = *vanish.standing();
    detail["vanished"] = {{"files", what.extent.files},
                          {"bytes", what.extent.bytes},
                          {"last_seen", format_time(what.last_seen)},
                          {"detail", vanished}};
    text += "; " + vanished;
  }
  if (not_shrinking_ && !not_shrinking_->expected) {
    detail["not_shrinking"] = {{"cause", policy::to_string(not_shrinking_->cause)}, {"detail", not_shrinking_->detail}};
  }
  detail["recommendations"] = advice;
  detail.update(outlook);
  const events::Severity severity = severity_of(health_);
  ledger.log()->log(severity == events::Severity::critical  ? spdlog::level::err
                    : severity == events::Severity::warning ? spdlog::level::warn
                                                            : spdlog::level::info,
                    "{} [{}]", text, ledger.target());
  ledger.tell(events::Type::health, severity, text, std::move(detail), sample, now.wall);
}

void HealthState::leave(const WalState& wal, Ledger& ledger, Now now) const {
  if (health_ == Health::healthy) return;
  const std::string_view was = policy::to_string(health_);
  const bool critical = health_ == Health::critical;
  const wal::Sample* sample = wal.sample().get();
  const std::string text = "removed from the settings while " + std::string(health_ ? was : "its health was unknown") +
                           (sample == nullptr ? "" : " (" + wal::extent_text(sample->pending) + " pending)");
  ledger.log()->log(critical ? spdlog::level::warn : spdlog::level::info, "target {}: {}", ledger.target(), text);
  nlohmann::ordered_json detail;
  detail["from"] = was;
  detail["to"] = "removed";
  detail["recommendations"] = nlohmann::ordered_json::array();
  if (critical)
    detail["recommendations"].push_back(
        "Nothing watches this WAL any more; add the target again, or checkpoint it by hand");
  ledger.tell(events::Type::health, critical ? events::Severity::warning : events::Severity::info, text,
              std::move(detail), sample, now.wall);
}

}  // namespace wal_exporter::control
