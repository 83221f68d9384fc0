// What is told to the log, the audit, the hooks and the event stream. Value types:
// safe from any thread.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace wal_exporter::events {

// `restart` stands for the steps of a restart that the exporter makes itself.
enum class Type { health, checkpoint, restart_consideration, restart };
inline constexpr Type kTypes[] = {Type::health, Type::checkpoint, Type::restart_consideration, Type::restart};

// wal.health, wal.checkpoint, wal.restart_consideration, wal.restart
[[nodiscard]] std::string_view to_string(Type type);
[[nodiscard]] std::optional<Type> parse_type(std::string_view text);

// How much it matters to a person: info asks for nothing, warning wants a look,
// critical wants one now.
enum class Severity { info, warning, critical };
inline constexpr Severity kSeverities[] = {Severity::info, Severity::warning, Severity::critical};

[[nodiscard]] std::string_view to_string(Severity severity);
[[nodiscard]] std::optional<Severity> parse_severity(std::string_view text);

struct Event {
  std::int64_t id = 0;  // of its row in the audit; 0: could not be kept
  Time time{};
  std::string target;
  Type type = Type::health;
  Severity severity = Severity::info;
  std::string summary;  // one line for people
  std::string detail;   // a JSON object; schema/event.json says what is in it
};

// On one line; what is no UTF-8 is replaced.
[[nodiscard]] std::string dump(const nlohmann::ordered_json& json);

// The form that hooks, the API and the event stream send: schema/event.json.
[[nodiscard]] nlohmann::ordered_json to_json(const Event& event);

}  // namespace wal_exporter::events
