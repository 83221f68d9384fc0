#include "events/event.h"

#include <nlohmann/json.hpp>

#include "base/text.h"

namespace wal_exporter::events {

std::string_view to_string(Type type) {
  switch (type) {
    case Type::health:
      return "wal.health";
    case Type::checkpoint:
      return "wal.checkpoint";
    case Type::restart_consideration:
      return "wal.restart_consideration";
    case Type::restart:
      return "wal.restart";
  }
  return "unknown";
}

std::optional<Type> parse_type(std::string_view text) {
  for (const Type type : kTypes) {
    if (to_string(type) == text) return type;
  }
  return std::nullopt;
}

std::string_view to_string(Severity severity) {
  switch (severity) {
    case Severity::info:
      return "info";
    case Severity::warning:
      return "warning";
    case Severity::critical:
      return "critical";
  }
  return "unknown";
}

std::optional<Severity> parse_severity(std::string_view text) {
  for (const Severity severity : kSeverities) {
    if (to_string(severity) == text) return severity;
  }
  return std::nullopt;
}

nlohmann::ordered_json to_json(const Event& event) {
  auto detail = nlohmann::ordered_json::parse(event.detail, nullptr, /*allow_exceptions=*/false);
  if (!detail.is_object()) detail = nlohmann::ordered_json::object();
  nlohmann::ordered_json out;
  out["id"] = event.id;
  out["time"] = format_time(event.time);
  out["target"] = to_valid_utf8(event.target);
  out["type"] = std::string(to_string(event.type));
  out["severity"] = std::string(to_string(event.severity));
  out["summary"] = to_valid_utf8(event.summary);
  out["detail"] = std::move(detail);
  return out;
}

std::string dump(const nlohmann::ordered_json& json) {
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace wal_exporter::events
