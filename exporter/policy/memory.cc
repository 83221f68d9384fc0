#include "policy/memory.h"

#include <nlohmann/json.hpp>

namespace walx::policy {
namespace {

using Json = nlohmann::json;

void put(Json& json, const char* key, const std::optional<Time>& time) {
  if (time) json[key] = time->time_since_epoch().count();
}

std::optional<Time> get(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end()) return std::nullopt;
  return Time(Duration(found->get<std::int64_t>()));
}

std::optional<Health> parse_health(const std::string& text) {
  for (const Health health : kHealths) {
    if (to_string(health) == text) return health;
  }
  return std::nullopt;
}

}  // namespace

std::string to_text(const Memory& memory) {
  Json json = Json::object();
  if (memory.levels) {
    json["files_level"] = to_string(memory.levels->files);
    json["bytes_level"] = to_string(memory.levels->bytes);
  }
  put(json, "files_over_since", memory.files_over_since);
  put(json, "last_start", memory.last_start);
  put(json, "last_end", memory.last_end);
  put(json, "last_success", memory.last_success);
  put(json, "last_scheduled", memory.last_scheduled);
  json["failures"] = memory.failures;
  put(json, "backoff_until", memory.backoff_until);
  put(json, "breaker_until", memory.breaker_until);
  json["critical_failures"] = memory.critical_failures;
  put(json, "last_critical_failure", memory.last_critical_failure);
  put(json, "blocked_since", memory.blocked_since);
  json["restart_considered"] = memory.restart_considered;
  return json.dump();
}

Result<Memory> from_text(const std::string& text) {
  try {
    const Json json = Json::parse(text);
    Memory memory;
    const auto files = parse_health(json.value("files_level", ""));
    const auto bytes = parse_health(json.value("bytes_level", ""));
    if (files && bytes) memory.levels = Levels{*files, *bytes};
    memory.files_over_since = get(json, "files_over_since");
    memory.last_start = get(json, "last_start");
    memory.last_end = get(json, "last_end");
    memory.last_success = get(json, "last_success");
    memory.last_scheduled = get(json, "last_scheduled");
    memory.failures = json.value("failures", std::uint32_t{0});
    memory.backoff_until = get(json, "backoff_until");
    memory.breaker_until = get(json, "breaker_until");
    memory.critical_failures = json.value("critical_failures", std::uint32_t{0});
    memory.last_critical_failure = get(json, "last_critical_failure");
    memory.blocked_since = get(json, "blocked_since");
    memory.restart_considered = json.value("restart_considered", false);
    return memory;
  } catch (const Json::exception& error) {
    return failure(ErrorKind::corrupt, std::string("what is remembered of the target can't be read: ") + error.what());
  }
}

}  // namespace walx::policy
