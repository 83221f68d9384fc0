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

// How long the alerts about a restart stay active. No event ends them: a person has to look.
constexpr Duration kRestartShown = std::chrono::hours(1);
constexpr Duration kResolvedShown = std::chrono::minutes(15);
constexpr int kResendsAhead = 4;
constexpr std::size_t kLongestDescription = 2000;

// The type of the events that fire and end an alert of that name.
Type type_of(const std::string& name) {
  if (name == kCheckpointFailed || name == kCheckpointUnverified) return Type::checkpoint;
  if (name == kRestartConsidered) return Type::restart_consideration;
  return name == kRestart ? Type::restart : Type::health;
}

// The same for every alert of a name, so that Alertmanager's groups read well.
std::string summary_of(const Alert& alert) {
  if (alert.name == kHealth) {
    return alert.severity == Severity::critical ? "The WAL of InfluxDB is critical"
                                                : "The WAL of InfluxDB needs attention";
  }
  if (alert.name == kHealthUnknown) return "The health of InfluxDB's WAL is unknown";
  if (alert.name == kCheckpointFailed) return "A checkpoint of InfluxDB's WAL failed";
  if (alert.name == kCheckpointUnverified) return "A checkpoint of InfluxDB did not shrink its WAL";
  if (alert.name == kRestartConsidered) return "A restart of InfluxDB is worth considering";
  return "A restart of InfluxDB failed or was held back";
}

std::optional<Time> time_of(const Json& object, const char* key) {
  const auto time = parse_time(text_of(object, key));
  return time ? std::optional<Time>(*time) : std::nullopt;
}

}  // namespace

AlertBook::AlertBook(std::map<std::string, std::string> labels, Duration resend)
    : labels_(std::move(labels)), resend_(resend) {}

bool AlertBook::fire(std::string_view name, const Event& event, std::optional<Time> ends) {
  std::string description = event.summary;
  for (const std::string& line : advice(event)) description += "\n" + line;
  const Alert wanted{std::string(name), event.target, event.severity, shortened(description, kLongestDescription),
                     event.time,        ends};
  bool known = false;
  for (Alert& alert : alerts_) {
    if (alert.name != name || alert.target != event.target) continue;
    const bool active = !alert.ends || *alert.ends > event.time;
    if (active && alert.severity == event.severity) {
      const Time since = alert.starts;
      alert = wanted;
      alert.starts = since;
      known = true;
    } else if (active) {
      alert.ends = std::max(alert.starts, event.time);
    }
  }
  if (known) return true;
  // An earlier, resolved alert of the same kind is replaced by the new one.
  std::erase_if(alerts_, [&](const Alert& alert) {
    return alert.name == name && alert.target == event.target && alert.severity == event.severity;
  });
  alerts_.push_back(wanted);
  return true;
}

bool AlertBook::resolve(std::string_view name, const std::string& target, Time when) {
  bool changed = false;
  for (Alert& alert : alerts_) {
    if (alert.name != name || alert.target != target || (alert.ends && *alert.ends <= when)) continue;
    alert.ends = std::max(alert.starts, when);
    changed = true;
  }
  return changed;
}

bool AlertBook::apply(const Event& event, bool fires) {
  const auto detail = Json::parse(event.detail, nullptr, /*allow_exceptions=*/false);
  const bool serious = event.severity != Severity::info && fires;
  switch (event.type) {
    case Type::health: {
      // Nobody looks any more: what was wrong may still be, and no event would end an alert.
      if (detail.is_object() && text_of(detail, "to") == "removed") {
        bool changed = false;
        for (const Alert& alert : std::vector<Alert>(alerts_)) {
          if (alert.target == event.target) changed = resolve(alert.name, event.target, event.time) || changed;
        }
        return changed;
      }
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

bool AlertBook::keep_targets(const std::vector<std::string>& targets, Time now) {
  bool changed = false;
  for (Alert& alert : alerts_) {
    const bool watched = std::find(targets.begin(), targets.end(), alert.target) != targets.end();
    if (watched || (alert.ends && *alert.ends <= now)) continue;
    alert.ends = std::max(alert.starts, now);
    changed = true;
  }
  return changed;
}

void AlertBook::forget(Time now) {
  std::erase_if(alerts_, [&](const Alert& alert) { return alert.ends && *alert.ends + kResolvedShown < now; });
}

Payload AlertBook::payload(Time now) const {
  Json alerts = Json::array();
  for (const Alert& alert : alerts_) {
    Json labels = Json::object();
    for (const auto& [name, value] : labels_) labels[name] = to_valid_utf8(value);
    labels["alertname"] = alert.name;
    labels["target"] = to_valid_utf8(alert.target);
    labels["severity"] = std::string(to_string(alert.severity));
    labels["source"] = "influxdb_wal_exporter";
    Json one;
    one["labels"] = std::move(labels);
    one["annotations"] = {{"summary", summary_of(alert)}, {"description", to_valid_utf8(alert.description)}};
    one["startsAt"] = format_time(alert.starts);
    // Not before its start, also after the clock was set back.
    one["endsAt"] = format_time(std::max(alert.starts, alert.ends.value_or(now + kResendsAhead * resend_)));
    alerts.push_back(std::move(one));
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
    one["starts"] = format_time(alert.starts);
    one["ends"] = alert.ends ? Json(format_time(*alert.ends)) : Json(nullptr);
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
    Alert alert{text_of(one, "name"), text_of(one, "target"), Severity::warning, text_of(one, "description"), {}, {}};
    if (!severity || !starts || alert.name.empty()) continue;
    alert.severity = *severity;
    alert.starts = *starts;
    alert.ends = time_of(one, "ends");
    alerts_.push_back(std::move(alert));
  }
}

}  // namespace wal_exporter::events
