// ServerState: InfluxDB as it answers, which generation it is, and the rules that
// follow from both. One thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "control/inputs.h"
#include "control/ledger.h"
#include "control/node.h"
#include "control/server_clock.h"
#include "control/wal_match.h"
#include "influxdb/nudge_plan.h"
#include "policy/engine.h"
#include "settings/settings.h"
#include "view/view.h"

namespace wal_exporter::control {

// Under which what the server says of itself is kept.
inline constexpr const char* kNodeKey = "node";

class ServerState {
 public:
  // Restores from `ledger` what the server said of itself to an earlier process.
  // `judges_at_once`: a count over a limit need not last.
  ServerState(const settings::Target& settings, Ledger& ledger, bool judges_at_once, Now now);

  void take(ServerAnswer answer, Ledger& ledger, Now now);
  // The directory shows which InfluxDB it is of; where that is news, the server is asked
  // again at once.
  void found(wal::Generation version, Ledger& ledger, Now now);
  // A sample shows the WAL that the server is believed to write.
  void sampled(const wal::Sample& sample, Ledger& ledger, Now now);
  // Whether to ask the server now; only where a url is set, and no question is open.
  [[nodiscard]] bool is_due(Now now) const { return !asking_ && now.steady >= next_; }
  // It is being asked; take() brings the answer.
  void asked(Now now);
  // When is_due() may become true by time alone.
  [[nodiscard]] SteadyTime next() const { return asking_ ? SteadyTime::max() : next_; }

  // Whether there is a server to ask, and that it is asked as soon as no question is open.
  [[nodiscard]] bool is_asked() const { return !settings_.influxdb.url.empty(); }
  void ask_now(Now now) { next_ = now.steady; }

  // InfluxDB was just restarted, so it was up until now.
  void restarted(Now now) { seen_up_ = now.steady; }

  // A 3.x server whose own settings were asked for and are not known yet.
  [[nodiscard]] bool awaits_answers() const;
  // And nothing says what the limits are: the first sample waits a while for them.
  [[nodiscard]] bool awaits_limits(Now now) const;
  // When that is over at the latest.
  [[nodiscard]] SteadyTime limits_deadline() const { return limits_deadline_; }
  // A url is set and nothing has been heard from there, up or not.
  [[nodiscard]] bool unanswered() const { return !settings_.influxdb.url.empty() && !server_; }
  [[nodiscard]] bool is_up() const { return server_ && server_->up; }
  [[nodiscard]] bool is_down() const { return server_ && !server_->up; }
  // Its port is closed; since it was last seen up, or we began to ask.
  [[nodiscard]] std::optional<Duration> down_for(Now now) const;
  // The server's clock minus ours, and the time by its clock; ours where it is not known.
  [[nodiscard]] Duration clock_offset(Now now) const { return clock_.offset(now); }
  [[nodiscard]] Time clock(Now now) const { return now.wall + clock_.offset(now); }
  // Why it is not up, or what is wrong with it; empty: nothing, or it was not asked.
  [[nodiscard]] std::string error() const { return server_ ? server_->error : std::string(); }

  [[nodiscard]] const std::optional<influxdb::ServerFacts>& facts() const { return server_; }
  // As last heard, also where it does not answer now; empty: never.
  [[nodiscard]] const std::string& last_version() const { return last_version_; }
  [[nodiscard]] std::uint64_t answers() const { return answers_; }
  [[nodiscard]] wal::Generation version() const { return version_; }
  [[nodiscard]] bool is_node() const { return version_ == wal::Generation::v3; }
  [[nodiscard]] const policy::Rules& rules() const { return rules_; }
  [[nodiscard]] const view::NodeView& node() const { return node_; }
  [[nodiscard]] const std::optional<influxdb::WalMetrics>& wal_metrics() const { return wal_metrics_; }
  // What its last answer forbids.
  [[nodiscard]] const std::vector<policy::Blocked>& blockers() const { return blockers_; }
  [[nodiscard]] const std::vector<influxdb::RewritePlan>& rewrites() const { return rewrites_; }

 private:
  void refresh(const Log& log);
  void keep(Ledger& ledger) const;
  [[nodiscard]] std::string not_measured() const;

  const settings::Target& settings_;
  const bool judges_at_once_;
  const SteadyTime limits_deadline_;
  SteadyTime next_ = SteadyTime::max();  // of the next question
  bool asking_ = false;
  std::optional<influxdb::ServerFacts> server_;
  ServerClock clock_;
  std::uint64_t answers_ = 0;
  SteadyTime seen_up_{};
  std::optional<influxdb::WalMetrics> wal_metrics_;
  std::vector<policy::Blocked> blockers_;
  std::vector<influxdb::RewritePlan> rewrites_;
  std::optional<influxdb::NodeFacts> node_facts_;
  std::optional<influxdb::NodeFacts> remembered_facts_;  // said to an earlier process of ours
  std::string last_version_;                             // as last heard, also by that one
  WalMatch match_;
  std::string last_build_;
  view::NodeView node_;
  std::vector<std::string> warned_;  // of node_, in the log
  wal::Generation version_;
  policy::Rules rules_;
};

}  // namespace wal_exporter::control
