// What is told to the log, the audit, the hooks and the event stream. Value types:
// safe from any thread.
#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/table.h"
#include "base/time.h"

namespace wal_exporter::events {

// `restart` stands for the steps of a restart that the exporter makes itself.
enum class Type { health, checkpoint, restart_consideration, restart, count };
struct TypeRow {
  Type value{};
  std::string_view name;
};
inline constexpr std::array kTypes{TypeRow{Type::health, "wal.health"}, TypeRow{Type::checkpoint, "wal.checkpoint"},
                                   TypeRow{Type::restart_consideration, "wal.restart_consideration"},
                                   TypeRow{Type::restart, "wal.restart"}};
static_assert(is_complete(kTypes));

[[nodiscard]] constexpr std::string_view to_string(Type type) {
  return row_of(kTypes, type).name;
}
[[nodiscard]] constexpr std::optional<Type> parse_type(std::string_view text) {
  return value_named(kTypes, text);
}

// How much it matters to a person: info asks for nothing, warning wants a look,
// critical wants one now.
enum class Severity { info, warning, critical, count };
struct SeverityRow {
  Severity value{};
  std::string_view name;
};
inline constexpr std::array kSeverities{SeverityRow{Severity::info, "info"}, SeverityRow{Severity::warning, "warning"},
                                        SeverityRow{Severity::critical, "critical"}};
static_assert(is_complete(kSeverities));

[[nodiscard]] constexpr std::string_view to_string(Severity severity) {
  return row_of(kSeverities, severity).name;
}
[[nodiscard]] constexpr std::optional<Severity> parse_severity(std::string_view text) {
  return value_named(kSeverities, text);
}

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
