#include "events/alert_book.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/text.h"
#include "events/restart_step.h"

namespace wal_exporter::events {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kHealth = "InfluxDBWALHealth";
constexpr std::string_view kHealthUnknown = "InfluxDBWALHealthUnknown";
constexpr std::string_view kCheckpointFailed = "InfluxDBWALCheckpointFailed";
constexpr std::string_view kCheckpointUnverified = "InfluxDBWALCheckpointUnverified";
constexpr std::string_view kRestartConsidered = "InfluxDBWALRestartConsidered";
constexpr std::string_view kRestart = "InfluxDBWALRestart";
constexpr std::string_view kWatchdog = "InfluxDBWALWatchdog";

// How long the alerts about a restart stay active. No event ends them: a person has to look.
constexpr Duration kRestartShown = std::chrono::hours(1);
constexpr Duration kResolvedShown = std::chrono::minutes(15);
// An exporter that has died does not end its alerts for so long.
constexpr Duration kAhead = std::chrono::hours(24);
constexpr int kResendsAhead = 4;
// One that comes back within the first is held for the second.
constexpr Duration kFlapping = std::chrono::hours(1);
constexpr Duration kHeld = std::chrono::minutes(30);
// A target that left may come back.
constexpr Duration kLeftKept = std::chrono::hours(24 * 30);
constexpr std::size_t kLongestDescription = 2000;

// The type of the events that fire and end an alert of that name.
Type type_of(const std::string& name) {
  if (name == kCheckpointFailed || name == kCheckpointUnverified) return Type::checkpoint;
  if (name == kRestartConsidered) return Type::restart_consideration;
  return name == kRestart ? Type::restart : Type::health;
}

struct Words {
  std::string_view summary;   // while it is active; the same for every alert of a name, so that groups read well
  std::string_view resolved;  // once it has ended
  std::string_view runbook;
};

Words words_of(const Alert& alert) {
  if (alert.name == kHealth) {
    return alert.severity == Severity::critical
               ? Words{"The WAL of InfluxDB is critical", "The WAL of InfluxDB was critical.", "InfluxDBWALCritical"}
               : Words{"The WAL of InfluxDB needs attention", "The WAL of InfluxDB needed attention.",
                       "InfluxDBWALWarning"};
  }
  if (alert.name == kHealthUnknown) {
    return {"The health of InfluxDB's WAL is unknown", "The health of InfluxDB's WAL was unknown.",
            "InfluxDBWALSampleStale"};
  }
  if (alert.name == kCheckpointFailed) {
    return {"A checkpoint of InfluxDB's WAL failed",
            "A checkpoint of InfluxDB's WAL had failed; a later one did not fail.", "InfluxDBWALCheckpointFailing"};
  }
  if (alert.name == kCheckpointUnverified) {
    return {"A checkpoint of InfluxDB did not shrink its WAL",
            "A checkpoint of InfluxDB had not shrunk its WAL; a later one did not end so.",
            "InfluxDBWALCheckpointUnverified"};
  }
  if (alert.name == kRestartConsidered) {
    return {
        "A restart of InfluxDB is worth considering",
        "A restart of InfluxDB was worth considering; this ends with the WAL's recovery, or by itself after an hour.",
        "InfluxDBWALCriticalForLong"};
  }
  return {"A restart of InfluxDB failed or was held back",
          "A restart of InfluxDB had failed or was held back; this ends with one that succeeds, or by itself after an "
          "hour.",
          "InfluxDBWALRestartFailed"};
}

bool ends_by_itself(std::string_view name) {
  return name == kRestartConsidered || name == kRestart;
}

// How long after its cause it ends.
Duration held_for(const Alert& alert) {
  return alert.times > 1 ? kHeld : Duration::zero();
}

// Of an active one it is what is read if the exporter dies: then this was its last word.
std::string resolved_text(const Alert& alert, Time now) {
  if (!alert.ends) {
    return "No news from the exporter since " + format_minute(now) +
           ": the alert has run out, and nobody knows whether its cause is over.";
  }
  if (alert.left) {
    return "The target was removed from the exporter's settings while this alert was active: nothing has cured it, and "
           "nobody watches this WAL any more.";
  }
  std::string out(words_of(alert).resolved);
  if (alert.times > 1) {
    out += " It fired " + count_of(alert.times, "time") + " since " + format_minute(alert.first) + ".";
  }
  return out;
}

std::string runbook_url(std::string_view name) {
  return "/rules/runbooks/" + std::string(name) + ".md";
}

std::optional<Time> time_of(const Json& object, const char* key) {
  const auto time = parse_time(text_of(object, key));
  return time ? std::optional<Time>(*time) : std::nullopt;
}

bool is_told(const Alert& alert, Time now) {
  return !alert.ends || *alert.ends + kResolvedShown >= now;
}

Json labels_of(const std::map<std::string, std::string>& more, std::string_view name) {
  Json out = Json::object();
  for (const auto& [key, value] : more) out[key] = to_valid_utf8(value);
  out["alertname"] = std::string(name);
  return out;
}

// Where a dashboard shows it; the templates put an address in front.
std::string dashboard_url(const std::string& target) {
  return "/d/influxdb-wal-target?var-target=" + percent_encode(to_valid_utf8(target));
}

Json to_alert_json(const Alert& alert, Json labels, Time now) {
  labels["target"] = to_valid_utf8(alert.target);
  labels["severity"] = to_string(alert.severity);
  labels["source"] = "influxdb_wal_exporter";
  const Words words = words_of(alert);
  std::string description = to_valid_utf8(alert.description);
  if (alert.times > 1 && !ends_by_itself(alert.name)) {
    description += "\nIt has fired " + count_of(alert.times, "time") + " since " + format_minute(alert.first) +
                   ", so it ends only when its cause has been over for half an hour.";
  }
  Json annotations{{"summary", words.summary}, {"description", std::move(description)}};
  if (!alert.replay.empty()) annotations["replay"] = to_valid_utf8(alert.replay);
  if (!alert.next.empty()) annotations["next"] = to_valid_utf8(alert.next);
  annotations["resolved"] = resolved_text(alert, now);
  annotations["runbook_url"] = runbook_url(words.runbook);
  annotations["dashboard_url"] = dashboard_url(alert.target);
  return {{"labels", std::move(labels)},
          {"annotations", std::move(annotations)},
          {"startsAt", format_time(alert.starts)},
          // Not before its start, also after the clock was set back.
          {"endsAt", format_time(std::max(alert.starts, alert.ends.value_or(now + kAhead)))}};
}

}  // namespace

AlertBook::AlertBook(std::map<std::string, std::string> labels, Duration resend, bool watchdog)
    : labels_(std::move(labels)), resend_(resend), watchdog_(watchdog) {}

bool AlertBook::watches(const std::string& target) const {
  return targets_.empty() || std::find(targets_.begin(), targets_.end(), target) != targets_.end();
}

bool AlertBook::fire(std::string_view name, const Event& event, std::optional<Time> ends) {
  std::string description = event.summary;
  for (const std::string& line : advice(event)) description += "\n" + line;
  const Outlook outlook = outlook_of(event);
  Alert wanted;
  wanted.name = name;
  wanted.target = event.target;
  wanted.severity = event.severity;
  wanted.description = shortened(description, kLongestDescription);
  wanted.replay = outlook.replay;
  wanted.next = outlook.next;
  wanted.starts = wanted.first = event.time;
  wanted.ends = ends;
  for (Alert& alert : alerts_) {
    if (alert.name != name || alert.target != event.target) continue;
    // The same trouble, which has become worse or less.
    if (alert.severity != event.severity && !alert.ends) {
      alert.ends = std::max(alert.starts, event.time + held_for(alert));
    }
  }
  for (Alert& alert : alerts_) {
    if (alert.name != name || alert.target != event.target || alert.severity != event.severity) continue;
    const bool active = !alert.ends || *alert.ends > event.time;
    const bool again = !alert.left && alert.ends && !ends_by_itself(name) && event.time < *alert.ends + kFlapping;
    if (active) wanted.starts = alert.starts;
    if (active || again) wanted.first = alert.first;
    if (active || again) wanted.times = alert.times + (again ? 1 : 0);
    if (!active) continue;
    alert = std::move(wanted);
    return true;
  }
  // An earlier, resolved alert of the same kind is replaced by the new one.
  std::erase_if(alerts_, [&](const Alert& alert) {
    return alert.name == name && alert.target == event.target && alert.severity == event.severity;
  });
  alerts_.push_back(std::move(wanted));
  return true;
}

bool AlertBook::resolve(std::string_view name, const std::string& target, Time when) {
  bool changed = false;
  for (Alert& alert : alerts_) {
    if (alert.name != name || alert.target != target) continue;
    if (alert.left) {
      // It is not to come back with its target.
      alert.left = false;
    } else if (!alert.ends || (ends_by_itself(name) && *alert.ends > when)) {
      alert.ends = std::max(alert.starts, when + held_for(alert));
      changed = true;
    }
  }
  return changed;
}

bool AlertBook::apply(const Event& event, bool fires) {
  if (event.id > 0 && event.id <= applied_) return false;
  const auto detail = Json::parse(event.detail, nullptr, /*allow_exceptions=*/false);
  const bool serious = event.severity != Severity::info && fires;
  // What comes late of a target that left begins no alert, which nothing would end.
  const bool leaves = event.type == Type::health && detail.is_object() && text_of(detail, "to") == "removed";
  if (leaves) return leave(event.target, event.time);
  if (serious && !watches(event.target)) return false;
  applied_ = std::max(applied_, event.id);
  switch (event.type) {
    case Type::health: {
      // Unknown resolves nothing: what was wrong may still be.
      if (detail.is_object() && text_of(detail, "to") == "unknown") {
        return serious && fire(kHealthUnknown, event, std::nullopt);
      }
      const bool unknown = resolve(kHealthUnknown, event.target, event.time);
      if (serious) return fire(kHealth, event, std::nullopt) || unknown;
      const bool health = resolve(kHealth, event.target, event.time);
      const bool restart = event.severity == Severity::info && resolve(kRestartConsidered, event.target, event.time);
      return unknown || health || restart;
    }
    case Type::checkpoint: {
      if (!detail.is_object() || text_of(detail, "state") != "ended") return false;
      const std::string outcome = text_of(detail, "outcome");
      const bool failed = outcome == "failed";
      const bool unverified = outcome == "unverified";
      if (!failed && !unverified && outcome != "succeeded" && outcome != "no_op") return false;
      const bool first = (!failed || !serious) && resolve(kCheckpointFailed, event.target, event.time);
      const bool second = (!unverified || !serious) && resolve(kCheckpointUnverified, event.target, event.time);
      const bool fired =
          serious && (failed || unverified) && fire(failed ? kCheckpointFailed : kCheckpointUnverified, event, {});
      return first || second || fired;
    }
    case Type::restart_consideration:
      return serious && fire(kRestartConsidered, event, event.time + kRestartShown);
    case Type::restart:
      if (serious) return fire(kRestart, event, event.time + kRestartShown);
      // "ready" is the last step of a restart that went well.
      return detail.is_object() && text_of(detail, "step") == to_string(RestartStep::ready) &&
             resolve(kRestart, event.target, event.time);
    case Type::count:
      break;
  }
  return false;
}

bool AlertBook::keep_concerned(const HookFilter& filter, Time now) {
  bool changed = false;
  for (Alert& alert : alerts_) {
    Event event;
    event.target = alert.target;
    event.type = type_of(alert.name);
    if (concerns(filter, event) || (alert.ends && *alert.ends <= now)) continue;
    alert.ends = std::max(alert.starts, now);
    changed = true;
  }
  return changed;
}

bool AlertBook::keep_targets(std::vector<std::string> targets, Time now) {
  targets_ = std::move(targets);
  bool changed = false;
  for (Alert& alert : alerts_) {
    if (watches(alert.target)) {
      if (!alert.left) continue;
      // It is back, and what was told of it last holds until it tells something else.
      alert.left = false;
      if (ends_by_itself(alert.name)) continue;
      alert.ends.reset();
      alert.starts = alert.first = now;
      alert.times = 1;
      changed = true;
    } else {
      changed = leave(alert.target, now) || changed;
    }
  }
  return changed;
}

// Nobody looks any more: what was wrong may still be.
bool AlertBook::leave(const std::string& target, Time when) {
  bool changed = false;
  for (Alert& alert : alerts_) {
    if (alert.target != target || (alert.ends && *alert.ends <= when)) continue;
    alert.ends = std::max(alert.starts, when);
    alert.left = true;
    changed = true;
  }
  return changed;
}

void AlertBook::begin(Time now) {
  std::erase_if(alerts_, [&](const Alert& alert) { return !alert.left && alert.ends && *alert.ends <= now; });
  for (Alert& alert : alerts_) {
    if (alert.left) alert.ends = now - kResolvedShown - std::chrono::seconds(1);
  }
}

void AlertBook::forget(Time now) {
  std::erase_if(alerts_, [&](const Alert& alert) {
    return alert.ends && *alert.ends + (alert.left ? kLeftKept : kFlapping) < now;
  });
}

bool AlertBook::tells(Time now) const {
  return watchdog_ || std::any_of(alerts_.begin(), alerts_.end(), [&](const Alert& one) { return is_told(one, now); });
}

Payload AlertBook::payload(Time now) const {
  Json alerts = Json::array();
  for (const Alert& alert : alerts_) {
    if (is_told(alert, now)) alerts.push_back(to_alert_json(alert, labels_of(labels_, alert.name), now));
  }
  if (watchdog_) {
    if (!watching_since_) watching_since_ = now;
    Json labels = labels_of(labels_, kWatchdog);
    labels["severity"] = "none";
    labels["source"] = "influxdb_wal_exporter";
    alerts.push_back({{"labels", std::move(labels)},
                      {"annotations",
                       {{"summary", "influxdb_wal_exporter is running and reaches Alertmanager"},
                        {"description", "A dead man's switch: it always fires. When it stops, nobody watches the WAL."},
                        {"resolved", "No news from the exporter since " + format_minute(now) +
                                         ": it has ended, or cannot reach Alertmanager. Nobody watches the WAL."},
                        {"runbook_url", runbook_url("InfluxDBWALExporterDown")},
                        {"dashboard_url", "/d/influxdb-wal-exporter"}}},
                      {"startsAt", format_time(std::min(*watching_since_, now))},
                      {"endsAt", format_time(now + kResendsAhead * resend_)}});
  }
  Payload out;
  out.path = "/api/v2/alerts";
  out.headers.emplace_back("Content-Type", "application/json");
  out.body = alerts.dump(-1, ' ', false, Json::error_handler_t::replace);
  return out;
}

nlohmann::ordered_json AlertBook::memory() const {
  Json out = Json::array();
  for (const Alert& alert : alerts_) {
    Json one;
    one["name"] = alert.name;
    one["target"] = to_valid_utf8(alert.target);
    one["severity"] = std::string(to_string(alert.severity));
    one["description"] = to_valid_utf8(alert.description);
    one["replay"] = to_valid_utf8(alert.replay);
    one["next"] = to_valid_utf8(alert.next);
    one["starts"] = format_time(alert.starts);
    one["ends"] = alert.ends ? Json(format_time(*alert.ends)) : Json(nullptr);
    one["times"] = alert.times;
    one["first"] = format_time(alert.first);
    one["left"] = alert.left;
    out.push_back(std::move(one));
  }
  return out;
}

void AlertBook::restore(const nlohmann::ordered_json& memory) {
  alerts_.clear();
  if (!memory.is_array()) return;
  for (const Json& one : memory) {
    if (!one.is_object()) continue;
    const auto severity = parse_severity(text_of(one, "severity"));
    const auto starts = time_of(one, "starts");
    if (!severity || !starts || text_of(one, "name").empty()) continue;
    Alert alert;
    alert.name = text_of(one, "name");
    alert.target = text_of(one, "target");
    alert.severity = *severity;
    alert.description = text_of(one, "description");
    alert.replay = text_of(one, "replay");
    alert.next = text_of(one, "next");
    alert.starts = *starts;
    alert.ends = time_of(one, "ends");
    // An older exporter did not keep these.
    alert.first = time_of(one, "first").value_or(*starts);
    const auto times = one.find("times");
    if (times != one.end() && times->is_number_unsigned()) alert.times = times->get<std::uint64_t>();
    const auto left = one.find("left");
    alert.left = left != one.end() && left->is_boolean() && left->get<bool>();
    alerts_.push_back(std::move(alert));
  }
}

}  // namespace wal_exporter::events
