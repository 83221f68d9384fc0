// HealthState: what the last sample means, and what was told of it. One thread at a
// time.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "control/chart.h"
#include "control/inputs.h"
#include "control/ledger.h"
#include "control/server_state.h"
#include "control/vanish_state.h"
#include "control/wal_state.h"
#include "policy/cause.h"
#include "policy/health.h"
#include "policy/memory.h"

namespace wal_exporter::control {

// A health is to be told of (tell_health); `from`: the one before.
struct Judged {
  std::optional<policy::Health> from;
};

class HealthState {
 public:
  // Restores from `ledger` what the last event told. `line_interval`: between two lines
  // of the log for a health that stays. `vanished`: what was told of files before.
  HealthState(Ledger& ledger, Duration line_interval, std::string vanished);

  // There is a new sample, or more is known of the server; judge() looks at it.
  void sampled() { judged_ = false; }
  // Judges the last sample once, unless the limits, or whether files vanished, are about to
  // be known. nullopt: there was nothing to judge.
  [[nodiscard]] std::optional<Judged> judge(const WalState& wal, const ServerState& server, const VanishState& vanish,
                                            policy::Memory& memory, Chart& chart, Now now);
  // The last sample has become too old. nullopt: that was known already.
  [[nodiscard]] std::optional<Judged> lose(Chart& chart, Now now);
  // Why a 3.x node does not shrink, as of now. `stale`: nothing is known.
  void explain(const WalState& wal, const ServerState& server, const policy::Memory& memory,
               const policy::ForecastRules& rules, bool stale, Now now);

  // Writes the older service's line to the log where it is time for one, and tells of
  // a change, and of files that vanished. `advice`: what to do, for people. `outlook`: joins
  // the event's detail.
  void tell(const Judged& judged, const WalState& wal, const VanishState& vanish,
            const std::vector<std::string>& advice, const nlohmann::ordered_json& outlook, Ledger& ledger, Now now);

  // The target leaves the settings: tells of it unless it was healthy, so that one that comes
  // back tells anew.
  void leave(const WalState& wal, Ledger& ledger, Now now) const;

  // By the limits alone: what the older service's advice goes by.
  [[nodiscard]] policy::Health by_limits() const { return by_limits_; }

  // nullopt: unknown.
  [[nodiscard]] std::optional<policy::Health> health() const { return health_; }
  [[nodiscard]] bool judged() const { return judged_; }
  [[nodiscard]] const std::optional<policy::NotShrinking>& not_shrinking() const { return not_shrinking_; }

 private:
  void log_sample(const wal::Sample& sample, bool notable, const Ledger& ledger) const;
  void log_findings(const Ledger& ledger);

  const Duration line_interval_;
  std::optional<policy::Health> health_;
  policy::Health by_limits_{};
  std::vector<wal::Finding> findings_;  // in the last sample that was judged, the worst first
  wal::ServerTraits server_;            // that they were judged for
  std::vector<wal::Finding> logged_;
  bool judged_ = true;  // the last sample; there is none yet
  std::optional<policy::NotShrinking> not_shrinking_;
  // The health that the last event told, until that of this process is known.
  std::string told_before_start_;
  std::string told_vanished_;
  SteadyTime next_line_{};
};

}  // namespace wal_exporter::control
