// What to do about a target now, why, and what forbids it. Value types: safe from
// any thread.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/table.h"
#include "policy/blockers.h"

namespace wal_exporter::policy {

// Why a checkpoint was asked for.
enum class Reason { warning, critical, scheduled, manual, alert, pre_restart, count };
struct ReasonRow {
  Reason value{};
  std::string_view name;
};
inline constexpr std::array kReasons{
    ReasonRow{Reason::warning, "warning"},     ReasonRow{Reason::critical, "critical"},
    ReasonRow{Reason::scheduled, "scheduled"}, ReasonRow{Reason::manual, "manual"},
    ReasonRow{Reason::alert, "alert"},         ReasonRow{Reason::pre_restart, "pre_restart"}};
static_assert(is_complete(kReasons));

[[nodiscard]] constexpr std::string_view to_string(Reason reason) {
  return row_of(kReasons, reason).name;
}
[[nodiscard]] constexpr std::optional<Reason> parse_reason(std::string_view text) {
  return value_named(kReasons, text);
}

enum class Action { none, checkpoint };

[[nodiscard]] constexpr std::string_view to_string(Action action) {
  return action == Action::checkpoint ? "checkpoint" : "none";
}

struct Decision {
  Action action = Action::none;
  std::optional<Reason> reason;   // also where blockers keep the action from being taken
  std::string why;                // for people: the reason with its numbers, or why there is none
  std::vector<Blocked> blockers;  // in the order of the enum
  // What would hold back others, and does not whoever asked; likewise.
  std::vector<Blocked> passed_over{};

  // Both in one text.
  [[nodiscard]] std::string explanation() const { return explain(why, blockers); }

  friend bool operator==(const Decision&, const Decision&) = default;
};

}  // namespace wal_exporter::policy
