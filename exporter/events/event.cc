#include "events/event.h"

#include <nlohmann/json.hpp>

#include "base/text.h"

namespace wal_exporter::events {

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
