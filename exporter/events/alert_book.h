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
// always               InfluxDBWALWatchdog, where it is wanted: a dead man's switch
//
// One that comes back within an hour of its end is held: from then on it ends half an hour
// after its cause, so that what comes and goes each minute is one alert.
//
// An active alert is sent with an end a day ahead and a text for that end, which says that
// there was no news; the watchdog with one four resends ahead. A resolved one is sent for 15
// more minutes, for an Alertmanager that was down. An event that is read again changes nothing.
//
// A target that left (wal.health to removed, or the settings know it no more) ends its alerts,
// told as leaving; they come back with it.
//
// Not thread-safe; no I/O.
#pragma once

#include <cstdint>
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
  std::string replay;  // what a restart would replay; empty: not known
  std::string next;    // what the exporter does next; empty: not known
  Time starts{};
  std::optional<Time> ends;  // nullopt: active until further notice
  std::uint64_t times = 1;   // it fired, since `first`, with less than an hour in between
  Time first{};
  bool left = false;  // it ended because its target left

  friend bool operator==(const Alert&, const Alert&) = default;
};

class AlertBook {
 public:
  // `labels` are the user's, added to every alert. `watchdog`: there is one.
  AlertBook(std::map<std::string, std::string> labels, Duration resend, bool watchdog = false);

  // Returns whether anything changed. If `fires` is false, the event is below the configured
  // severity: it can resolve alerts, but not fire one.
  bool apply(const Event& event, bool fires);
  // Ends the alerts that the hook's filter no longer lets through: their resolving events
  // would be filtered out.
  bool keep_concerned(const HookFilter& filter, Time now);
  // These targets are watched from now on: ends the alerts of all others, and takes up those
  // of one that is back.
  bool keep_targets(std::vector<std::string> targets, Time now);
  // What has ended is not told any more: whoever is told first did not hear of it.
  void begin(Time now);
  // Drops alerts that ended so long ago that they matter no more.
  void forget(Time now);

  [[nodiscard]] const std::vector<Alert>& alerts() const { return alerts_; }
  // Whether payload() has anything to tell.
  [[nodiscard]] bool tells(Time now) const;
  // POST /api/v2/alerts
  [[nodiscard]] Payload payload(Time now) const;

  // The state as it is kept across restarts, and reading it back; entries that make no sense
  // are left out.
  [[nodiscard]] nlohmann::ordered_json memory() const;
  void restore(const nlohmann::ordered_json& memory);

 private:
  [[nodiscard]] bool watches(const std::string& target) const;
  bool fire(std::string_view name, const Event& event, std::optional<Time> ends);
  bool leave(const std::string& target, Time when);
  bool resolve(std::string_view name, const std::string& target, Time when);

  std::map<std::string, std::string> labels_;
  Duration resend_;
  bool watchdog_;
  std::vector<std::string> targets_;  // that are watched; empty: all
  std::int64_t applied_ = 0;          // the newest id
  mutable std::optional<Time> watching_since_;
  std::vector<Alert> alerts_;
};

}  // namespace wal_exporter::events
