// Alerts as Alertmanager wants them: a state that is told again and again, made
// from events.
//
// wal.health           InfluxDBWALHealth, with the severity of the health; healthy
//                      resolves it. Unknown leaves it as it is, and is
//                      InfluxDBWALHealthUnknown, which the next known one resolves
// wal.checkpoint       InfluxDBWALCheckpointFailed, InfluxDBWALCheckpointUnverified;
//                      the next success (or nothing to do) resolves both
// wal.restart_consideration, wal.restart (warning and above)
//                      InfluxDBWALRestartConsidered, InfluxDBWALRestart: both end by
//                      themselves an hour after their event; healthy ends the first,
//                      a restart that went well the second
//
// An active alert is sent with an end four resends ahead, so that the alerts of an
// exporter that is gone end by themselves. A resolved one is sent for 15 more minutes, for
// an Alertmanager that was down. Applying events a second time leads to the same state.
//
// Not thread-safe; no I/O.
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "events/event.h"
#include "events/hook.h"
#include "events/payload.h"

namespace wal_exporter::events {

struct Alert {
  std::string name;
  std::string target;
  Severity severity = Severity::warning;
  std::string description;
  Time starts{};
  std::optional<Time> ends;  // nullopt: active until further notice

  friend bool operator==(const Alert&, const Alert&) = default;
};

class AlertBook {
 public:
  // `labels` are the user's, added to every alert.
  AlertBook(std::map<std::string, std::string> labels, Duration resend);

  // Returns whether anything changed. If `fires` is false, the event is below the configured
  // severity: it can resolve alerts, but not fire one.
  bool apply(const Event& event, bool fires);
  // Ends the alerts that the hook's filter no longer lets through: their resolving events
  // would be filtered out.
  bool keep_concerned(const HookFilter& filter, Time now);
  // Resolves the alerts of targets that are not watched any more.
  bool keep_targets(const std::vector<std::string>& targets, Time now);
  // Drops alerts that ended more than 15 minutes ago.
  void forget(Time now);

  [[nodiscard]] const std::vector<Alert>& alerts() const { return alerts_; }
  // POST /api/v2/alerts
  [[nodiscard]] Payload payload(Time now) const;

  // The state as it is kept across restarts, and reading it back; entries that make no sense
  // are left out.
  [[nodiscard]] nlohmann::ordered_json memory() const;
  void restore(const nlohmann::ordered_json& memory);

 private:
  bool fire(std::string_view name, const Event& event, std::optional<Time> ends);
  bool resolve(std::string_view name, const std::string& target, Time when);

  std::map<std::string, std::string> labels_;
  Duration resend_;
  std::vector<Alert> alerts_;
};

}  // namespace wal_exporter::events
